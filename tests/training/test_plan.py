"""Claims: a layout text that is a named architecture's is that architecture; others follow what their blocks say."""

import pytest

from probe.config import TrainConfig
from probe.models import LETTERS
from probe.training.plan import SCHEDULES, make_plan
from probe.training.presets import ARCHITECTURES, PRESETS


def _plan(**settings):
    return make_plan(TrainConfig(out="x.pt", task="linear", **settings))


@pytest.mark.parametrize("arch", [name for name in ARCHITECTURES if name != "standard_hybrid"])
def test_a_named_architecture_and_its_layout_text_are_one_training(arch):
    """A standard hybrid's layout is also that of a hybrid without positions, which its blocks do not need."""
    named = _plan(arch=arch)
    assert _plan(layout=named.model.layout) == named


@pytest.mark.parametrize(
    ("layout", "norm", "positions", "like"),
    [
        ("AMF", "rms", "none", "transformer"),
        ("ASF", "layer", "none", "transformer"),
        ("AAF", "layer", "learned", "transformer"),
        ("SRC", "layer", "none", "s4"),
        ("M[gate=off]2", "rms", "none", "mamba"),
        ("EL", "rms", "none", "deltanet"),
        ("JHF", "none", "none", "linear_self_attention"),
    ],
)
def test_another_layout_follows_its_blocks(layout, norm, positions, like):
    plan = _plan(layout=layout)
    assert (plan.arch, plan.model.norm, plan.model.positions) == (layout, norm, positions)
    assert plan.lr == PRESETS["laptop"].recipes[like].lr


def test_every_mixer_but_the_joining_of_pairs_names_a_recipe_that_there_is():
    assert {mixer.recipe for letter, mixer in LETTERS.items() if letter != "J"} <= set(ARCHITECTURES)
    assert LETTERS["J"].recipe == ""


def test_a_rate_falls_as_its_schedule_says():
    cosine, constant = (_plan(arch="mamba", schedule=name, steps=100, warmup=0) for name in SCHEDULES)
    rates = {plan.schedule: [plan.rate(step) / plan.lr for step in (0, 50, 100)] for plan in (cosine, constant)}
    assert rates["constant"] == [1, 1, 1]
    assert rates["cosine"] == pytest.approx([1, 0.5, 0], abs=1e-12)
