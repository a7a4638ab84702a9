"""Whether every block takes the step of the block before it, by the same map."""

from __future__ import annotations

from probe.evidence.criteria.judging import Judged, Row, at_most, band, decided, end, enough, every, pick
from probe.evidence.criteria.rule import Rule

LEFT = 0.25
"""The share of a step that another block's map may leave."""
SHARE = 0.5
"""The share of the exchanges at which it must leave no more."""
FEWEST_STEPS = 3
"""The fewest exchanges."""


def _one_map(rows: list[Row]) -> Judged:
    if not any(row["metric"] == "step" for row in rows):
        raise LookupError("No layer holds an answer whose step could be compared.")
    left = [row for row in rows if row["metric"] == "left"]
    fitted = any(row["site"] == "linear maps" for row in rows)
    if len(left) < FEWEST_STEPS:
        # a step that no linear map describes may be the next one's all the same
        return "undecided" if fitted else "fails", f"{len(left)} steps are large enough to tell one map from another"
    (pooled,), (gain,) = pick(rows, metric="left, all"), pick(rows, metric="gain, all")
    near = [at_most(row, LEFT) for row in left]
    most = enough(near.count("holds"), len(near) - near.count("fails"), max(float(FEWEST_STEPS), SHARE * len(near)))
    outcome = every([at_most(pooled, LEFT), most, decided(end(gain, "low") > 0, end(gain, "high") <= 0)])
    period, how = int(pooled["step"]), pooled["site"]
    far = "the next one's" if period == 1 else f"that of the block {period} further on"
    first = f" from block {pooled['layer']} on," if pooled["layer"] == 2 else ""
    return "undecided" if fitted and outcome == "fails" else outcome, (
        f"{how}:{first} a block's map and {far} leave {band(pooled)} of each other's steps together, and at most "
        f"{LEFT:.0%} "
        f"at {near.count('holds')} of {len(near)}; what is written whatever is read would leave "
        f"{pooled['value'] + gain['value']:.2f}"
    )


RULES: tuple[Rule, ...] = (
    Rule(
        "one map",
        "map",
        "one map",
        "Is a block's step the next block's step, by the same map?",
        f"Run in each other's place, blocks leave at most {LEFT:.0%} of each other's steps (whole bands), of all that "
        f"are large enough together and of {SHARE:.0%} of them, {FEWEST_STEPS} at least, and less than they would if "
        "they wrote the same whatever they read. The first block may prepare what the others repeat.",
        "blocks that each do something else, or that write what they write whatever they read",
        _one_map,
    ),
)
