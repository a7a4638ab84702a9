"""The verdict: criteria that can fail, each with its threshold, judged from the rows of the evidence alone.

The claim is that a model improves an internal answer step by step. Every criterion is something that the claim implies
and that an impostor, which ends at the same answer by another way, may lack. A criterion holds where the whole band
lies on the right side of its threshold, fails where it lies on the other, and is undecided where it lies on both or
where there is no evidence: fewer prompts can turn no answer into another.

The verdict is a rung of a ladder: an answer that gets better can be decoded; the model uses it; later blocks read it
and correct it; every block does so by the same map; and a family of algorithms with a name says how. The claim is
supported from the third rung on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from probe.evidence.criteria import RULES, Criterion, Rule, told_outcome
from probe.evidence.criteria.judging import Outcome, Row, every

__all__ = ["RULES", "RUNGS", "Criterion", "Rule", "Verdict", "judge", "judge_on"]

RUNGS: Mapping[str, str] = {
    "decodable": "an answer that gets better from block to block can be decoded",
    "used": "the model's own answer depends on it",
    "closed loop": "later blocks read the answer of earlier ones and correct it",
    "one map": "one block's step is the next block's step",
    "named family": "an algorithm with a name takes these steps",
}
"""Every rung in its order, and what it says of a model that reached it."""
CLAIMED = ("decodable", "used", "closed loop")
"""The rungs that the claim needs."""
NEEDED = frozenset({"gradual fall", "used by later blocks", "closed loop", "one map", "a named family"})
"""Criteria without which their rung is not reached; the others of a rung count where they were tested."""


@dataclass(frozen=True)
class Verdict:
    """All criteria, and what they amount to."""

    criteria: tuple[Criterion, ...]

    @property
    def supported(self) -> bool:
        """Whether the claim's rungs are all reached."""
        return self.outcome == "supported"

    @property
    def outcome(self) -> Literal["supported", "not supported", "undecided"]:
        """What the claim's rungs amount to: all are reached, one surely is not, or neither."""
        found = every(self.of(rung) for rung in CLAIMED)
        return {"holds": "supported", "fails": "not supported", "undecided": "undecided"}[found]  # type: ignore[return-value]

    @property
    def rung(self) -> str:
        """The highest rung that is reached with all that the claim needs below it; empty where there is none."""
        reached = ""
        for rung in CLAIMED:
            if self.of(rung) != "holds":
                return reached
            reached = rung
        return next((rung for rung in ("named family", "one map") if self.of(rung) == "holds"), reached)

    @property
    def along_the_sequence(self) -> Outcome:
        """Whether an answer is improved from token to token, which is another way to iterate."""
        return self.of("over time")

    @property
    def against(self) -> str:
        """What stands against the first rung that is not reached, in words; empty where all are."""
        for rung in RUNGS:
            open_ = [one for one in self._of(rung) if one.outcome != "holds" and _counts(one)]
            if open_:
                return "; ".join(f"{one.name} {told_outcome(one)}: {one.seen}" for one in open_)
        return ""

    def of(self, rung: str) -> Outcome:
        """Returns whether a rung's criteria hold: all that were tested, those that it needs among them."""
        counted = [one for one in self._of(rung) if _counts(one)]
        return every(one.outcome for one in counted) if counted else "undecided"

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        failed = [one.name for one in self._claimed() if one.outcome == "fails"]
        open_ = [one.name for one in self._claimed() if one.outcome == "undecided" and one.tested]
        missing = [one.name for one in self.criteria if not one.tested]
        held = sum(one.outcome == "holds" for one in self._claimed())
        tail = f" Not tested: {', '.join(missing)}." if missing else ""
        if open_:
            tail = f" Too few prompts to decide: {', '.join(open_)}.{tail}"
        if self.along_the_sequence == "holds":
            tail = f" It improves an answer from token to token, as an online learner does.{tail}"
        if self.supported:
            return f"Supported: {RUNGS[self.rung]} (rung: {self.rung}); {self._above()}.{tail}"
        if failed:
            return f"Not supported: {held} criteria hold and {len(failed)} fail ({', '.join(failed)}).{tail}"
        return f"Undecided: {held} criteria hold and none fails, but not all are decided.{tail}"

    def _above(self) -> str:
        """Returns what is known of the rungs above the claim's."""
        words = {"holds": "holds", "fails": "does not hold", "undecided": "is undecided"}
        return " and ".join(f"{rung} {words[self.of(rung)]}" for rung in RUNGS if rung not in CLAIMED)

    def _claimed(self) -> list[Criterion]:
        return [one for one in self.criteria if one.rung in CLAIMED]

    def _of(self, rung: str) -> list[Criterion]:
        return [one for one in self.criteria if one.rung == rung]


def judge_on(evidence: str, rows: Sequence[Row], missing: Mapping[str, str]) -> tuple[Criterion, ...]:
    """Returns the criteria that one kind of evidence decides, once it was gathered; see `judge`."""
    return tuple(_judged(rule, rows, missing) for rule in RULES if rule.evidence == evidence)


def judge(rows: Sequence[Row], missing: Mapping[str, str]) -> Verdict:
    """Returns the verdict on one model's rows of evidence.

    Args:
        rows: as `probe.evidence.rows.row` makes them.
        missing: why a kind of evidence is not there, by its name.
    """
    return Verdict(tuple(_judged(rule, rows, missing) for rule in RULES))


def _judged(rule: Rule, rows: Sequence[Row], missing: Mapping[str, str]) -> Criterion:
    said = rule.name, rule.rung, rule.question, rule.threshold, rule.excludes
    try:
        outcome, seen = rule.test([row for row in rows if row["evidence"] == rule.evidence])
    except LookupError:
        return Criterion(*said, missing.get(rule.evidence, rule.absent), "undecided", tested=False)
    return Criterion(*said, seen, outcome)


def _counts(one: Criterion) -> bool:
    return one.tested or one.name in NEEDED
