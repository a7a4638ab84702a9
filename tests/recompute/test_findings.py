"""Claims: a line says how far off, or what is missing; unknown is neither right nor wrong; a NaN is the worst."""

import math

from probe.recompute.comparison import Outcome
from probe.recompute.findings import findings

SOUND = Outcome("the end", "end", gap=1e-7, held=True)


def lines(*blocks: Outcome, strangers: tuple[str, ...] = ()) -> dict[str, tuple[bool | None, str]]:
    found = findings([SOUND, *blocks, SOUND, SOUND], strangers)
    return {finding.claim.partition(" writ")[0]: (finding.held, finding.seen) for finding in found}


def block(number: int, gap: float = 1e-6, held: bool | None = True, fault: str = "", kind: str = "M") -> Outcome:
    return Outcome(f"block {number}", kind, gap, 1e-4, held, fault)


def test_the_largest_gap_of_a_kind_is_shown() -> None:
    assert lines(block(1), block(2, 3e-6))["M blocks"] == (
        True, "2 recomputed, off by 3.0e-06 of the largest number written, 1e-04 allowed",
    )  # fmt: skip


def test_the_worst_block_is_named_with_how_many_are_wrong() -> None:
    held, seen = lines(block(1), block(2, 0.1, False), block(3, 0.2, False))["M blocks"]
    assert held is False
    assert seen.startswith("block 3: off by 2.0e-01")
    assert seen.endswith("; 2 of 3 are wrong")
    assert lines(block(1, 0.5, False), block(2, math.nan, False))["M blocks"][1].startswith("block 2: off by nan")


def test_what_is_missing_is_said_instead_of_a_gap() -> None:
    assert lines(block(4, math.nan, False, "the file has no D"))["M blocks"] == (False, "block 4: the file has no D")


def test_kinds_are_told_apart_and_the_unknown_one_is_neither_right_nor_wrong() -> None:
    found = lines(block(1), block(2, math.nan, None, "P", kind="P"))
    assert found["M blocks"][0] is True
    assert found["P blocks"] == (None, "could not be recomputed: no reference of ours for P")
    assert found["every weight stored in a block is used"] == (None, "not every block was recomputed")


def test_strangers_are_named_though_a_kind_is_unknown() -> None:
    found = lines(block(1), block(2, math.nan, None, "P", kind="P"), strangers=("a", "b", "c", "d"))
    assert found["every weight stored in a block is used"] == (False, "no equation asks for a, b, c and 1 more")
