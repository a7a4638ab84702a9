"""Whether an answer is improved from token to token, as online learners do, rather than from block to block."""

from __future__ import annotations

from collections.abc import Sequence

from probe.evidence.criteria.judging import Judged, Outcome, Row, at_least, band, decided, end, every, pick
from probe.evidence.criteria.rule import Rule

READ = 0.9
"""Where heads for w err more, no weights are there to be followed."""
EXPLAINED = 0.25
"""The share of the response to another order of the examples that an online learner must explain."""
FOLLOWED = 0.5
"""The share of the steps from example to example that one must explain for a state to be its weights."""


def _learner(rows: list[Row]) -> Judged:
    errors = [row for row in pick(rows, metric="error of w") if row["value"] < READ]
    if not errors:
        raise LookupError("Heads for w read nothing at any site.")
    best = min(errors, key=lambda row: float(row["value"]))
    batch, either = (_at(rows, best, f"gain over {kind}") for kind in ("batch", "either"))
    where = f"{best['site']}, layer {best['layer']}"
    explains, order = _response(rows, None)
    said = (
        f"{batch['head']} follows the steps of w ({where}) by {band(batch)} better than algorithms that take the "
        f"examples at once, by {band(either)} better than weighted least squares; it explains "
        if batch["value"] > 0
        else f"algorithms that take the examples at once follow the steps of w ({where}) better than {batch['head']}, "
        f"by {-batch['value']:.2f}; online learners explain "
    )
    outcome, told_apart = every([_beyond(batch), explains]), _beyond(either)
    if outcome == "holds" and told_apart != "holds":
        outcome = "undecided"
    return outcome, f"{said}{order} of the response to another order"


def _state(rows: list[Row]) -> Judged:
    read = [row for row in pick(rows, metric="error of w") if row["value"] < READ and "state" in str(row["site"])]
    if not read:
        raise LookupError("The model has no state in which heads for w read anything.")
    told = {id(row): _follows(rows, row) for row in read}
    found = sorted(read, key=lambda row: -float(_at(rows, row, "gain over batch")["value"]))
    outcome: Outcome = next((word for word in ("holds", "undecided") if word in told.values()), "fails")
    best = next(row for row in found if told[id(row)] == outcome)
    gain = _at(rows, best, "gain over batch")
    return outcome, (
        f"{best['site']}, layer {best['layer']}: {gain['head']} explains {band(_of(rows, best, gain['head']))} of the "
        f"steps, {band(gain)} more than algorithms that take the examples at once; of the response to another order "
        f"online learners explain {_response(rows, best['layer'])[1]} there"
    )


def _follows(rows: list[Row], site: Row) -> Outcome:
    gain = _at(rows, site, "gain over batch")
    gains = [_beyond(gain), _beyond(_at(rows, site, "gain over either"))]
    followed = at_least(_of(rows, site, gain["head"]), FOLLOWED)
    return every([*gains, followed, _response(rows, site["layer"])[0]])


def _response(rows: list[Row], layer: int | None) -> Judged:
    """Returns whether an online learner explains what another order changes in an answer, and how much."""
    found = [row for row in rows if row["metric"] == "order r2 of the best online" and row["layer"] == layer]
    return (at_least(found[0], EXPLAINED), band(found[0])) if found else ("fails", "nothing, for there is none,")


def _beyond(row: Row) -> Outcome:
    return decided(end(row, "low") > 0, end(row, "high") < 0)


def _at(rows: Sequence[Row], site: Row, metric: str) -> Row:
    """Returns the row of a metric at the same site."""
    return pick(rows, metric=metric, site=site["site"], layer=site["layer"])[0]


def _of(rows: Sequence[Row], site: Row, learner: str) -> Row:
    return pick(rows, metric="r2 of steps", site=site["site"], head=learner, layer=site["layer"])[0]


RULES: tuple[Rule, ...] = (
    Rule(
        "online learner",
        "online",
        "over time",
        "Is w improved from example to example, as an online learner improves it?",
        "Where w is read best, an online learner follows its steps over time better than every algorithm that takes "
        f"the examples at once (whole paired band), and explains at least {EXPLAINED:.0%} of what another order of the "
        "examples changes in the model's answer.",
        "algorithms that take the examples at once, whose answers do not depend on their order",
        _learner,
        "Heads for w read nothing at any token, after however many examples.",
    ),
    Rule(
        "online state",
        "online",
        "shown",
        "Does the state of some block hold an online learner's weights, whatever later blocks make of them?",
        "At some layer one follows the steps of w better than every algorithm that takes the examples at once (whole "
        f"paired band, all sites at once), and explains at least {FOLLOWED:.0%} of them and {EXPLAINED:.0%} of what "
        "another order changes in the answer read there.",
        "states that only sum",
        _state,
        "The model has no state that can be read.",
    ),
)
