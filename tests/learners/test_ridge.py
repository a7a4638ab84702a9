"""Claims: scikit-learn's ridge; least squares in the limit; the posterior mean, which no other penalty beats."""

from dataclasses import replace

import pytest
import torch
from sklearn.linear_model import Ridge as Reference

from probe.learners import Examples, LeastSquares, Ridge, make
from probe.randomness import PromptSource
from probe.tasks import NoisyLinear


@pytest.mark.parametrize("penalty", [1e-3, 0.5, 20.0])
@pytest.mark.parametrize("count", [1, 4, 9])
def test_it_agrees_with_scikit_learn(draw, count, penalty):
    examples, _ = draw(count)
    for prompt, weights in enumerate(Ridge(penalty).weights(examples)):
        fitted = Reference(alpha=penalty, fit_intercept=False).fit(examples.x[prompt], examples.y[prompt])
        assert weights.numpy() == pytest.approx(fitted.coef_, rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("count", [2, 4, 9])
def test_the_default_penalty_is_each_prompts_noise_variance(draw, count):
    examples, _ = draw(count)
    noise = torch.tensor([0.0, 0.1, 0.5, 1.0, 2.0, 3.0])
    weights = make("ridge").weights(replace(examples, noise=noise))
    for prompt, deviation in enumerate(noise.tolist()):
        alone = Examples(examples.x[prompt : prompt + 1], examples.y[prompt : prompt + 1])
        assert torch.allclose(weights[prompt], Ridge(deviation**2).weights(alone)[0], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("count", [0, 2, 4, 9])
def test_without_noise_it_is_least_squares_of_least_norm(draw, count):
    examples, _ = draw(count)
    if count:
        examples.x[0] = examples.x[0, :1].clone()
    least = LeastSquares().weights(examples)
    assert torch.allclose(Ridge().weights(examples), least, rtol=1e-9, atol=1e-11)
    assert torch.allclose(Ridge(0.0).weights(examples), least, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("count", [3, 5, 10])
def test_no_other_penalty_is_better_on_noisy_linear(count):
    task = NoisyLinear(5, noise=0.8)
    prompts = task.draw(PromptSource(0, "score", range(4000)), count)
    examples = Examples(prompts.x[:, :count], prompts.y[:, :count], prompts.parameters["noise"])

    def error(learner):
        return (learner.weights(examples) - prompts.parameters["w"]).square().sum(-1).mean().item()

    best = error(Ridge())
    assert best == pytest.approx(error(Ridge(0.8**2)), rel=1e-8)
    assert all(best < error(Ridge(0.8**2 * factor)) for factor in (0.25, 4.0))
