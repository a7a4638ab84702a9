"""What an implementation must have in common with its reference, and with itself: a check of each kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from probe.kernels.checks.implementation import Carry, Implementation
from probe.kernels.checks.operation import Operands, Operation
from probe.kernels.checks.run import Gap, Ran, gradient_gap, output_gap, run, worst

ALLOWED = {"float64": 1e-10, "float32": 1e-4, "bfloat16": 3e-2}
"""Of the largest number of a tensor, by the dtype of activations: sound implementations stay well below."""
SAME = 0.0
"""What is allowed where the bits must be the same."""
PIECES = (1, 2, 61, 64, 65)
"""Tokens of the pieces that a sequence is cut into, over and over, so that borders fall within chunks and between."""

CHECKS = {
    "output": "the output is the reference's",
    "gradient": "the gradients by every operand are the reference's",
    "steps": "token by token, from the state of the one before, gives the same output",
    "pieces": "in pieces, each from the state after the one before, gives the same output",
    "prefixes": "the first tokens alone have the output that they have in the whole sequence",
    "batch": "a prompt alone has the output that it has beside another",
    "repeats": "a second run has the same output and gradients, to the bit",
    "prompts": "a run on other prompts between two changes nothing, to the bit",
    "operands": "the operands are what they were before, to the bit",
}
"""Every check by its name, with what holds where it passes."""


@dataclass(frozen=True)
class Case:
    """An implementation in one setting.

    Args:
        right: the reference's results in double precision, by the operands left out.
    """

    operation: Operation
    implementation: Implementation
    dtype: str
    device: str
    tokens: int
    right: Mapping[tuple[str, ...], Ran]

    @property
    def allowed(self) -> float:
        """What rounding explains."""
        return ALLOWED[self.dtype]

    def operands(self, seed: int = 0, left_out: tuple[str, ...] = ()) -> Operands:
        """Returns the operands in this setting."""
        drawn = self.operation.drawn(self.tokens, seed)
        kept = {name: tensor for name, tensor in drawn.items() if name not in left_out}
        return self.operation.typed(kept, getattr(torch, self.dtype), self.device)


Outcome = tuple[str, Gap, float]
"""The name of a check, how far off it was, and how far it may be."""


def once(case: Case) -> Iterator[Outcome]:
    """Yields what one run tells: outputs and gradients."""
    gaps, slopes = [], []
    for left_out, right in case.right.items():
        found = run(case.implementation.whole, case.operands(left_out=left_out))
        gaps.append(output_gap(found.output, right.output, _without("output", left_out)))
        slope = gradient_gap(found, right)
        slopes.append(Gap(slope.size, _without(slope.where, left_out)))
    yield "output", worst(gaps), case.allowed
    yield "gradient", worst(slopes), case.allowed


def often(case: Case) -> Iterator[Outcome]:
    """Yields what further runs tell."""
    whole, operands = case.implementation.whole, case.operands()
    before = {name: tensor.clone() for name, tensor in operands.items()}
    first = run(whole, operands)
    second = run(whole, operands)
    yield "repeats", *_repeats(case, first, second)
    with torch.no_grad():
        yield from _on_prompts(case, operands)
        if case.tokens > 1:
            yield "prefixes", _prefixes(case, operands), case.allowed
        right = case.right[()].output
        for check, carry, sizes in (
            ("steps", case.implementation.step, (1,)),
            ("pieces", case.implementation.piece, PIECES),
        ):
            if carry is not None:
                found = _carried(case.operation, carry, operands, sizes)
                yield check, output_gap(found, right, f"output of {check}"), case.allowed
    gaps = [output_gap(operands[name].cpu(), tensor.cpu(), name) for name, tensor in before.items()]
    yield "operands", worst(gaps), SAME


def _repeats(case: Case, first: Ran, second: Ran) -> tuple[Gap, float]:
    slopes = gradient_gap(second, first)
    outputs = output_gap(second.output, first.output)
    if case.implementation.any_order and outputs.within(SAME):
        return slopes, case.allowed
    return worst([outputs, slopes]), SAME


def _on_prompts(case: Case, operands: Operands) -> Iterator[Outcome]:
    whole, operation = case.implementation.whole, case.operation
    before = whole(operands)
    whole(case.operands(seed=2))
    yield "prompts", output_gap(whole(operands), before.cpu()), SAME
    gaps = [
        output_gap(whole(operation.prompt(operands, number)), before[number : number + 1].cpu(), f"prompt {number}")
        for number in range(len(before))
    ]
    yield "batch", worst(gaps), case.allowed


def _prefixes(case: Case, operands: Operands) -> Gap:
    whole, time = case.implementation.whole, case.operation.time
    full = whole(operands).cpu()
    lengths = sorted({1, 64, case.tokens // 2, case.tokens - 1} & set(range(1, case.tokens)))
    return worst(
        [
            output_gap(whole(case.operation.part(operands, 0, last)), full.narrow(time, 0, last), f"first {last}")
            for last in lengths
        ]
    )


def _carried(operation: Operation, carry: Carry, operands: Operands, sizes: tuple[int, ...]) -> Tensor:
    """Returns the output of pieces of so many tokens, over and over, each run from the state after the one before."""
    tokens, first, state = operation.tokens(operands), 0, None
    outputs: list[Tensor] = []
    while first < tokens:
        last = min(tokens, first + sizes[len(outputs) % len(sizes)])
        output, state = carry(operation.part(operands, first, last), state)
        outputs.append(output)
        first = last
    return torch.cat(outputs, operation.time)


def _without(where: str, left_out: tuple[str, ...]) -> str:
    return f"{where} without {' and '.join(left_out)}" if left_out else where
