"""Whole numbers, and choices without repetition, made from a source's uniform draws."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from probe.errors import ProbeError
from probe.randomness import Source, pool

MOST = 2**28


def weights(source: Source, dim: int, functions: int) -> Float[Tensor, "prompts {dim}"]:
    """Returns standard normal weights: fresh ones for each prompt, or of a fixed pool of so many functions.

    The pool is the same for every seed and purpose: models trained on it are always probed on what they know.
    """
    if functions == 0:
        return source.normal(dim)
    chosen = whole(source, functions)
    return pool(functions, dim).to(chosen.device)[chosen]


def check_functions(functions: int, dim: int) -> None:
    """Refuses a pool of functions that would take more than a gigabyte.

    Raises:
        ProbeError: if functions times dimension is over 2^28.
    """
    if functions * dim > MOST:
        raise ProbeError(
            f"A pool of {functions:,} functions of {dim:,} coordinates was asked for, but {MOST:,} numbers at most are "
            "kept. Give fewer functions or a smaller --dim."
        )


def whole(source: Source, below: int, *shape: int) -> Int[Tensor, "prompts ..."]:
    """Returns whole numbers from 0 to `below` - 1, each equally likely, ``[prompts, *shape]``."""
    return (source.uniform(*shape) * below).long()


def distinct(source: Source, count: int, below: int) -> Int[Tensor, "prompts {count}"]:
    """Returns `count` different whole numbers from 0 to `below` - 1 for each prompt, in random order."""
    return source.uniform(below).topk(count, dim=-1).indices


def subset(source: Source, size: int, dim: int, active: int | None = None) -> Float[Tensor, "prompts {dim}"]:
    """Returns vectors with `size` random ones, among the first `active` coordinates, and zeros elsewhere.

    Where fewer than `size` coordinates are active, all of them are chosen.
    """
    drawn = source.uniform(dim)
    among = drawn[:, : dim if active is None else min(active, dim)]
    chosen = among.topk(min(size, among.shape[1]), dim=-1).indices
    return torch.zeros_like(drawn).scatter(1, chosen, 1.0)
