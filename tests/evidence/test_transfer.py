"""Claims: a head is applied at every layer, and one frozen direction serves layers that write in one place."""

import pytest
import torch

from probe.capture import capture
from probe.evidence.transfer import transfer
from probe.heads import make_all
from probe.probing.measure import measure
from probe.progress import silent
from probe.randomness import PromptSource


@pytest.mark.parametrize("algorithm", ["gradient", "gather"])
def test_every_head_is_applied_at_every_layer(planted_experiment, algorithm):
    """The matrix is what a plain loop over heads and layers computes, its diagonal the usual layer curve."""
    experiment, pass_ = planted_experiment(algorithm)
    fitted, scores = measure(experiment, make_all(("linear", "lens")), pass_, "y", silent)
    found = transfer(experiment, fitted["linear"], pass_).estimate()
    torch.testing.assert_close(found.diagonal(), scores["linear"].ratio.estimate()[:, -1])
    prompts = experiment.task.draw(PromptSource(pass_.seed, "score", range(pass_.score)), experiment.longest)
    stream = capture(experiment.model, prompts.inputs, prompts.queries[-1:]).stream[:, :, 0].double()
    target = prompts.targets[:, -1].double()
    for of, at in ((2, 5), (6, 1)):
        predicted = stream[at] @ fitted["linear"].weight[of, 0] + fitted["linear"].intercept[of, 0]
        error = (predicted - target).square().sum() / target.square().sum()
        torch.testing.assert_close(found[of, at], error)


def test_a_frozen_direction_follows_gradient_steps_and_not_what_is_gathered(planted_experiment):
    """The last head, followed from layer to layer, falls with every gradient step."""
    experiment, pass_ = planted_experiment("gradient")
    fitted, scores = measure(experiment, make_all(("linear", "lens")), pass_, "y", silent)
    frozen = transfer(experiment, fitted["linear"], pass_).estimate()[-1]
    assert (frozen.diff() < 0).all()
    lens = scores["lens"].ratio.estimate()[:, -1]
    torch.testing.assert_close(frozen, lens, rtol=0.1, atol=0.02)
    experiment, pass_ = planted_experiment("gather")
    fitted, _ = measure(experiment, make_all(("linear", "lens")), pass_, "y", silent)
    frozen = transfer(experiment, fitted["linear"], pass_).estimate()[-1]
    assert frozen[:-1].min() > 0.9
    assert frozen[-1] < 0.01
