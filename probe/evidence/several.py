"""What verdicts on several checkpoints amount to: seeds of one architecture, steps of one training, or neither."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, get_args

from probe.checkpoints import Checkpoint
from probe.evidence.criteria.judging import Outcome
from probe.evidence.verdict import RUNGS, Criterion, Verdict
from probe.probing.experiment import by_seed, side_name
from probe.text import line

FEWEST_SEEDS = 3
"""The fewest trainings that differ in their seed alone for a sentence to speak of an architecture."""
NONE = "no rung"


def told(verdict: Verdict) -> dict[str, Any]:
    """Returns what a record says of one verdict."""
    return {
        "verdict": verdict.sentence,
        "supported": verdict.supported,
        "outcome": verdict.outcome,
        "rung": verdict.rung,
        "rungs": [{"name": rung, "says": says, "outcome": verdict.of(rung)} for rung, says in RUNGS.items()],
        "against": verdict.against,
        "along_the_sequence": verdict.along_the_sequence,
        "criteria": [asdict(one) for one in verdict.criteria],
    }


def of_all(
    models: Sequence[Checkpoint], verdicts: Sequence[Verdict], each: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Returns what a record says of all checkpoints; of one alone, what it says of that.

    Args:
        each: by the model's name, what `told` returns, with ``not_tested``, ``notes``, ``chosen_settings`` and
            ``warnings``.
    """
    if len(models) == 1:
        return each[models[0].name]
    return told_together(models, verdicts) | {
        "not_tested": {f"{name}: {kind}": why for name, one in each.items() for kind, why in one["not_tested"].items()},
        "notes": list(dict.fromkeys(note for one in each.values() for note in one["notes"])),
        "chosen_settings": {name: one["chosen_settings"] for name, one in each.items()},
        "warnings": [f"{name}: {words}" for name, one in each.items() for words in one["warnings"]],
        "verdicts": each,
    }


def told_together(models: Sequence[Checkpoint], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Returns what a record says of verdicts on several checkpoints, in their order.

    A criterion holds, or fails, where it does on all of them. The claim is supported, or not, where it is on all.
    """
    outcomes = {one.outcome for one in verdicts}
    criteria = tuple(_counted(same) for same in zip(*(one.criteria for one in verdicts), strict=True))
    together = Verdict(criteria)
    lowest = min(verdicts, key=lambda one: [*RUNGS].index(one.rung) if one.rung else -1)
    return told(together) | {
        "verdict": sentence(models, verdicts),
        "supported": outcomes == {"supported"},
        "outcome": outcomes.pop() if len(outcomes) == 1 else "undecided",
        "rung": lowest.rung,
        "against": lowest.against,
    }


def sentence(models: Sequence[Checkpoint], verdicts: Sequence[Verdict]) -> str:
    """Returns the verdicts in words: of an architecture from three seeds that differ in their seed alone."""
    seeds = [group for group in by_seed(models) if len(group) >= FEWEST_SEEDS]
    spoken = {place for group in seeds for place in group}
    said = [_of_seeds([models[place] for place in group], [verdicts[place] for place in group]) for group in seeds]
    for group in _trainings(models):
        if len(group) > 1 and spoken.isdisjoint(group):
            said.append(_of_steps([models[place] for place in group], [verdicts[place] for place in group]))
            spoken.update(group)
    left = [place for place in range(len(models)) if place not in spoken]
    if left:
        each = [f"{line(models[place].name)} {verdicts[place].outcome} ({_rung(verdicts[place])})" for place in left]
        said.append(f"On these checkpoints the claim is: {', '.join(each)}.")
    return " ".join(said)


def _of_seeds(models: Sequence[Checkpoint], verdicts: Sequence[Verdict]) -> str:
    count = Counter(one.outcome for one in verdicts)
    said = [f"supported on {count['supported']} of {len(models)} seeds"]
    said += [f"{outcome} on {count[outcome]}" for outcome in ("not supported", "undecided") if count[outcome]]
    rungs = [f"{rung} on {number}" for rung, number in Counter(map(_rung, verdicts)).items()]
    return f"For the architecture {side_name(models)} the claim is {', '.join(said)}; highest rung: {', '.join(rungs)}."


def _of_steps(models: Sequence[Checkpoint], verdicts: Sequence[Verdict]) -> str:
    order = sorted(range(len(models)), key=lambda place: int(models[place].description["step"]))
    each = [f"{models[place].description['step']} {_rung(verdicts[place])}" for place in order]
    name = line(models[0].description.get("arch", models[0].name))
    return f"Along one training of {name} the highest rung is, by step: {', '.join(each)}."


def _trainings(models: Sequence[Checkpoint]) -> list[list[int]]:
    """Returns the places of the checkpoints, in groups of the steps of one training."""
    groups: dict[str, list[int]] = {}
    for place, found in enumerate(models):
        plan, step = found.description.get("plan"), found.description.get("step")
        key = found.digest if plan is None or step is None else str(sorted(plan.items()))
        groups.setdefault(f"{key} {place if plan is None else ''}", []).append(place)
    return list(groups.values())


def _counted(same: Sequence[Criterion]) -> Criterion:
    """Returns one criterion of all verdicts, with the number of checkpoints of which it holds as what was seen."""
    first, tested = same[0], [one for one in same if one.tested]
    count = Counter(one.outcome for one in tested)
    words = [f"{outcome} on {count[outcome]}" for outcome in get_args(Outcome) if count[outcome]]
    words += [f"not tested on {len(same) - len(tested)}"] if len(tested) < len(same) else []
    found: set[Outcome] = set(count) if len(tested) == len(same) else {*count, "undecided"}
    outcome = found.pop() if len(found) == 1 else "undecided"
    return replace(first, seen=f"{', '.join(words)} of {len(same)}", outcome=outcome, tested=bool(tested))


def _rung(verdict: Verdict) -> str:
    return verdict.rung or NONE
