"""Whether what a layer answers acts on later blocks, and whether they correct it."""

from __future__ import annotations

from collections.abc import Sequence

from probe.evidence.criteria.judging import Judged, Outcome, Row, decided, either, end, enough, every
from probe.evidence.criteria.rule import Rule

SITES = ("exchanged at all tokens", "exchanged at query")
SHARE = 0.5
"""The share of layers at which an effect must be there."""
ACTS = 0.05
"""The share of an exchanged answer that must be found in the model's own answer, or in a later layer's."""
KEPT = 0.9
"""The share of an exchanged answer that may be left where later blocks take it back."""
FEWEST_STEPS = 3
"""The fewest layers at which a loop must be closed, and blocks that must close it: a solver at the end is one."""


def _used(rows: list[Row]) -> Judged:
    judged = {site: _chain(site, rows) for site in SITES if any(row["site"] == site for row in rows)}
    if not judged:
        raise LookupError("No answer was exchanged.")
    outcome = either(found for found, _ in judged.values())
    return outcome, next(words for found, words in judged.values() if found == outcome)


def _chain(site: str, rows: Sequence[Row]) -> Judged:
    """Returns whether layers act on the model's answer, by themselves or through later layers that do."""
    here = [row for row in rows if row["site"] == site]
    shares = {int(row["layer"]): _beyond(row) for row in here if row["metric"] == "share"}
    if not shares:
        return "fails", "no layer between the first and the last holds an answer"
    on: dict[int, dict[int, list[Outcome]]] = {}
    for row in here:
        if row["metric"] in ("carry", "response"):
            on.setdefault(int(row["layer"]), {}).setdefault(int(row["other_layer"]), []).append(_beyond(row))
    acts: dict[int, Outcome] = {}
    for layer in sorted(shares, reverse=True):
        through = [every([either(felt), acts[later]]) for later, felt in on.get(layer, {}).items() if later in acts]
        acts[layer] = either([shares[layer], *through])
    surely = [layer for layer in acts if acts[layer] == "holds"]
    possibly = [layer for layer in acts if acts[layer] != "fails"]
    words = f"{len(surely)} of the {len(acts)} layers between the first and the last that hold an answer do"
    return enough(len(surely), len(possibly), SHARE * len(acts)), words


def _beyond(row: Row) -> Outcome:
    """Returns whether an effect of either sign is there."""
    low, high = end(row, "low"), end(row, "high")
    return decided(low > ACTS or high < -ACTS, low >= -ACTS and high <= ACTS)


def _closed(rows: list[Row]) -> Judged:
    judged = {site: _at(site, rows) for site in SITES if any(row["site"] == site for row in rows)}
    if not judged:
        raise LookupError("No answer was exchanged.")
    outcome = either(found for found, _ in judged.values())
    return outcome, "; ".join(f"{site}: {words}" for site, (_, words) in judged.items())


def _at(site: str, rows: Sequence[Row]) -> Judged:
    here = [row for row in rows if row["site"] == site]
    kept = [row for row in here if row["metric"] == "kept"]
    if not kept:
        return "fails", "no layer holds an answer on which later blocks improve"
    corrected = [row for row in kept if end(row, "high") <= KEPT]
    maybe = [row for row in kept if not end(row, "low") > KEPT]
    needed = max(FEWEST_STEPS, SHARE * len(kept))
    # of a model with fewer layers than that, those that there are cannot speak against it
    absent = max(0, FEWEST_STEPS - len(kept)) if maybe else 0
    following = [row for row in here if row["metric"] == "carry" and row["other_layer"] == row["layer"] + 1]
    read = [_beyond(row) for row in following]
    taken = [row for row in here if row["metric"] == "taken back"]
    surely = {row["other_layer"] for row in taken if end(row, "low") > ACTS}
    possibly = {row["other_layer"] for row in taken if not end(row, "high") <= ACTS} | surely
    outcome = every(
        [
            enough(len(corrected), len(maybe) + absent, needed),
            enough(read.count("holds"), len(read) - read.count("fails") + absent, FEWEST_STEPS),
            enough(len(surely), len(possibly) + absent, FEWEST_STEPS),
        ]
    )
    left = ", ".join(f"{row['value']:.2f}" for row in kept)
    first, last = kept[0]["layer"], kept[-1]["layer"]
    return outcome, (
        f"later blocks take it back at {len(corrected)} of {len(kept)} layers, of those from {first} to {last} is left "
        f"{left}; {len(surely)} blocks take some of it back; the next layer depends on it at {read.count('holds')}"
    )


RULES: tuple[Rule, ...] = (
    Rule(
        "used by later blocks",
        "loop",
        "used",
        "Does what a layer answers act on the model's answer, by itself or through what later layers answer?",
        f"At {SHARE:.0%} of the layers that hold an answer: {ACTS:.0%} of what is exchanged (whole band) is found "
        "in the model's answer, or moves a later layer's of which this holds.",
        "a detector: an answer that heads decode and nothing reads",
        _used,
    ),
    Rule(
        "closed loop",
        "loop",
        "closed loop",
        "Do later blocks read what a layer answers, and correct it where it is another prompt's?",
        f"At most {KEPT:.0%} of an exchanged answer is left (whole band) at {SHARE:.0%} of the layers that hold one, "
        f"{FEWEST_STEPS} at least; as many blocks take {ACTS:.0%} of it back each, and as many next layers "
        "depend on it. It is exchanged at the query, or at all tokens with each pair the prompt's own.",
        "blocks that compute their additions from the tokens alone, or uncover what an earlier block had finished",
        _closed,
    ),
)
