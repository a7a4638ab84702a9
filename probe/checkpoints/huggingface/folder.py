"""Reads a causal language model from a folder, a GGUF file or the Hugging Face hub, and executes nothing in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import nn

from probe.capture.huggingface.families import FAMILIES
from probe.capture.huggingface.model import HuggingFaceModel
from probe.checkpoints.huggingface import mamba_ssm
from probe.checkpoints.huggingface.library import hub, quiet, transformers, unreadable
from probe.checkpoints.huggingface.loaded import check_loaded
from probe.checkpoints.huggingface.sizes import check_settings, check_size
from probe.checkpoints.misses import miss_of_folder
from probe.checkpoints.weights import files_in, fitted, read_stored
from probe.checkpoints.whole import check_whole
from probe.errors import ProbeError
from probe.files.parsed import read_json

_TEXTS = ("*.json", "*.txt", "*.model")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def recognises(path: Path) -> bool:
    """Returns whether a path is a folder with a language model, a GGUF file, or has the form of a name on the hub."""
    if path.is_dir():
        return any(any(path.glob(pattern)) for pattern in ("config.json", "*.safetensors", "*.bin*", "*.gguf"))
    if path.suffix == ".gguf":
        return path.is_file()
    # runs/new is a mistyped path where there is a folder runs, and bare names are sought in checkpoints/
    here = path.exists() or path.with_name(f"{path.name}.pt").exists() or path.parent.is_dir()
    ours = path.parent.name == "checkpoints" or path.suffix in (".pt", ".pth", ".ckpt", ".bin")
    return bool(_HUB_NAME.fullmatch(path.as_posix())) and not here and not ours


def name_of(path: Path) -> str:
    """Returns the name of a model in records: that of its folder, of its file or on the hub."""
    return path.stem if path.suffix == ".gguf" else path.resolve().name


def read(path: Path) -> HuggingFaceModel:
    """Returns the model of a folder, a GGUF file or a hub name: float32 on the CPU, in evaluation mode, no gradients.

    A file of weights is read as that of the model which a config.json beside it describes.

    Raises:
        ProbeError: if it cannot be had, is damaged or quantised, lacks a file, or its stream is not found.
    """
    transformers()
    place = locate(path)
    if _is_gguf(place):
        model = _load_gguf(place)
    else:
        model = _load_folder(place) if place.is_dir() else _load_folder(place.parent, place)
    try:
        # the library's advice on its slow paths comes with the first pass, and only with that
        with quiet():
            found = HuggingFaceModel(model.eval().requires_grad_(False), str(path))
            if found.kind in FAMILIES:
                found.dry_run(str(path))
            return found
    except ProbeError:
        raise
    except Exception as error:  # settings that no weight contradicts, and that make no model all the same
        raise unreadable(place, error) from error


def locate(path: Path, weights: bool = True) -> Path:
    """Returns the file or folder of a model; a model on the hub is downloaded first.

    Args:
        weights: whether they are needed, or only the small files that lie beside them.

    Raises:
        ProbeError: if the hub has none of this name or cannot be reached.
    """
    if path.exists():
        return path
    name = path.as_posix()
    try:
        with quiet():
            fetch = hub().snapshot_download
            folder = Path(fetch(name, allow_patterns=[*_TEXTS, *(["*.safetensors"] if weights else [])]))
            if weights and not any(folder.glob("*.safetensors")):
                fetch(name, allow_patterns=["pytorch_model*.bin"])
    except Exception as error:  # the hub's errors are many: no network, offline, no such name, no permission
        raise ProbeError(
            f"{name} is no file or folder here and could not be had from the Hugging Face hub "
            f"({type(error).__name__}). Give the path of a folder, or check the name and the network."
        ) from error
    return folder


def gguf_in(place: Path) -> Path:
    """Returns the one GGUF file that a path means.

    Raises:
        ProbeError: if a folder holds several.
    """
    files = [place] if place.is_file() else sorted(place.glob("*.gguf"))
    if len(files) != 1:
        raise ProbeError(f"{place} holds {len(files)} GGUF files, but one model was needed. Give the path of one file.")
    return files[0]


def read_config(folder: Path) -> dict[str, Any]:
    """Returns the content of a folder's config.json.

    Raises:
        ProbeError: if it is missing or no JSON object.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise ProbeError(
            miss_of_folder(folder)
            or f"{folder} holds weights but no config.json, which says what model they are. Copy the whole folder."
        )
    config = read_json(path)
    if not isinstance(config, dict):
        raise ProbeError(f"{path} holds no settings by name, but a model's were needed. Copy the file anew.")
    check_settings(path, config)
    return config


