"""Claims: scikit-learn's lasso at any penalty and number of examples, and an end within the tolerance or an error."""

import pytest
import torch
from sklearn.linear_model import Lasso as Reference

from probe.errors import ProbeError
from probe.learners import Examples, Lasso
from probe.randomness import PromptSource
from probe.tasks import Linear, SkewedLinear


@pytest.mark.parametrize("penalty", [0.001, 0.01, 0.1, 1.0])
@pytest.mark.parametrize("count", [1, 3, 6, 12])
def test_it_agrees_with_scikit_learn(draw, count, penalty):
    examples, _ = draw(count, dim=6, prompts=4)
    for prompt, weights in enumerate(Lasso(penalty, tolerance=1e-11).weights(examples)):
        reference = Reference(penalty, fit_intercept=False, tol=1e-12, max_iter=1_000_000)
        fitted = reference.fit(examples.x[prompt].numpy(), examples.y[prompt].numpy())
        assert weights.numpy() == pytest.approx(fitted.coef_, abs=2e-6)


@pytest.mark.parametrize("task", [Linear(20), SkewedLinear(20)])
@pytest.mark.parametrize("count", [2, 5, 19, 20, 40])
@pytest.mark.parametrize("penalty", [1e-4, 0.01])
def test_its_optimality_conditions_hold(task, count, penalty):
    """The gradient is -penalty sign(w) where w is not 0, and within the penalty where it is."""
    prompts = task.draw(PromptSource(0, "score", range(32)), count)
    examples = Examples(prompts.x[:, :count], prompts.y[:, :count])
    weights = Lasso(penalty, tolerance=1e-10).weights(examples)
    gram, correlation = examples.second_moments()
    gradient = (gram @ weights[..., None])[..., 0] - correlation
    used = weights != 0
    assert (used.sum(-1) <= min(count, 20)).all() and used.any()
    assert (gradient + penalty * weights.sign())[used].abs().max() < 1e-4 * penalty
    assert gradient.abs().max() < penalty * (1 + 1e-4)


def test_repeated_and_unused_inputs_are_no_obstacle():
    x = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    x[..., 2], x[..., 3] = x[..., 0], 0
    weights = Lasso(0.1).weights(Examples(x, 2 * x[..., 0]))
    assert not weights[:, 3].any()
    alone = Lasso(0.1).weights(Examples(x[..., :2], 2 * x[..., 0]))
    assert torch.allclose(weights[:, 0] + weights[:, 2], alone[:, 0], atol=1e-6)


def test_stopping_early_is_an_error():
    prompts = Linear(20).draw(PromptSource(0, "score", range(8)), 5)
    with pytest.raises(ProbeError, match=r"stopped after 1 sweeps with \d prompts above"):
        Lasso(1e-3, sweeps=1).weights(Examples(prompts.x[:, :5], prompts.y[:, :5]))
