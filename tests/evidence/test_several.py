"""Claims: verdicts speak of an architecture from three seeds on, of a training by its steps, else of checkpoints."""

from dataclasses import replace

import pytest

from probe.capture import NativeModel
from probe.checkpoints import Checkpoint, from_model
from probe.config import ModelConfig
from probe.evidence.criteria import Criterion
from probe.evidence.several import of_all, sentence, told, told_together
from probe.evidence.verdict import RULES, Verdict
from probe.models import ResidualModel

MODEL = {"layout": "M2", "dim": 3, "width": 8}


def checkpoint(name: str, seed: int | None = 0, step: int = 100, layout: str = "M2") -> Checkpoint:
    found = from_model(NativeModel(ResidualModel(ModelConfig(layout=layout, dim=3, width=8))), name, context=4)
    plan = {"seed": seed, "dim": 3, "steps": 100, "model": MODEL | {"layout": layout}}
    about = {"arch": f"arch-{layout}", "step": step, **({} if seed is None else {"plan": plan})}
    return replace(found, description=about, digest=name)


def verdict(outcome: str = "holds", rung: str = "closed loop", tested: bool = True) -> Verdict:
    """Returns a verdict of which everything holds but the criteria of one rung."""
    return Verdict(
        tuple(
            Criterion(
                rule.name,
                rule.rung,
                rule.question,
                rule.threshold,
                rule.excludes,
                "s",
                outcome if rule.rung == rung else "holds",
                tested or rule.rung != rung,
            )
            for rule in RULES
        )
    )


YES, NO, OPEN = verdict(), verdict("fails"), verdict("undecided")
SEEDS = [checkpoint(f"s{seed}", seed) for seed in range(3)]


def test_three_seeds_are_an_architecture():
    found = sentence(SEEDS, [YES, NO, OPEN])
    assert found == (
        "For the architecture arch-M2 (3 seeds) the claim is supported on 1 of 3 seeds, not supported on 1, undecided "
        "on 1; highest rung: named family on 1, used on 2."
    )
    assert "supported on 3 of 3 seeds; highest rung: named family on 3." in sentence(SEEDS, [YES] * 3)


@pytest.mark.parametrize(
    "models",
    [
        SEEDS[:2],
        [SEEDS[0], SEEDS[0], SEEDS[0]],
        [checkpoint("a"), checkpoint("b", layout="M3"), checkpoint("c", layout="M4")],
        [checkpoint(name, None) for name in "abc"],
    ],
)
def test_less_is_these_checkpoints(models):
    found = sentence(models, [YES] * len(models))
    assert "architecture" not in found
    assert "these checkpoints" in found or "one training" in found


def test_steps_of_one_training_are_told_by_step_in_their_order():
    steps = [checkpoint("late", 0, 100), checkpoint("early", 0, 10), checkpoint("middle", 0, 50)]
    found = sentence(steps, [YES, verdict("fails", "decodable"), NO])
    assert found == (
        "Along one training of arch-M2 the highest rung is, by step: 10 no rung, 50 used, 100 named family."
    )


def test_what_stands_beside_three_seeds_is_told_apart():
    found = sentence([*SEEDS, checkpoint("other", layout="M3")], [YES, YES, YES, NO])
    assert found.endswith("On these checkpoints the claim is: other not supported (used).")


def test_a_criterion_holds_where_it_does_on_all_and_says_of_how_many():
    found = told_together(SEEDS, [YES, YES, NO])
    criteria = {one["name"]: one for one in found["criteria"]}
    assert criteria["gradual fall"]["outcome"] == "holds"
    assert criteria["gradual fall"]["seen"] == "holds on 3 of 3"
    assert criteria["closed loop"]["outcome"] == "undecided"
    assert criteria["closed loop"]["seen"] == "holds on 2, fails on 1 of 3"
    assert (found["supported"], found["outcome"], found["rung"]) == (False, "undecided", "used")
    assert told_together(SEEDS, [NO] * 3)["outcome"] == "not supported"
    assert told_together(SEEDS, [YES] * 3)["supported"] is True


def test_what_was_not_tested_everywhere_does_not_hold_everywhere():
    untested = verdict("undecided", tested=False)
    criteria = {one["name"]: one for one in told_together(SEEDS, [YES, YES, untested])["criteria"]}
    assert criteria["closed loop"]["outcome"] == "undecided"
    assert criteria["closed loop"]["seen"] == "holds on 2, not tested on 1 of 3"
    assert criteria["closed loop"]["tested"]


def test_one_checkpoint_is_told_as_ever():
    each = told(NO) | {"not_tested": {}, "notes": [], "chosen_settings": {}, "warnings": []}
    assert of_all(SEEDS[:1], [NO], {"s0": each}) == each
