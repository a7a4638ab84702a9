"""A model that runs, set beside what its file's tensors make: part by part, on the streams that entered each."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from probe.capture import StreamModel, capture, observe
from probe.interventions.rewrite import rewriting
from probe.recompute.part import Described, Part
from probe.recompute.weights import ImpossibleError, LackingError, Weights

TOLERANCE = 1e-4
"""Of the largest number that a part writes: float32 and the fast kernels mostly stay an order of magnitude below."""
NOISE = 10
"""Where they do not, as many times what the same equations lose in float32 are allowed."""
ROUNDING = 2.0**-21
"""Of the largest number that leaves a part: a few units in the last place of float32."""
SMALL = 1e-4
"""Root mean square of the small stream, on which the epsilon of a norm weighs as much as the variance."""
MANY = 10**8
"""In files of more numbers than this, only the first and the last block of a kind are computed."""
# what equations raise on tensors and settings that do not fit together
UNFIT = (RuntimeError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError)


@dataclass(frozen=True)
class Outcome:
    """How far what left a part is from what its stored tensors make.

    Args:
        name: the part, in words.
        kind: the equations, in words.
        gap: the largest difference, as a share of the largest number that the part writes.
        allowed: how large it may be.
        held: whether rounding explains it; None where the part could not be computed.
        fault: why there is no gap, where there is none.
        used: the tensors that were asked for, by their names within the part, and `unused` the others.
    """

    name: str
    kind: str
    gap: float = math.nan
    allowed: float = TOLERANCE
    held: bool | None = False
    fault: str = ""
    used: frozenset[str] = frozenset()
    unused: tuple[str, ...] = ()


@torch.no_grad()
def compare(described: Described, model: StreamModel, inputs: Tensor) -> list[Outcome]:
    """Returns an outcome for the read-in, every block that is computed, and last the final norm and the read-out.

    Every block is given the stream that entered it; the first and the last of a kind are then given a small one.

    Args:
        inputs: a batch of prompts; symbols, or vectors.
    """
    captured = capture(model, inputs, torch.arange(inputs.shape[1], device=inputs.device))
    stream = captured.stream
    outcomes = [_outcome(described.read_in, "the read-in", inputs, stream[0])]
    ends = _ends(described)
    for place in _chosen(described, ends):
        part, name = described.blocks[place], f"block {place + 1}"
        found = _outcome(part, name, stream[place], stream[place + 1])
        if found.held and place in ends:
            small = _small(stream[place])
            again = _outcome(part, f"{name} on a small stream", small, _leaving(model, inputs, place, small))
            found = found if again.held and again.gap <= found.gap else again
        outcomes.append(found)
    final = replace(described.read_out, compute=described.final)
    outcomes.append(_outcome(final, "the final norm", stream[-1], model.normalise(stream[-1])))
    return [*outcomes, _outcome(described.read_out, "the read-out", stream[-1], captured.output)]


def strangers(described: Described, outcomes: list[Outcome]) -> list[str]:
    """Returns the stored tensors that no equation has asked for, of the parts that could be computed."""
    first, *blocks, _, last = outcomes
    known: dict[str, set[str]] = {}
    for outcome in blocks:
        if not outcome.fault:
            known.setdefault(outcome.kind, set()).update(outcome.used)
    found = []
    for place, part in enumerate(described.blocks, 1):
        if part.kind in known:
            found += [f"{name} of block {place}" for name in _unread(part, known[part.kind])]
    if not (first.fault or last.fault):
        # a table may be stored for both ends
        used = first.used | last.used
        ends = {name: part for part in (described.read_in, described.read_out) for name in _unread(part, used)}
        found += sorted(ends)
    return found


def _unread(part: Part, used: set[str] | frozenset[str]) -> list[str]:
    return [name for name in sorted(part.weights.keys() - used) if not re.fullmatch(part.harmless, name)]


def _ends(described: Described) -> set[int]:
    """Returns the places of the first and of the last block of every kind."""
    kinds = [part.kind for part in described.blocks]
    return {place for kind in set(kinds) for place in (kinds.index(kind), len(kinds) - 1 - kinds[::-1].index(kind))}


def _chosen(described: Described, ends: set[int]) -> list[int]:
    numbers = sum(tensor.numel() for part in described.blocks for tensor in part.weights.values())
    return sorted(ends) if numbers > MANY else list(range(len(described.blocks)))


def _small(stream: Tensor) -> Tensor:
    """Returns the stream divided by a power of two, so that writing and reading it changes no bit."""
    size = max(float(stream.double().square().mean().sqrt()), SMALL)
    return stream * 2.0 ** round(math.log2(SMALL / size))


def _leaving(model: StreamModel, inputs: Tensor, place: int, entering: Tensor) -> Tensor:
    """Returns the stream after a block that another stream enters."""
    seen: list[Tensor] = []
    with (
        rewriting(model.places[place], lambda _: entering),
        observe([model.places[place + 1]], lambda _, stream: seen.append(stream.clone())),
    ):
        model.run(inputs)
    return seen[0]


def _outcome(part: Part, name: str, entering: Tensor, leaving: Tensor) -> Outcome:
    weights, blank = Weights(part.weights), Outcome(name, part.kind)
    given = entering.double() if entering.is_floating_point() else entering
    try:
        made = part.compute(weights, given)
        if made.shape != leaving.shape:
            raise ValueError(f"{list(made.shape)} is made and {list(leaving.shape)} leaves")
    except ImpossibleError as error:
        return replace(blank, held=None, fault=str(error))
    except LackingError as error:
        return replace(blank, fault=f"the file has no {error}")
    except UNFIT as error:
        return replace(blank, fault=f"its weights and settings do not fit ({str(error).partition(chr(10))[0][:120]})")
    written = made - given if given.shape == made.shape and name.startswith("block") else made
    size = written.abs().max().item()
    gap, most = _largest(made - leaving), TOLERANCE * size + ROUNDING * _largest(made)
    if most < gap < math.inf:
        most = max(most, NOISE * _largest(made - part.compute(Weights(part.weights, dtype=torch.float32), entering)))
    share = size or 1.0
    used = frozenset(weights.used)
    return replace(blank, gap=gap / share, allowed=most / share, held=gap <= most, used=used)  # a NaN is not held


def _largest(tensor: Tensor) -> float:
    return tensor.double().abs().max().item()
