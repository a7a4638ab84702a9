"""Whole numbers, and choices without repetition, made from a source's uniform draws."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from probe.randomness import Source


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