def _is_gguf(place: Path) -> bool:
    return place.suffix == ".gguf" or (not (place / "config.json").is_file() and any(place.glob("*.gguf")))


def _load_folder(folder: Path, file: Path | None = None) -> nn.Module:
    """Returns the model of a folder, with the weights of a single file if one was named."""
    config = read_config(folder)
    if mamba_ssm.fits(config):
        files = [file] if file else files_in(folder)
        return mamba_ssm.load(folder, config, file or (folder if len(files) > 1 else files[0]))
    _check_kind(folder, config)
    try:
        built = check_size(folder, [file] if file else files_in(folder))
    except ProbeError:
        if miss := miss_of_folder(folder):
            raise ProbeError(miss) from None
        raise
    return _load(file or folder, built)


def _check_kind(folder: Path, config: dict[str, Any]) -> None:
    kind, library = config.get("model_type"), transformers()
    if not kind or not isinstance(kind, str):
        raise ProbeError(
            f"{folder / 'config.json'} names no model_type, and is no folder of the package mamba_ssm either. Give a "
            "folder that transformers or mamba_ssm has written."
        )
    if kind not in library.CONFIG_MAPPING:
        code = "; it comes with code of its own, which is never run" if "auto_map" in config else ""
        raise ProbeError(
            f"{folder} holds a {kind}, which transformers {library.__version__} does not know{code}. Give another "
            "model, or install a version that knows it."
        )
    if quantised := config.get("quantization_config"):
        method = quantised.get("quant_method", "some method") if isinstance(quantised, dict) else "some method"
        raise ProbeError(
            f"{folder} is quantised ({method}), but the stream is read from full weights. Give the folder from "
            "before it was quantised."
        )


def _load_gguf(place: Path) -> nn.Module:
    file = gguf_in(place)
    check_size(file.parent, [file], file.name)
    try:
        with quiet():
            model, report = transformers().AutoModelForCausalLM.from_pretrained(
                file.parent,
                dtype=torch.float32,
                gguf_file=file.name,
                local_files_only=True,
                trust_remote_code=False,
                # both are told below, with the name of the weight
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
    except Exception as error:  # many kinds, from the library and from what reads the files
        raise unreadable(file, error) from error
    # the library's own table turns the file's names into its own, and leaves out those of tables of angles
    check_loaded(file, report, model, {})
    # the weights were brought to float32: nothing is quantised any more
    model.config.__dict__.pop("quantization_config", None)
    loaded: nn.Module = model
    return loaded


def _load(place: Path, built: nn.Module) -> nn.Module:
    """Loads weights into a model of transformers, and refuses missing weights, which it would draw, and unused ones.

    Args:
        built: the model that the settings describe, without its weights.
    """
    stored = read_stored(place)
    tensors = fitted(stored.tensors, built.state_dict().keys())
    check_whole(place, tensors)
    kind: Any = type(built)
    try:
        with quiet():
            model, report = kind.from_pretrained(
                None,
                config=built.config,
                state_dict=dict(tensors),
                dtype=torch.float32,
                # both are told below, with the name of the weight
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
    except Exception as error:  # many kinds, from the library
        raise unreadable(place, error) from error
    check_loaded(place, report, model, tensors)
    loaded: nn.Module = model
    return loaded
