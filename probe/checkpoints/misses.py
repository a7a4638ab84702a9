"""Messages for files that are no readable model but belong to one, each with what to do to make it one."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

ADAPTER = re.compile(
    r"(^|\.)(lora_[AB]|lora_embedding_[AB]|lora_magnitude_vector|ia3_l|vera_lambda|oft_R|boft_R)(\.|$)"
)
QUANTISED = re.compile(
    r"\.(qweight|qzeros|g_idx|SCB|weight_format|absmax|quant_map|quant_state|weight_scale|scale_inv|weight_packed"
    r"|weight_scale_inv|weight_zero_point|input_scale)(\.|$)"
)
STARTS: dict[bytes, str] = {
    b"version https://git-lfs": "is a pointer of Git LFS, not the file it stands for. Run git lfs pull in its folder.",
    b"<": "is a page of the web, or XML, where weights were needed. Download the file itself.",
    b"GGUF": "is a GGUF file by another name. Rename it to end in .gguf.",
    b"\x89HDF": "is an HDF5 file, as Keras writes, but weights of torch or safetensors were needed. Convert it first.",
    b"\x93NUMPY": "is an array of NumPy, but weights by name were needed. Save a dictionary of tensors by torch.save.",
    b"\x1f\x8b": "is packed by gzip, and was not unpacked. Unpack it first.",
    b"{": "is a text of JSON, but weights were needed. Give the file of weights beside it.",
}
"""What files of other kinds begin with, and what to say of them."""


def miss_of_bytes(path: Path, start: bytes) -> str | None:
    """Returns the message for a file of another kind, known by its first bytes, or None if it is of none of them."""
    if not path.stat().st_size:
        return f"{path} is empty, so it is damaged or truncated: its download may not have ended. Copy the file anew."
    for sign, said in STARTS.items():
        if start.lstrip().startswith(sign):
            return f"{path} {said}"
    if start.startswith(b"PK"):
        names = _members(path)
        if any(name.endswith("/constants.pkl") for name in names) and any("/code/" in name for name in names):
            return (
                f"{path} is a TorchScript program, which is never run. Save its weights alone: "
                "torch.save(torch.jit.load(FILE).state_dict(), NEW)."
            )
        if names and all(name.endswith(".npy") for name in names):
            return f"{path} is an archive of NumPy, but weights of torch or safetensors were needed. Convert it first."
    return None


def _members(path: Path) -> list[str]:
    """Returns the names in an archive; an empty list if it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return []


def miss_of_folder(folder: Path) -> str | None:
    """Returns the message for a folder of a known kind that holds no whole model, or None for any other folder."""
    if (folder / "adapter_config.json").is_file():
        return _adapter(folder, _base(folder))
    if (folder / "params.json").is_file() and any(folder.glob("consolidated*.pth")):
        return (
            f"{folder} holds a model in its authors' own format (consolidated.*.pth). Convert it by the script that "
            "transformers has for its family, and give the folder that this writes."
        )
    if any(folder.glob("*_model_states.pt")) or any(folder.glob("*/*_model_states.pt")):
        return (
            f"{folder} is a checkpoint of DeepSpeed in parts. Run its zero_to_fp32.py, which writes pytorch_model.bin, "
            "and put config.json beside that."
        )
    if any(folder.glob("*.distcp")):
        return (
            f"{folder} is a distributed checkpoint of torch. Convert it: python -m "
            "torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER FILE.pt."
        )
    for name, maker in (("tf_model.h5", "TensorFlow"), ("flax_model.msgpack", "Flax")):
        if (folder / name).is_file() and not any(folder.glob("*.safetensors")) and not any(folder.glob("*.bin")):
            return f"{folder} holds weights of {maker} alone ({name}). Load them in transformers 4 and save them anew."
    return None


def miss_of_names(place: Path, names: Collection[str]) -> str | None:
    """Returns the message for weights whose names are an adapter's or of quantised weights, or None."""
    if name := next((name for name in names if ADAPTER.search(name) or name.startswith("base_model.model.")), None):
        return _adapter(place, "", name)
    if name := next((name for name in names if QUANTISED.search(name)), None):
        return (
            f"{place} holds quantised weights ({name}), but the stream is read from full ones. Give what was there "
            'before, or write it: model.dequantize().save_pretrained("full").'
        )
    return None


def miss_of_content(path: Path, content: Any) -> str | None:
    """Returns the message for a mapping that is no checkpoint, or None if its keys are of none of the known kinds."""
    if not isinstance(content, Mapping):
        return None
    for fits, said in CONTENTS:
        if fits(content):
            return f"{path} {said}"
    return None


def lone(path: Path, names: Collection[str]) -> str:
    """Returns the message for weights without a description of their model, in the file or beside it."""
    return miss_of_names(path, names) or (
        f"{path} was not written by probe train: it holds {len(names)} weights by name ({next(iter(names))}, ...) and "
        "nothing that says what model they are of. Put the config.json (Hugging Face, mamba_ssm) or config.yaml (an "
        "official run) they belong to beside it, or load them into your module and give probe.ModuleModel."
    )


CONTENTS: tuple[tuple[Callable[[Mapping[Any, Any]], bool], str], ...] = (
    (
        lambda content: {"plan", "optimiser", "weights"} <= content.keys(),
        "is the state of a training of probe, which --resume goes on with. Give the checkpoint beside it, without "
        ".state.",
    ),
    (
        lambda content: {"state", "param_groups"} == content.keys(),
        "holds the state of an optimiser, and no weights. Give the file of weights that was saved with it.",
    ),
    (
        lambda content: any("lightning" in str(key).lower() for key in content) and "state_dict" in content,
        "is a checkpoint of Lightning, and nothing beside it says what model it is of. Put the config.json or "
        "config.yaml of its model beside it, or load it by load_from_checkpoint and give probe.ModuleModel.",
    ),
    (
        lambda content: "optimizer_states" in content or "optimizer" in content or "optimizer_state_dict" in content,
        "is the checkpoint of another library's training, and nothing beside it says what model it is of. Put the "
        "config.json or config.yaml of its model beside it, or load it into your module and give probe.ModuleModel.",
    ),
)
"""What files may hold, by the keys that tell, and what to say of them."""


def _adapter(place: Path, base: str, name: str = "") -> str:
    found, model = f" ({name})" if name else "", f'"{base}"' if base else "BASE"
    return (
        f"{place} holds an adapter{found}, which is no model without the one it was added to. Merge them: "
        f"PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained({model}), FOLDER).merge_and_unload()"
        '.save_pretrained("merged").'
    )


def _base(folder: Path) -> str:
    try:
        with (folder / "adapter_config.json").open(encoding="utf-8") as file:
            found = json.loads(file.read(2**16)).get("base_model_name_or_path")
    except (OSError, ValueError, RecursionError, AttributeError):
        return ""
    return found[:100] if isinstance(found, str) else ""
