"""Claims: heads find the quantities where an algorithm holds them, and nowhere else."""

import pytest
import torch

from probe.evidence.targets import algorithmic_errors, algorithmic_targets, fit_targets, remainder, target_rows
from probe.heads import make_all
from probe.probing.measure import measure
from probe.progress import silent


def errors(found):
    return {name: one.ratio.estimate()[:, -1] for name, one in found.items()}


def test_a_gradient_stack_holds_its_own_iterates(planted_experiment):
    """Layer k holds the weights after k steps exactly, and the other iterates only as far as they are alike."""
    experiment, pass_ = planted_experiment("gradient")
    found = errors(fit_targets(experiment, algorithmic_targets(experiment.contexts), pass_)[1])
    for steps in (1, 2, 4):
        assert found[f"gd_{steps}"][steps] < 1e-5
        assert found[f"gd_{steps}"][0] > 0.9
    assert found["gd_1"][1:].argmin() == 0
    # w beyond what the examples tell of it is nowhere, and nothing is known at the read-in
    torch.testing.assert_close(found["w"], found["least_squares"], rtol=0.05, atol=0.05)
    assert found["w"][0] > 0.9


def test_a_gatherer_holds_the_gradient_before_it_holds_the_weights(planted_experiment):
    """X'y is whole before the last block, which solves; there is no y before it."""
    experiment, pass_ = planted_experiment("gather")
    found = errors(fit_targets(experiment, algorithmic_targets(experiment.contexts), pass_)[1])
    assert found["gradient"][-2] < 1e-5
    assert found["least_squares"][-2] > 0.05
    assert found["least_squares"][-1] < 1e-3
    assert found["y"][-2] > 0.9
    assert found["y"][-1] < 1e-2


def test_the_remainder_is_what_the_layer_before_left(planted_experiment):
    """Its column for layer 0 is y; those of later layers are y minus the answers of the heads one layer down."""
    experiment, pass_ = planted_experiment("gradient")
    fitted, _ = measure(experiment, make_all(("linear", "lens")), pass_, "y", silent)
    _, prompts, captured = next(experiment.batches(pass_, "score", most=32))
    left = remainder(fitted["linear"])(prompts, captured)["remainder"]
    assert left.shape == (32, 1, experiment.layers)
    torch.testing.assert_close(left[..., 0], prompts.targets[..., 0])
    answers = fitted["linear"](captured.stream)[..., 0]
    torch.testing.assert_close(left[..., 4], prompts.targets[..., 0] - answers[3].float())


@pytest.mark.parametrize("algorithm", ["gradient", "solve"])
def test_a_block_that_adds_to_the_answer_writes_of_what_was_left(planted_experiment, algorithm):
    """Layer by layer in a stack of gradient steps; in the one block that solves, and nowhere else, in the impostor."""
    experiment, pass_ = planted_experiment(algorithm)
    errors = algorithmic_errors(experiment, pass_)
    y, left = (errors[name].ratio.estimate()[:, -1] for name in ("y", "remainder"))
    torch.testing.assert_close(left[0], y[0])
    found = ((left[1:] < 0.95 * y[:-1]) & (y[:-1] > 1e-9)).tolist()
    assert found == ([True] * 6 if algorithm == "gradient" else [False, False, False, True, False, False])


def test_rows_name_target_layer_and_context(planted_experiment):
    experiment, pass_ = planted_experiment("gradient")
    _, errors = fit_targets(experiment, lambda prompts, captured: {"y": prompts.targets}, pass_)
    rows = target_rows(errors, "m")
    assert [(one["metric"], one["layer"], one["context"]) for one in rows] == [
        ("error of y", layer, 10) for layer in range(experiment.layers)
    ]
    assert [one["value"] for one in rows] == errors["y"].ratio.estimate()[:, -1].tolist()
