"""Reads a causal language model from a folder, a GGUF file or the Hugging Face hub, and runs nothing it finds there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from probe.capture.huggingface import official
from probe.capture.huggingface.library import first_line, hub, quiet, transformers, unreadable
from probe.capture.huggingface.model import HuggingFaceModel
from probe.capture.huggingface.sizes import check_settings, check_size
from probe.errors import ProbeError

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_TEXTS = ("*.json", "*.txt", "*.model")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def recognises(path: Path) -> bool:
    """Returns whether a path is a folder with such a model, a GGUF file, or what the hub would call one."""
    if path.is_dir():
        return any(any(path.glob(pattern)) for pattern in ("config.json", "*.safetensors", "*.bin*", "*.gguf"))
    if path.suffix == ".gguf":
        return path.is_file()
    # runs/new is a mistyped path where there is a folder runs, and bare names are sought in checkpoints/
    here = path.exists() or path.with_name(f"{path.name}.pt").exists() or path.parent.is_dir()
    ours = path.parent.name == "checkpoints" or path.suffix in (".pt", ".pth", ".ckpt", ".bin")
    return bool(_HUB_NAME.fullmatch(path.as_posix())) and not here and not ours


def name_of(path: Path) -> str:
    """Returns what records call the model at a path: the folder's, the file's or the hub's own name for it."""
    return path.stem if path.suffix == ".gguf" else path.resolve().name


def read(path: Path) -> HuggingFaceModel:
    """Returns the model of a folder, a GGUF file or a hub name: float32 on the CPU, in evaluation mode, no gradients.

    Raises:
        ProbeError: if it cannot be had, is damaged or quantised, lacks a file, or its stream is not found.
    """
    transformers()
    place = locate(path)
    model = _load_gguf(place) if _is_gguf(place) else _load_folder(place)
    try:
        found = HuggingFaceModel(model.eval().requires_grad_(False), str(path))
        # the library's advice on its slow paths comes with the first pass, and only with that; RWKV has none, and its
        # first pass rescales its weights
        if found.kind != "rwkv":
            with quiet(), torch.no_grad():
                found.run(torch.zeros(1, 2, dtype=torch.long))
        return found
    except ProbeError:
        raise
    except Exception as error:  # settings that no weight contradicts, and that make no model all the same
        raise unreadable(place, error) from error


def locate(path: Path, weights: bool = True) -> Path:
    """Returns the file or the folder that a path means; a model of the hub is brought here first.

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
    """Returns what a folder's config.json says.

    Raises:
        ProbeError: if it is missing or no JSON object.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise ProbeError(
            f"{folder} holds weights but no config.json, which says what model they are. Copy the whole folder."
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ProbeError(f"{path} cannot be read as JSON ({first_line(error)}). Copy the file anew.") from error
    if not isinstance(config, dict):
        raise ProbeError(f"{path} holds no settings by name, but a model's were needed. Copy the file anew.")
    check_settings(path, config)
    return config


def check_files(folder: Path) -> None:
    """Raises `ProbeError` where a folder has no weights, or lacks one of the files that its index names."""
    for name in WEIGHTS:
        index = folder / f"{name}.index.json"
        if (folder / name).is_file():
            return
        if index.is_file():
            try:
                files = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
                missing = [file for file in files if not (folder / file).is_file()]
            except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise ProbeError(f"{index} cannot be read as an index of weights. Copy the file anew.") from error
            if missing:
                raise ProbeError(
                    f"{folder} lacks {', '.join(missing[:3])}, {len(missing)} of the {len(files)} files of weights "
                    "that its index names. Copy the whole folder."
                )
            return
    raise ProbeError(f"{folder} holds no weights: {' or '.join(WEIGHTS)} was needed. Copy the whole folder.")


def _is_gguf(place: Path) -> bool:
    return place.suffix == ".gguf" or (not (place / "config.json").is_file() and any(place.glob("*.gguf")))


def _load_folder(folder: Path) -> nn.Module:
    config = read_config(folder)
    if official.fits(config):
        check_files(folder)
        return official.load(folder, config)
    _check_kind(folder, config)
    check_files(folder)
    check_size(folder)
    return _load(folder)


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
    check_size(file.parent, file.name)
    model = _load(file.parent, file.name)
    # the weights were brought to float32: nothing is quantised any more
    model.config.__dict__.pop("quantization_config", None)
    return model


def _load(folder: Path, gguf: str | None = None) -> nn.Module:
    """Loads by transformers and refuses what it would fill with random numbers or leave out."""
    place = folder / gguf if gguf else folder
    try:
        with quiet():
            model, report = transformers().AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=torch.float32,
                gguf_file=gguf,
                local_files_only=True,
                trust_remote_code=False,
                weights_only=True,
                # both are told below, with the name of the weight
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
    except Exception as error:  # many kinds, from the library and from what reads the files
        raise unreadable(place, error) from error
    _check_report(place, report, int(model.config.num_hidden_layers))
    loaded: nn.Module = model
    return loaded


def _check_report(place: Path, report: Mapping[str, Any], layers: int) -> None:
    for name, found, needed in sorted(report["mismatched_keys"]):
        raise ProbeError(
            f"{place} holds a weight of shape {list(found)} ({name}), but its config.json needs {list(needed)}. Copy "
            "the whole folder."
        )
    missing = sorted(report["missing_keys"])
    if missing:
        raise ProbeError(
            f"{place} lacks {len(missing)} of the model's weights ({missing[0]}), which would be random. Copy the "
            "whole folder, or give one of a causal language model."
        )
    for name in sorted(report["unexpected_keys"]):
        # other weights too many are harmless: buffers of older versions, heads for further tokens
        if (block := re.search(r"\.(?:layers|h|blocks)\.(\d+)\.", name)) and int(block[1]) >= layers:
            raise ProbeError(
                f"{place} holds weights of block {block[1]} ({name}), but its config.json has {layers} blocks. Copy "
                "the whole folder."
            )
