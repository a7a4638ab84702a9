"""Claims: covariances with eigenvalues proportional to 1/i² and trace d, one a prompt or one a group."""

import pytest
import torch

from probe.randomness import BatchSource, PromptSource
from probe.tasks import SkewedLinear


def draw(task, numbers=range(8), context=3, **options):
    return task.draw(PromptSource(0, "fit", numbers), context, **options)


def spectrum(prompts):
    """The covariances' eigenvalues, largest first."""
    root = prompts.parameters["covariance_root"].double()
    return torch.linalg.eigvalsh(root @ root.mT).flip(-1)


def test_the_worked_example():
    """With dim 2 the eigenvalues of the covariance are 1.6 and 0.4."""
    expected = torch.tensor([1.6, 0.4], dtype=torch.float64).expand(8, 2)
    torch.testing.assert_close(spectrum(draw(SkewedLinear(2))), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("dim", [1, 5, 20])
@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_eigenvalues_fall_as_a_power_of_their_rank_and_sum_to_dim(dim, power):
    """B's are proportional to i^-power, the covariance's to its square; power 0 is `linear`."""
    found = spectrum(draw(SkewedLinear(dim, power=power)))
    expected = torch.arange(1, dim + 1, dtype=torch.float64) ** (-2 * power)
    expected *= dim / expected.sum()
    torch.testing.assert_close(found, expected.expand(8, dim), rtol=1e-4, atol=1e-5)


def test_x_has_the_covariance_that_was_drawn():
    """Over 20,000 points of one prompt, each entry within five standard errors of at most 2 Sigma_max / sqrt(n)."""
    prompts = draw(SkewedLinear(4, x_scale=2.0), [3], 19_999)
    x, root = prompts.x[0].double(), prompts.parameters["covariance_root"][0].double()
    covariance = root @ root.mT
    assert (x.mT @ x / len(x) - covariance).abs().max() < 5 * 2**0.5 * covariance.diagonal().max() / len(x) ** 0.5
    assert x.mean(0).abs().max() < 5 * (covariance.diagonal().max() / len(x)) ** 0.5


def test_bases_are_spread_evenly_over_directions():
    """The mean covariance over 4,000 prompts is the identity, within five standard errors."""
    root = draw(SkewedLinear(3), range(4000), 0).parameters["covariance_root"].double()
    covariances = root @ root.mT
    error = covariances.std(0) / 4000**0.5
    assert ((covariances.mean(0) - torch.eye(3)).abs() < 5 * error).all()


@pytest.mark.parametrize(("size", "distinct"), [(1, 130), (64, 3)])
def test_one_covariance_a_prompt_or_one_a_group(size, distinct):
    """130 prompts are three groups of 64; w and x stay the prompt's own."""
    prompts = draw(SkewedLinear(3, group_size=size), range(130))
    roots = prompts.parameters["covariance_root"]
    groups = [torch.unique(group.flatten(1), dim=0) for group in roots.split(size)]
    assert [len(group) for group in groups] == [1] * distinct
    assert len(torch.unique(torch.cat(groups), dim=0)) == distinct
    assert len(torch.unique(prompts.parameters["w"], dim=0)) == 130
    assert len(torch.unique(prompts.x[:, 0], dim=0)) == 130


def test_a_training_batch_shares_covariances_by_group_too():
    prompts = SkewedLinear(3, group_size=64).draw(BatchSource(0, 0, 128), 2)
    assert len(torch.unique(prompts.parameters["covariance_root"].flatten(1), dim=0)) == 2


@pytest.mark.parametrize("size", [1, 64])
def test_prompt_n_is_the_same_whatever_the_batch(size):
    """But for the rounding of matrix products, which may group their sums by batch size."""
    task = SkewedLinear(5, group_size=size)
    together = draw(task, range(100))
    apart = draw(task, [70, 3])
    torch.testing.assert_close(apart.inputs, together.inputs[[70, 3]], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("x_scale", "y_scale"), [(1.0, 1.0), (3.0, 1.0), (1.0, 0.5)])
def test_the_targets_variance_is_that_of_linear(x_scale, y_scale):
    """Within five standard errors over 4,000 prompts, each with its own covariance."""
    task = SkewedLinear(5, x_scale=x_scale, y_scale=y_scale)
    assert task.variance == 5 * x_scale**2 * y_scale**2
    squares = task.draw(BatchSource(2, 0, 4000), 9).targets[..., 0].double().square().mean(1)
    assert abs(squares.mean() - task.variance) < 5 * squares.std() / 4000**0.5


def test_truncation_comes_after_the_rotation():
    """What is kept of x is what the whole draw has there, and y is made from it."""
    task = SkewedLinear(5, y_scale=2.0)
    whole, kept = draw(task), draw(task, active=2)
    assert torch.equal(kept.x[..., :2], whole.x[..., :2])
    assert not kept.x[..., 2:].any()
    expected = torch.einsum("bcd,bd->bc", kept.x.double(), kept.parameters["w"].double())
    torch.testing.assert_close(kept.y.double(), expected, rtol=1e-5, atol=1e-5)


def test_noise_is_added_to_what_is_drawn_without_it():
    """x, w and the clean target are those of the same prompts without noise, and y differs by its deviation."""
    plain, noisy = draw(SkewedLinear(4), range(64), 199), draw(SkewedLinear(4, noise=0.5), range(64), 199)
    assert torch.equal(noisy.x, plain.x)
    assert torch.equal(noisy.parameters["w"], plain.parameters["w"])
    assert (noisy.parameters["noise"] == 0.5).all() and "noise" not in plain.parameters
    added = (noisy.y - plain.y).double()
    assert added.square().mean().sqrt() == pytest.approx(0.5, abs=5 * 0.5 / (2 * added.numel()) ** 0.5)
    assert torch.equal(noisy.targets[..., 0], noisy.y)
    clean = draw(SkewedLinear(4, noise=0.5, target="clean"), range(64), 199)
    assert torch.equal(clean.y, noisy.y) and torch.equal(clean.targets, plain.targets)


@pytest.mark.parametrize(("target", "variance"), [("noisy", 4.25), ("clean", 4.0)])
def test_predicting_zero_costs_what_the_task_says(target, variance):
    """Over 40,000 targets, within five standard errors of the mean of a square of a variable with heavy tails."""
    task = SkewedLinear(4, noise=0.5, target=target)
    squares = draw(task, range(40_000), 0).targets.double().square()
    assert task.variance == variance
    assert squares.mean() == pytest.approx(variance, abs=5 * squares.std().item() / len(squares) ** 0.5)
