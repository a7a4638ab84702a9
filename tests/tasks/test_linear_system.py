"""Claims: the filter's mean is the Gaussian posterior's, its answers beat every rival, the system is as stated."""

import pytest
import torch

from probe import learners
from probe.learners import run
from probe.probing.targets import targets_of
from probe.randomness import BatchSource, PromptSource
from probe.tasks import make

DECAY, CORRELATION, NOISE = 0.9, 0.8, 0.7
TEXT = f"linear_system:decay={DECAY},correlation={CORRELATION},noise={NOISE}"


def covariances(points):
    """How the weights' values at two points vary together, and the noise's."""
    apart = (torch.arange(points)[:, None] - torch.arange(points)).abs().double()
    return DECAY**apart, NOISE**2 * CORRELATION**apart


def test_the_kalman_mean_is_the_posterior_mean_of_the_whole_gaussian():
    """By one solve with the covariance matrix of all y, which knows no recursion."""
    task = make(TEXT, 3)
    prompts = task.draw(PromptSource(0, "fit", range(3)), 6)
    moving, noisy = covariances(7)
    for x, y, mean, noise in zip(
        prompts.x.double(), prompts.y.double(), prompts.parameters["kalman_mean"], prompts.parameters["kalman_noise"],
        strict=True,
    ):  # fmt: skip
        cover = (x @ x.T) * moving + noisy
        for point in range(1, 7):
            weighed = torch.linalg.solve(cover[:point, :point], y[:point])
            expected = torch.einsum("p,p,pd->d", weighed, moving[point, :point], x[:point])
            torch.testing.assert_close(mean[point].double(), expected, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(noise[point, 0].double(), noisy[point, :point] @ weighed, rtol=1e-4, atol=1e-4)


def test_the_gain_is_how_an_error_moves_the_mean():
    """m(t+1) = decay (m(t) + gain (y - predicted)), with the drawn means, gains and answers."""
    task = make(TEXT, 3)
    prompts = task.draw(PromptSource(0, "fit", range(5)), 8)
    mean, gain = prompts.parameters["kalman_mean"], prompts.parameters["kalman_gain"]
    wrong = prompts.y[..., None] - task.optimal(prompts)
    torch.testing.assert_close(mean[:, 1:], DECAY * (mean + gain * wrong)[:, :-1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rival", ["generalised_least_squares:correlation=0.8", "ridge", "gd", "averaging"])
def test_no_rival_predicts_as_well_as_the_filter(rival):
    """By more than five standard errors of the paired difference, over 2,000 prompts of 20 examples."""
    task = make(TEXT, 3)
    prompts = task.draw(BatchSource(0, 0, 2000), 20)
    y = prompts.y[:, 20]
    best = (task.optimal(prompts)[:, 20, 0] - y).square()
    found = run(learners.make(rival), prompts.x, prompts.y, [20], prompts.parameters["noise"])[:, 0]
    worse = (found - y).square() - best
    assert worse.mean() > 5 * worse.std() / 2000**0.5


def test_the_kalman_learner_is_the_tasks_own_filter():
    task = make(TEXT, 3)
    prompts = task.draw(PromptSource(0, "fit", range(5)), 8)
    learner = learners.make(f"kalman:decay={DECAY},correlation={CORRELATION},noise={NOISE}")
    found = run(learner, prompts.x, prompts.y, prompts.contexts)
    torch.testing.assert_close(found, task.optimal(prompts)[..., 0], rtol=1e-4, atol=1e-5)


def test_weights_that_stay_under_noise_that_forgets_are_ridges():
    task = make("linear_system:decay=1,correlation=0,noise=0.5", 3)
    prompts = task.draw(PromptSource(0, "fit", range(5)), 8)
    found = run(learners.make("ridge:penalty=0.25"), prompts.x, prompts.y, prompts.contexts)
    torch.testing.assert_close(found, task.optimal(prompts)[..., 0], rtol=1e-4, atol=1e-5)
    assert torch.equal(prompts.parameters["weights"][:, 0], prompts.parameters["weights"][:, 8])


def test_weights_and_noise_vary_and_stay_as_stated():
    """Variance 1 and noise² at the first and last point, and the stated correlation, within five standard errors."""
    task = make(TEXT, 2)
    prompts = task.draw(BatchSource(1, 0, 20_000), 10)
    weights = prompts.parameters["weights"]
    noise = prompts.y - (weights * prompts.x).sum(-1)
    for values, variance, stays in ((weights[..., 0], 1.0, DECAY), (noise, NOISE**2, CORRELATION)):
        for point in (0, 10):
            assert abs(values[:, point].square().mean() / variance - 1) < 5 * 2**0.5 / 20_000**0.5
        assert abs((values[:, 4] * values[:, 5]).mean() / variance - stays) < 5 * 2**0.5 / 20_000**0.5


def test_the_filters_mean_is_a_target_after_each_number_of_examples():
    task = make(TEXT, 3)
    prompts = task.draw(PromptSource(0, "fit", range(5)), 8)
    assert torch.equal(
        targets_of("kalman_mean", task, TEXT, max(prompts.contexts))[0].encoded(prompts),
        prompts.parameters["kalman_mean"],
    )
