"""Reads folders that MambaLMHeadModel of the official package mamba_ssm has written, without that package.

Below ``backbone.layers.i`` its weights bear the names that transformers gives them too. Its blocks hand on what they
wrote and what they were given apart; transformers adds the two, so that a block returns the stream. Attention,
feed-forwards and layer norms, which transformers' Mamba has not, are built here around its mixers.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from probe.checkpoints.huggingface.hybrid import AttentionConfig, Hybrid
from probe.checkpoints.huggingface.library import quiet, transformers
from probe.checkpoints.huggingface.sizes import check_groups, check_settings
from probe.checkpoints.weights import fitted, read_stored
from probe.checkpoints.whole import check_whole, is_buffer
from probe.errors import ProbeError
from probe.text import reason


@dataclass(frozen=True)
class Kind:
    """The names in transformers of the package's settings of one mixer.

    Args:
        names: the package's names of the settings that change what is computed, and transformers'.
        fixed: settings that transformers has no other value for.
    """

    model: str
    names: Mapping[str, str]
    fixed: Mapping[str, object]


SIZES = ("d_model", "n_layer", "vocab_size")
MOST_HIDDEN = 2**20
"""No size of a model is as large."""
TABLE = re.compile(r"((?:^|\.))backbone\.embedding\.")
"""The table of symbols by the package's name."""
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


def load(folder: Path, config: Mapping[str, Any], place: Path) -> nn.Module:
    """Returns the model of transformers with a folder's weights, or a hybrid of its mixers.

    Args:
        place: the file, or the folder of several, that holds the weights.

    Raises:
        ProbeError: if it is built from what cannot be run here, or its weights do not fit.
    """
    library, tied = transformers(), bool(config.get("tie_embeddings", True))
    parts = _parts(folder, config)
    try:
        settings = _settings(folder, config)
        check_settings(folder / "config.json", settings)
        name = settings.pop("model_type")
        needed = library.AutoConfig.for_model(name, **settings)
        check_groups(folder, needed)
        with torch.device("meta"):
            # settings may be of a model larger than any memory
            shapes = {key: value.shape for key, value in _build(needed, parts).state_dict().items()}
        weights = _weights(place, shapes, tied)
        for key in [*shapes, *weights]:
            there, asked = weights[key].shape if key in weights else None, shapes.get(key)
            if there != asked:
                raise ValueError(f"{key}: {asked and list(asked)} needed, {there and list(there)} given")
        model = _build(needed, parts)
        model.float().load_state_dict(weights)
        if tied:
            model.lm_head.weight = model.backbone.embeddings.weight
    except ProbeError:
        raise
    except Exception as error:  # settings and weights that contradict each other fail in many ways
        raise ProbeError(
            f"The weights of {folder} do not fit its config.json ({reason(error)}). Copy the whole folder."
        ) from error
    loaded: nn.Module = model
    return loaded


def _build(config: Any, parts: Mapping[str, Any] | None) -> Any:
    """Returns a model with random weights, without changing the state of torch's random numbers.

    Args:
        parts: what makes a hybrid of it, as `Hybrid` has it; None where nothing does.
    """
    with quiet(), torch.random.fork_rng(devices=[]):
        model = transformers().AutoModelForCausalLM.from_config(config)
        return model if parts is None else Hybrid(model, **parts)


def _parts(folder: Path, config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns the parts of a model beside mixers and RMS norms, as `Hybrid` takes them, or None if there are none."""
    for name in SIZES:
        if type(config[name]) is not int or not 0 < config[name] < MOST_HIDDEN:
            raise ProbeError(
                f"{folder} gives {name} as {config[name]!r}, but a whole number from 1 to {MOST_HIDDEN - 1:,} was "
                "needed. Copy its config.json anew."
            )
    where, hidden = config.get("attn_layer_idx") or [], config.get("d_intermediate") or 0
    blocks = range(config["n_layer"])
    if not isinstance(where, list) or any(type(place) is not int or place not in blocks for place in where):
        raise ProbeError(
            f"{folder} gives attn_layer_idx as {where!r}, but a list of the numbers of blocks, from 0, was needed. "
            "Copy its config.json anew."
        )
    if type(hidden) is not int or not 0 <= hidden < MOST_HIDDEN:
        raise ProbeError(
            f"{folder} gives d_intermediate as {hidden!r}, but a whole number was needed. Copy its config.json anew."
        )
    layer_norm = not config.get("rms_norm", True)
    if not (where or hidden or layer_norm):
        return None
    attention = _attention(folder, config) if where else None
    return {"attention": attention, "attending": frozenset(where), "hidden": hidden, "layer_norm": layer_norm}


def _attention(folder: Path, config: Mapping[str, Any]) -> AttentionConfig:
    given = config.get("attn_cfg") or {}
    known = {each.name: each for each in fields(AttentionConfig)}
    odd = [name for name in given if name not in known] if isinstance(given, dict) else ["attn_cfg"]
    if odd:
        raise ProbeError(
            f"{folder} is a mamba_ssm model with {odd[0]} in attn_cfg, which attention here has not. Give a model "
            "without it."
        )
    wrong = [name for name, value in given.items() if not _suits(value, name)]
    width = config["d_model"]
    heads, groups, size = (given.get(name) for name in ("num_heads", "num_heads_kv", "head_dim"))
    if not wrong and (heads is None or heads % (groups or heads) or (not size and (width % heads))):
        wrong = ["num_heads"]
    if not wrong and (given.get("rotary_emb_dim", 0) % 2 or given.get("rotary_emb_dim", 0) > (size or width // heads)):
        wrong = ["rotary_emb_dim"]
    if wrong:
        raise ProbeError(
            f"{folder} gives {wrong[0]} of attn_cfg as {given.get(wrong[0])!r}, which makes no attention at width "
            f"{width}. Copy its config.json anew."
        )
    attention = AttentionConfig(**given)
    if not attention.causal or attention.mlp_dim:
        what = "attention that sees later symbols (causal)" if not attention.causal else "mlp_dim in its attention"
        raise ProbeError(f"{folder} is a mamba_ssm model with {what}, which cannot be read. Give one without it.")
    return attention


def _suits(value: object, name: str) -> bool:
    """Returns whether a value is of the kind, and of a size, that a setting of attention has."""
    if name in ("num_heads_kv", "head_dim", "softmax_scale") and value is None:
        return True
    if name in ("qkv_proj_bias", "out_proj_bias", "causal", "rotary_emb_interleaved"):
        return isinstance(value, bool)
    if name in ("softmax_scale", "rotary_emb_base"):
        return type(value) in (int, float) and 0 < value < MOST_HIDDEN**2  # type: ignore[operator]
    least = 0 if name in ("d_conv", "rotary_emb_dim", "mlp_dim") else 1
    return type(value) is int and least <= value < MOST_HIDDEN


def _settings(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings by which transformers builds the model."""
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


def _weights(place: Path, shapes: Collection[str], tied: bool) -> dict[str, Tensor]:
    """Returns the weights by transformers' names, without tables that are computed."""
    stored = read_stored(place)
    renamed = {TABLE.sub(r"\1backbone.embeddings.", name): tensor for name, tensor in stored.tensors.items()}
    weights = fitted(renamed, shapes)
    head, table = "lm_head.weight", "backbone.embeddings.weight"
    check_whole(place, weights, ties=[(head, table)] if tied else [])
    if tied and table in weights:
        weights[head] = weights[table]
    return {name: tensor.float() for name, tensor in weights.items() if name in shapes or not is_buffer(name, tensor)}
