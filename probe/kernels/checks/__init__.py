"""Checks every implementation of every operation that is installed, ours and other packages', by dtype and length.

Each is compared with our plain reference in double precision, on the same numbers, and with itself.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from probe.errors import ProbeError
from probe.kernels.checks.found import PACKAGES, implementations, installed
from probe.kernels.checks.implementation import Absent, Implementation
from probe.kernels.checks.operation import Operands, Operation
from probe.kernels.checks.operations import OPERATIONS
from probe.kernels.checks.own import implementations as ours
from probe.kernels.checks.properties import ALLOWED, CHECKS, Case, Outcome, often, once
from probe.kernels.checks.run import Gap, Ran, run

LENGTHS = (1, 2, 63, 64, 65, 4_097)
"""Of the sequences, in tokens: one, two, and around the borders of chunks."""
LONG = 1_000
"""Sequences of more tokens are run with all operands alone, and once by what takes one token after another."""


@dataclass(frozen=True)
class Row:
    """What one check of one implementation has found.

    Args:
        check: of `CHECKS`; empty where it could not be run.
        gap: how far off it was, as a share of the largest number; not a number where there was none.
        allowed: how far off it may be.
        held: whether that holds; None where it could not be run.
        seen: the tensor that was furthest off, or why it could not be run.
    """

    operation: str
    implementation: str
    package: str
    check: str
    device: str
    dtype: str
    tokens: int | None
    gap: float
    allowed: float
    held: bool | None
    seen: str


Report = Callable[[str, int, int], None]


def check_operations(names: Sequence[str], report: Report, lengths: Sequence[int] = LENGTHS) -> list[Row]:
    """Returns a row for every check of every implementation of some operations.

    Args:
        names: of `OPERATIONS`.
        report: called with how many sequences' lengths are done.
    """
    rows: list[Row] = []
    for place, name in enumerate(names):
        known = list(implementations(name))
        rows += [_absent(name, each) for each in known if isinstance(each, Absent)]
        there = [each for each in known if isinstance(each, Implementation)]
        rows += [row for each in there for row in _unfit(name, each)]
        with _without_warnings():
            for step, tokens in enumerate(lengths):
                right = references(name, tokens)
                for each in there:
                    rows += _rows(name, each, tokens, right)
                report(name, place * len(lengths) + step + 1, len(names) * len(lengths))
    return rows


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Silences other packages while they run, which warn that they have no faster kernel here."""
    loggers = [logging.getLogger(package) for package in PACKAGES]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def references(name: str, tokens: int) -> dict[tuple[str, ...], Ran]:
    """Returns the reference's results in double precision, by the operands that are left out."""
    operation = OPERATIONS[name]
    reference = next(each for each in ours(name) if each.name == "reference")
    assert isinstance(reference, Implementation), "the reference needs no package"
    operands = operation.drawn(tokens)
    cases = ((), *operation.optional) if tokens <= LONG else ((),)
    return {
        left_out: run(reference.whole, {key: each for key, each in operands.items() if key not in left_out})
        for left_out in cases
    }


def _rows(name: str, each: Implementation, tokens: int, right: dict[tuple[str, ...], Ran]) -> Iterator[Row]:
    if each.longest is not None and tokens > each.longest:
        return
    told = {left_out: ran for left_out, ran in right.items() if each.optional or not left_out}
    for device in devices(each):
        for dtype in each.dtypes:
            case = Case(OPERATIONS[name], each, dtype, device, tokens, told)
            briefly = each.loops and tokens > LONG
            if briefly and dtype != "float32":
                continue
            try:
                outcomes = [*once(case), *([] if briefly else often(case))]
            except ProbeError as error:
                yield _row(name, each, device, dtype, tokens, "", Gap(math.nan, str(error)), math.nan)
                continue
            except Exception as error:  # another package's kernel may fail in its own way
                seen = f"it raised {type(error).__name__}: {error}".splitlines()[0]
                yield _row(name, each, device, dtype, tokens, "output", Gap(math.nan, seen), case.allowed)
                continue
            for check, gap, allowed in outcomes:
                yield _row(name, each, device, dtype, tokens, check, gap, allowed)


def devices(each: Implementation) -> list[str]:
    """Returns the devices of this machine that an implementation runs on."""
    return [name for name in each.devices if name == "cpu" or torch.cuda.is_available()]


def _unfit(name: str, each: Implementation) -> Iterator[Row]:
    """Yields a row for an implementation that no device here is fit for."""
    if not devices(each):
        yield _absent(name, Absent(each.name, each.package, f"There is no {each.devices[0]} device here."))


def _absent(name: str, each: Absent) -> Row:
    return Row(name, each.name, each.package, "", "", "", None, math.nan, math.nan, None, each.reason)


def _row(
    name: str, each: Implementation, device: str, dtype: str, tokens: int, check: str, gap: Gap, allowed: float
) -> Row:
    held = gap.within(allowed) if check else None
    return Row(name, each.name, each.package, check, device, dtype, tokens, gap.size, allowed, held, gap.where)


__all__ = [
    "ALLOWED",
    "CHECKS",
    "LENGTHS",
    "OPERATIONS",
    "PACKAGES",
    "Case",
    "Operands",
    "Operation",
    "Outcome",
    "Row",
    "check_operations",
    "installed",
]
