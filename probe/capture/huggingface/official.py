"""Folders that MambaLMHeadModel of the official package mamba_ssm has written, read without that package.

Below ``backbone.layers.i`` its weights bear the names that transformers gives them too. Its blocks hand on what they
wrote and what they were given apart; transformers adds the two, so that a block returns the stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from probe.capture.huggingface.library import first_line, quiet, transformers, unreadable
from probe.capture.huggingface.sizes import check_settings
from probe.capture.saved import are_plain, read_saved
from probe.errors import ProbeError


@dataclass(frozen=True)
class Kind:
    """How the package's settings of one mixer are called in transformers.

    Args:
        names: the package's names of the settings that change what is computed, and transformers'.
        fixed: settings that transformers has no other value for.
    """

    model: str
    names: Mapping[str, str]
    fixed: Mapping[str, object]


# what only matters when weights are drawn, or how they are computed
FREE = frozenset(
    {
        "layer", "dt_min", "dt_max", "dt_init", "dt_scale", "dt_init_floor", "A_init_range", "conv_init",
        "use_fast_path", "use_mem_eff_path", "chunk_size",
    }
)  # fmt: skip

_SHARED = {"d_state": "state_size", "d_conv": "conv_kernel", "expand": "expand", "bias": "use_bias"}
KINDS: dict[str, Kind] = {
    "Mamba1": Kind("mamba", {**_SHARED, "conv_bias": "use_conv_bias", "dt_rank": "time_step_rank"}, {}),
    "Mamba2": Kind(
        "mamba2",
        {
            **_SHARED,
            "conv_bias": "use_conv_bias",
            "headdim": "head_dim",
            "ngroups": "n_groups",
            "dt_limit": "time_step_limit",
        },
        {"rmsnorm": True, "norm_before_gate": False, "D_has_hdim": False, "d_ssm": None},
    ),
}
# the package's defaults where they are not transformers'
DEFAULTS: dict[str, dict[str, Any]] = {
    "Mamba1": {},
    "Mamba2": {"d_state": 128, "headdim": 64, "ngroups": 1},
}


def fits(config: Mapping[str, Any]) -> bool:
    """Returns whether settings are those of a MambaLMHeadModel."""
    return "model_type" not in config and {"d_model", "n_layer", "vocab_size"} <= config.keys()


def load(folder: Path, config: Mapping[str, Any]) -> nn.Module:
    """Returns the model of transformers with the folder's weights.

    Raises:
        ProbeError: if it is built from what transformers cannot run, or its weights do not fit.
    """
    _check(folder, config)
    library = transformers()
    weights = _weights(folder)
    try:
        settings = _settings(folder, config)
        check_settings(folder / "config.json", settings)
        name = settings.pop("model_type")
        needed = library.AutoConfig.for_model(name, **settings)
        with torch.device("meta"):
            # settings may be of a model larger than any memory
            shapes = {key: value.shape for key, value in _build(needed).state_dict().items()}
        for key in [*shapes, *weights]:
            there, asked = weights[key].shape if key in weights else None, shapes.get(key)
            if there != asked:
                raise ValueError(f"{key}: {asked and list(asked)} needed, {there and list(there)} given")
        model = _build(needed)
        model.float().load_state_dict(weights)
    except ProbeError:
        raise
    except Exception as error:  # settings and weights that contradict each other fail in many ways
        raise ProbeError(
            f"The weights of {folder} do not fit its config.json ({first_line(error)}). Copy the whole folder."
        ) from error
    loaded: nn.Module = model
    return loaded


def _build(config: Any) -> Any:
    """Returns a model with random weights, which leave no trace on other random numbers."""
    with quiet(), torch.random.fork_rng(devices=[]):
        return transformers().AutoModelForCausalLM.from_config(config)


def _check(folder: Path, config: Mapping[str, Any]) -> None:
    for setting, what in (("attn_layer_idx", "attention blocks"), ("d_intermediate", "feed-forward blocks")):
        if config.get(setting):
            raise ProbeError(
                f"{folder} is a mamba_ssm model with {what} ({setting}), but only those of Mamba or Mamba-2 blocks "
                "alone can be read. Give one of these."
            )
    if not config.get("rms_norm", True):
        raise ProbeError(
            f"{folder} is a mamba_ssm model with layer norms, but only those with RMS norms can be read. Give one "
            "with rms_norm."
        )


def _settings(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what transformers needs to build the model."""
    given = dict(config.get("ssm_cfg") or {})
    layer = str(given.get("layer", "Mamba1"))
    if layer not in KINDS:
        raise ProbeError(
            f"{folder} is a mamba_ssm model of {layer} blocks, but only those of {' or '.join(KINDS)} can be read. "
            "Give one of these."
        )
    kind, width = KINDS[layer], int(config["d_model"])
    given = {**DEFAULTS[layer], **given}
    odd = [name for name in given if name not in FREE | kind.names.keys() | kind.fixed.keys()]
    odd += [name for name, value in kind.fixed.items() if given.get(name, value) != value]
    if odd:
        raise ProbeError(
            f"{folder} is a mamba_ssm model with {odd[0]}={given[odd[0]]} in ssm_cfg, which transformers' {layer} "
            "has not. Give a model without it."
        )
    multiple = int(config.get("pad_vocab_size_multiple", 8))
    settings = {kind.names[name]: value for name, value in given.items() if name in kind.names}
    if layer == "Mamba2":
        settings["num_heads"] = int(settings.get("expand", 2)) * width // int(settings["head_dim"])
    return {
        "model_type": kind.model,
        "hidden_size": width,
        "num_hidden_layers": int(config["n_layer"]),
        "vocab_size": -(-int(config["vocab_size"]) // multiple) * multiple,
        "tie_word_embeddings": bool(config.get("tie_embeddings", True)),
        **settings,
    }


def _weights(folder: Path) -> dict[str, Tensor]:
    """Returns the weights by transformers' names."""
    weights = _read(folder)
    renamed = {name.replace("backbone.embedding.", "backbone.embeddings."): weights[name] for name in weights}
    if "lm_head.weight" not in renamed and "backbone.embeddings.weight" in renamed:
        renamed["lm_head.weight"] = renamed["backbone.embeddings.weight"]
    return {name: tensor.float() for name, tensor in renamed.items()}


def _read(folder: Path) -> Mapping[str, Tensor]:
    from safetensors.torch import load_file

    safe = folder / "model.safetensors"
    path = safe if safe.is_file() else folder / "pytorch_model.bin"
    try:
        weights = load_file(path) if path == safe else read_saved(path, "Copy it anew.")
    except ProbeError:
        raise
    except Exception as error:  # what reads the files lets many kinds of error escape
        raise unreadable(path, error) from error
    if not are_plain(weights):
        raise ProbeError(f"{path} holds something other than weights by name. Copy the file anew.")
    return weights
