"""Sources of symbols with hidden states: Mess3, random-random-XOR, and those of a file."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from probe.errors import ProbeError
from probe.files.parsed import read_json

NAMED = ("mess3", "random_random_xor")
"""The sources that have a name."""
LARGEST = 2**16
"""The most numbers of a file's transitions."""
ROUNDING = 1e-6


def mess3(x: float, alpha: float) -> Float64[Tensor, "symbol state following"]:
    """Returns the transitions of Mess3 (Marzen & Crutchfield, 2017; Shai et al., 2024, arXiv:2405.15943, section 2).

    A state stays with probability 1 - 2x and goes to each other with x; the state that is reached shows its own symbol
    with probability alpha and each other with (1 - alpha) / 2.
    """
    moves = torch.full((3, 3), x, dtype=torch.float64).fill_diagonal_(1 - 2 * x)
    shown = torch.full((3, 3), (1 - alpha) / 2, dtype=torch.float64).fill_diagonal_(alpha)
    return moves[None] * shown.T[:, None]


def random_random_xor() -> Float64[Tensor, "symbol state following"]:
    """Returns the transitions of two random bits and then their exclusive or, again and again.

    Shai et al. (2024), arXiv:2405.15943, figure 6. The states are: before the first bit, after a 0, after a 1, before
    a 1, before a 0.
    """
    found = torch.zeros(2, 5, 5, dtype=torch.float64)
    found[0, 0, 1] = found[1, 0, 2] = 0.5
    found[0, 1, 4] = found[1, 1, 3] = 0.5
    found[0, 2, 3] = found[1, 2, 4] = 0.5
    found[1, 3, 0] = found[0, 4, 0] = 1.0
    return found


def read_transitions(path: Path) -> Float64[Tensor, "symbol state following"]:
    """Returns the transitions of a file: the array ``transitions`` of a .npz, or the lists of that name in a .json.

    Number [a, i, j] is the probability that symbol a is shown and state j reached from state i.

    Raises:
        ProbeError: if they cannot be read, or are no probabilities of such a source.
    """
    found = _numbers(path)
    if found.ndim != 3 or found.shape[1] != found.shape[2] or found.shape[0] < 2 or found.size > LARGEST:
        raise ProbeError(
            f"{path} has transitions of the shape {list(found.shape)}, but [symbol, state, state] is needed, with two "
            f"symbols or more and {LARGEST} numbers at most. Correct the file."
        )
    sums = found.sum(axis=(0, 2))
    if not np.isfinite(found).all() or found.min() < 0 or np.abs(sums - 1).max() > ROUNDING:
        raise ProbeError(
            f"{path} has transitions that are no probabilities: what leaves a state must be 0 or more and sum to 1 "
            "over symbols and following states. Correct the file."
        )
    return torch.from_numpy(found / sums[None, :, None])


def stationary(transitions: Float64[Tensor, "symbol state following"]) -> Float64[Tensor, " state"]:
    """Returns the probabilities of the states after a long time.

    Raises:
        ProbeError: if they depend on the first state.
    """
    moves = transitions.sum(0)
    states = len(moves)
    rest = moves.T - torch.eye(states, dtype=torch.float64)
    if int(torch.linalg.matrix_rank(rest, atol=1e-9)) < states - 1:
        raise ProbeError(
            f"A source of {states} states was given of which some are never left for the others, but the probabilities "
            "of states before the first symbol need one set that all lead to. Give a source of one such set."
        )
    equations = torch.cat([rest, torch.ones(1, states, dtype=torch.float64)])
    sums = torch.zeros(states + 1, 1, dtype=torch.float64)
    sums[-1] = 1
    found: Tensor = torch.linalg.lstsq(equations, sums).solution[:, 0].clamp(min=0)
    return found / found.sum()


def _numbers(path: Path) -> np.ndarray:
    try:
        if path.suffix == ".json":
            return np.asarray(read_json(path)["transitions"], dtype=np.float64)
        with np.load(path, allow_pickle=False) as file:
            return np.asarray(file["transitions"], dtype=np.float64)
    except (OSError, ValueError, TypeError, KeyError, IndexError, BadZipFile) as error:
        raise ProbeError(
            f"The source {path} was given, but no numbers called transitions can be read there. Give one of "
            f"{', '.join(NAMED)}, or a .npz or .json with transitions of the shape [symbol, state, state]."
        ) from error
