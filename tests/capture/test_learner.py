"""A learner stands where a model may: its iterates are layers, its own numbers the stream."""

from pathlib import Path

import pytest
import torch

import probe
from probe import checkpoints
from probe.capture.learner import LearnerModel
from probe.errors import ProbeError
from probe.probing.learned import learned
from probe.randomness import PromptSource


def test_the_prediction_in_layer_k_is_the_learners_after_k_steps() -> None:
    prompts = probe.make_task("linear", 3).draw(PromptSource(0, "score", range(5)), 6)
    model = LearnerModel(probe.make_learner("gd:steps=4"), 3, "gd:steps=4")
    stream = probe.capture_stream(model, prompts.inputs, prompts.queries).stream
    assert len(stream) == 5
    for steps in range(5):
        found = learned(probe.make_learner(f"gd:steps={steps}"), prompts)
        torch.testing.assert_close(model.decode(stream[steps]), found, rtol=1e-4, atol=1e-5)


def test_what_is_held_at_a_token_depends_on_no_later_one() -> None:
    prompts = probe.make_task("linear", 3).draw(PromptSource(0, "score", range(4)), 6)
    model = LearnerModel(probe.make_learner("least_squares"), 3, "least_squares")
    whole, part = model.run(prompts.inputs), model.run(prompts.inputs[:, :8])
    torch.testing.assert_close(whole[:, :8], part)


def test_a_learner_without_iterates_has_one_layer_and_no_weights() -> None:
    model = LearnerModel(probe.make_learner("knn"), 3, "knn")
    assert len(model.places) == 2
    assert (model.width, model.description.outputs) == (8, 1)


@pytest.mark.parametrize(
    ("text", "rounding"),
    [
        ("gd:steps=4", 1e-4),
        ("newton:steps=4", 1e-4),
        ("newton:order=3,steps=3", 1e-4),
        ("gd_plus_plus:steps=4", 1e-4),
        ("conjugate_gradient:steps=3", 1e-2),  # its last steps are long where the inputs are ill conditioned
    ],
)
def test_steps_from_the_stream_are_the_learners_own(text: str, rounding: float) -> None:
    prompts = probe.make_task("skewed_linear", 3).draw(PromptSource(0, "score", range(5)), 7)
    model = LearnerModel(probe.make_learner(text), 3, text)
    assert len(model.places) == int(text[-1]) + 1
    stream = probe.capture_stream(model, prompts.inputs, prompts.queries).stream
    found = learned(probe.make_learner(text), prompts)
    torch.testing.assert_close(model.decode(stream[-1]), found, rtol=0.0, atol=rounding)


@pytest.mark.parametrize(
    ("text", "left"), [("gd:steps=3", 1.0), ("newton:steps=5", 1.0), ("conjugate_gradient:steps=3", 1.0), ("knn", 0.0)]
)
def test_a_step_goes_on_from_the_weights_that_were_put_into_the_stream(text: str, left: float) -> None:
    prompts = probe.make_task("linear", 3).draw(PromptSource(0, "score", range(6)), 8)
    model = LearnerModel(probe.make_learner(text), 3, text)
    stream = model.model.read_in(prompts.inputs)
    other = stream.clone()
    other[..., 4:7] += 1.0
    step = model.model.steps[0]
    moved = (step(other) - step(stream))[:, -1, -1].abs()
    assert bool((moved > 0).all()) == bool(left)


def test_gradient_descent_corrects_what_was_put_into_the_stream_as_its_hessian_says() -> None:
    prompts = probe.make_task("linear", 3).draw(PromptSource(0, "score", range(6)), 8)
    model = LearnerModel(probe.make_learner("gd:steps=3,rate=0.1"), 3, "gd")
    stream = model.model.read_in(prompts.inputs)
    other = stream.clone()
    other[:, -1, 4:7] += 1.0
    step = model.model.steps[0]
    moved = (step(other) - step(stream))[:, -1, 4:7].double()
    x = prompts.inputs[:, :16:2].double()
    expected = 1.0 - 0.1 * torch.einsum("bnd,bne->bde", x, x).sum(-1) / 8
    torch.testing.assert_close(moved, expected, rtol=1e-4, atol=1e-5)


def test_a_learner_that_steps_by_example_has_one_layer() -> None:
    prompts = probe.make_task("linear", 3).draw(PromptSource(0, "score", range(4)), 6)
    model = LearnerModel(probe.make_learner("online_gd"), 3, "online_gd")
    assert len(model.places) == 2
    stream = probe.capture_stream(model, prompts.inputs, prompts.queries).stream
    found = learned(probe.make_learner("online_gd"), prompts)
    torch.testing.assert_close(model.decode(stream[-1]), found, rtol=1e-4, atol=1e-5)


def test_it_is_fitted_beside_a_model_and_its_lens_is_the_learner(toys: Path) -> None:
    result = probe.fit(
        ckpt=[str(toys / "m.pt"), "learner:gd:steps=2"], task="linear", head=["linear", "lens"], prompts=64, score=32
    )
    rows = result.table.query("model == 'learner:gd:steps=2'")
    lens = rows.query("head == 'lens' and layer == 2")["error"]
    own = probe.evaluate(ckpt=str(toys / "m.pt"), task="linear", learner="gd:steps=2", prompts=32).table
    assert lens.tolist() == pytest.approx(own.query("head == 'gd:steps=2'")["error"].tolist(), rel=1e-4)


def test_a_learner_alone_needs_a_dimension_and_a_context() -> None:
    with pytest.raises(ProbeError, match="Add --dim"):
        probe.fit(ckpt="learner:gd", task="linear")
    with pytest.raises(ProbeError, match="Add --context"):
        probe.fit(ckpt="learner:gd", task="linear", dim=3)
    with pytest.raises(ProbeError, match="No learner is called 'gb'"):
        probe.fit(ckpt="learner:gb", task="linear", dim=3, context=4)
    assert checkpoints.called("learner:gd:steps=8") == "learner:gd:steps=8"


def test_a_claim_and_its_picture_stand_on_a_learner_as_on_a_checkpoint() -> None:
    """What needs weights or mixers is left out with its reason; what an algorithm of equal steps does is its own."""
    small = {"prompts": 128, "score": 64, "asked": 32, "skip": ("known", "states", "online", "causes")}
    result = probe.claim("learner:gd:steps=6", task="linear", dim=2, context=4, **small)  # type: ignore[arg-type]
    assert result.verdict.startswith(("Undecided", "Supported", "The claim"))
    missing = result.provenance["not_tested"]
    assert "blocks without parameters" in missing["untrained"]
    assert "mixers with a state of our own are needed" in missing["loop: states"]
    assert len(result.plot().axes) > 1
