"""What was recomputed, as lines of ``probe check``."""

from __future__ import annotations

import math
from collections.abc import Sequence

from probe.capture import Finding
from probe.recompute.comparison import Outcome

USED = "every weight stored in a block is used"
SHOWN = 3


def not_possible(what: str) -> list[Finding]:
    """Returns the one finding on a model of which nothing can be recomputed."""
    return [Finding("blocks write what their stored weights make", None, _why_not(what))]


def findings(outcomes: Sequence[Outcome], strangers: Sequence[str]) -> list[Finding]:
    """Returns a finding for each end and each kind of block, and one on the weights that no equation asked for.

    Args:
        strangers: these weights' names.
    """
    first, *blocks, final, last = outcomes
    kinds: dict[str, list[Outcome]] = {}
    for outcome in blocks:
        kinds.setdefault(outcome.kind, []).append(outcome)
    return [
        _finding("the read-in writes what its", [first]),
        *(_finding(f"{kind} blocks write what their", alike) for kind, alike in kinds.items()),
        _finding("the final norm writes what its", [final]),
        _finding("the read-out writes what its", [last]),
        _on_strangers(blocks, strangers),
    ]


def _finding(who: str, outcomes: Sequence[Outcome]) -> Finding:
    claim = f"{who} stored weights make"
    wrong = [outcome for outcome in outcomes if outcome.held is False]
    if wrong:
        worst = max(wrong, key=_badness)
        more = f"; {len(wrong)} of {len(outcomes)} are wrong" if len(outcomes) > 1 else ""
        return Finding(claim, False, f"{worst.name}: {worst.fault or _size(worst)}{more}")
    unknown = [outcome for outcome in outcomes if outcome.held is None]
    if unknown:
        return Finding(claim, None, _why_not(unknown[0].fault))
    worst = max(outcomes, key=_badness)
    return Finding(claim, True, f"{len(outcomes)} recomputed, {_size(worst)}")


def _on_strangers(blocks: Sequence[Outcome], strangers: Sequence[str]) -> Finding:
    if strangers:
        more = f" and {len(strangers) - SHOWN} more" if len(strangers) > SHOWN else ""
        return Finding(USED, False, f"no equation asks for {', '.join(strangers[:SHOWN])}{more}")
    if any(outcome.held is None for outcome in blocks):
        return Finding(USED, None, "not every block was recomputed")
    return Finding(USED, True, "none is left over")


def _badness(outcome: Outcome) -> float:
    """Returns the gap; where there is none, or no number, it is worse than any."""
    return math.inf if math.isnan(outcome.gap) else outcome.gap


def _size(outcome: Outcome) -> str:
    return f"off by {outcome.gap:.1e} of the largest number written, {outcome.allowed:.0e} allowed"


def _why_not(what: str) -> str:
    return f"could not be recomputed: no reference of ours for {what}"
