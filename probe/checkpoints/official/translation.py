"""Builds a model of probe from official weights, by a table of the official key of each tensor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from probe.checkpoints.official.folder import Run
from probe.checkpoints.official.settings import Settings
from probe.checkpoints.whole import check_whole, is_buffer
from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.models import ResidualModel

Turn = Literal["same", "transposed", "squeezed"]
SHOWN = 3


@dataclass(frozen=True)
class Origin:
    """The official key that one of our tensors is taken from.

    Args:
        key: the official key.
        turn: ``transposed`` where a linear map is stored as [in, out], ``squeezed`` where it is a convolution over one
            token, [out, in, 1].
    """

    key: str
    turn: Turn = "same"


@dataclass(frozen=True)
class Translation:
    """How an official model is built as one of ours.

    Args:
        arch: the architecture's name in `probe.training.presets.ARCHITECTURES`.
        origins: for each of our tensors where it comes from, or None where it is zeros.
        unused: patterns of keys that the official code saves but never reads in a forward pass.
    """

    config: ModelConfig
    arch: str
    origins: Mapping[str, Origin | None]
    unused: tuple[str, ...] = ()


def shell(settings: Settings, layout: str) -> tuple[ModelConfig, dict[str, Origin | None]]:
    """Returns the sizes of a model under LayerNorms, and the origins of the read-in and read-out that most share.

    One number is read out of interleaved pairs, a vector of the inputs' dimension of other sequences, and of symbols
    as many numbers as there are, by the read-in's own table.
    """
    read_in, read_out = ("_read_in.weight", "_read_in.bias"), ("_read_out.weight", "_read_out.bias")
    config = ModelConfig(layout, dim=0, width=settings.whole("n_embd"), norm="layer")
    if settings.symbols:
        origins = {"read_in.weight": Origin(read_in[0]), "read_out.weight": Origin(read_out[0]), "read_out.bias": None}
        return replace(config, outputs=settings.symbols, symbols=settings.symbols), {**origins}
    dim = settings.whole("n_dims")
    keys = {key.removeprefix("_"): Origin(key) for key in (*read_in, *read_out)}
    return replace(config, dim=dim, outputs=1 if settings.interleaved else dim), {**keys}


def pair(ours: str, theirs: str, turn: Turn = "same") -> dict[str, Origin | None]:
    """Returns the origins of a weight, which may be turned, and of the bias beside it."""
    return {f"{ours}.weight": Origin(f"{theirs}.weight", turn), f"{ours}.bias": Origin(f"{theirs}.bias")}


def build(translation: Translation, weights: Mapping[str, Tensor], run: Run) -> tuple[ResidualModel, tuple[str, ...]]:
    """Returns our model with an official run's weights, and the official keys that were left out.

    Raises:
        ProbeError: if a key is missing, is not known, or has another shape than the configuration asks for.
    """
    if translation.config.symbols:
        weights = _tied(weights, run)
    dropped = _left_out(translation, weights, run)
    # nothing is drawn: only the shapes are asked for, and every tensor is then replaced
    try:
        with torch.device("meta"):
            model = ResidualModel(translation.config)
    except (RuntimeError, OverflowError) as error:
        raise ProbeError(
            f"{run.config} asks for a model larger than any that can be described. Give the config.yaml of the run."
        ) from error
    own = model.state_dict()
    assert own.keys() == translation.origins.keys(), own.keys() ^ translation.origins.keys()
    taken = {name: _taken(translation.origins[name], own[name].shape, weights, run) for name in own}
    model.load_state_dict(taken, assign=True)
    return model.eval().requires_grad_(False), dropped


def _tied(weights: Mapping[str, Tensor], run: Run) -> Mapping[str, Tensor]:
    """Returns the weights of a model of symbols, whose read-out is its read-in's table, by both names."""
    one, other = "_read_in.weight", "_read_out.weight"
    check_whole(run.weights, weights, ties=[(one, other)])
    held = next((weights[name] for name in (one, other) if name in weights), None)
    return weights if held is None else {one: held, other: held, **weights}


def _left_out(translation: Translation, weights: Mapping[str, Tensor], run: Run) -> tuple[str, ...]:
    used = {origin.key for origin in translation.origins.values() if origin is not None}
    missing = sorted(used - weights.keys())
    if missing:
        raise ProbeError(
            f"{run.weights} lacks {_listed(missing)}, which {run.config} asks for. "
            "Give the weights and the config.yaml of one run."
        )
    others = [key for key in weights if key not in used]
    known = [key for key in others if any(re.fullmatch(pattern, key) for pattern in translation.unused)]
    unknown = [key for key in others if key not in known and not is_buffer(key, weights[key])]
    if unknown:
        raise ProbeError(
            f"{run.weights} holds {_listed(unknown)}, for which the model of {run.config} has no place. "
            "Give the weights and the config.yaml of one run."
        )
    return tuple(others)


def _taken(origin: Origin | None, needed: torch.Size, weights: Mapping[str, Tensor], run: Run) -> Tensor:
    if origin is None:
        return torch.zeros(needed)
    tensor, asked = weights[origin.key], list(needed)
    if origin.turn == "transposed":
        asked = asked[::-1]
    elif origin.turn == "squeezed":
        asked = [*asked, 1]
    if list(tensor.shape) != asked:
        raise ProbeError(
            f"{run.weights} holds {origin.key} of the shape {list(tensor.shape)}, but {run.config} asks for {asked}. "
            "Give the weights and the config.yaml of one run."
        )
    if origin.turn == "transposed":
        tensor = tensor.T
    elif origin.turn == "squeezed":
        tensor = tensor.squeeze(-1)
    # a copy: tied weights are one tensor in the file, and must not become one here
    return tensor.float().clone(memory_format=torch.contiguous_format)


def _listed(keys: list[str]) -> str:
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + more
