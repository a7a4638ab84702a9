"""Checks that weights are exactly those of a model, and names any that are missing, unused, doubled or quantised."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from probe.checkpoints.misses import miss_of_names
from probe.errors import ProbeError

Fits = Callable[[Tensor], bool]
BUFFERS: tuple[tuple[re.Pattern[str], Fits], ...] = (
    (re.compile(r"(^|[._])inv_freq$"), lambda tensor: tensor.ndim == 1),
    (re.compile(r"(^|[._])(cos|sin)_cached$"), lambda tensor: True),
    (re.compile(r"(^|\.)(position_ids|token_type_ids)$"), lambda tensor: not tensor.is_floating_point()),
    (re.compile(r"(^|\.)num_batches_tracked$"), lambda tensor: tensor.ndim == 0),
    (re.compile(r"att\w*\.masked_bias$"), lambda tensor: tensor.numel() == 1),
    # a triangle of ones; a bias that is learned is a vector
    (re.compile(r"att\w*\.(bias|causal_mask|mask)$"), lambda tensor: tensor.ndim == 4 and tensor.shape[0] == 1),
    (re.compile(r"(^|\.)embed_positions(\.weights|\._float_tensor)?$"), lambda tensor: True),
)
"""Tables and masks that a model computes itself, and that older versions saved, by name and by what they look like."""


def is_buffer(name: str, tensor: Tensor) -> bool:
    """Returns whether an unused tensor is harmless: a table or a mask that models compute themselves."""
    return any(pattern.search(name) and fits(tensor) for pattern, fits in BUFFERS)


def check_whole(
    place: Path,
    given: Mapping[str, Tensor],
    needed: Mapping[str, Sequence[int]] | None = None,
    ties: Collection[tuple[str, str]] = (),
) -> None:
    """Raises `ProbeError` if weights are not exactly those of a model, which would then differ from the stored one.

    Args:
        needed: shapes by name; None where another check compares them.
        ties: pairs of names that are to be one tensor.
    """
    if miss := miss_of_names(place, given.keys()):
        raise ProbeError(miss)
    for name, tensor in given.items():
        if tensor.ndim > 1 and not tensor.is_floating_point() and name.endswith(".weight"):
            raise ProbeError(
                f"{place} holds quantised weights ({name} is {str(tensor.dtype).removeprefix('torch.')}), but the "
                "stream is read from full ones. Give what was there before it was quantised."
            )
    for one, other in ties:
        if one in given and other in given and not torch.equal(given[one], given[other]):
            raise two_tensors(place, one, other)
    if needed is not None:
        _check_names(place, given, needed, ties)


def two_tensors(place: Path, one: str, other: str) -> ProbeError:
    """Returns the error for two different tensors where the model's settings tie them."""
    return ProbeError(
        f"{place} holds {one} and {other}, which differ, but its settings make the two one weight. Copy all of it "
        "anew, or, where the two were trained apart, set tie_word_embeddings (in mamba_ssm tie_embeddings) to false."
    )


def unused(place: Path, name: str) -> ProbeError:
    """Returns the error for a weight that the model, as it is described, does not use."""
    return ProbeError(
        f"{place} holds {name}, which the model of its settings does not use, so that another would be read than the "
        "one stored. Correct its settings (a bias or a norm may be switched off there), or copy the whole folder."
    )


def _check_names(
    place: Path,
    given: Mapping[str, Tensor],
    needed: Mapping[str, Sequence[int]],
    ties: Collection[tuple[str, str]],
) -> None:
    tied = {name for pair in ties for name in pair if any(other in given for other in pair)}
    missing = [name for name in needed if name not in given and name not in tied]
    if missing:
        raise ProbeError(
            f"{place} lacks {len(missing)} of the model's weights ({missing[0]}), which would be random. Copy the "
            "whole folder."
        )
    for name, tensor in given.items():
        if name not in needed and not is_buffer(name, tensor):
            raise unused(place, name)
        if name in needed and list(tensor.shape) != list(needed[name]):
            raise ProbeError(
                f"{place} holds a weight of shape {list(tensor.shape)} ({name}), but its settings need "
                f"{list(needed[name])}. Copy the whole folder."
            )
