"""Claims: steady falls, single steps and rises are told apart, beyond the noise of the prompts and not within it."""

import torch

from probe.statistics import RatioBootstrap
from probe.statistics.trend import trend


def bootstrapped(curve, noise=0.3, prompts=2000):
    """Returns errors and resamples of squared errors of random size around a curve."""
    generator = torch.Generator().manual_seed(2)
    ratio = RatioBootstrap((len(curve),))
    scale = 1 + noise * torch.randn(prompts, len(curve), generator=generator, dtype=torch.float64)
    ratio.update(range(prompts), torch.tensor(curve, dtype=torch.float64) * scale.square(), torch.ones(prompts, 1))
    return ratio.estimate(), ratio.replicates()


def test_a_steady_fall_is_a_line_that_every_block_improves():
    found = trend(*bootstrapped([2.0**-layer for layer in range(8)]))
    assert (found.improving, found.worsening) == (1.0, 0.0)
    assert found.slope.low < -torch.log(torch.tensor(2.0)) < found.slope.high
    assert found.largest.high < 0.2
    assert found.favours_line.low > 0


def test_a_single_step_is_no_line():
    """The blocks before and after it do not improve beyond noise."""
    found = trend(*bootstrapped([1.0] * 4 + [0.01] * 4))
    assert found.improving == 1 / 7
    assert found.largest.low > 0.9
    assert found.favours_line.high < 0


def test_a_rise_is_found_and_noise_is_not():
    assert trend(*bootstrapped([1, 0.5, 0.25, 0.5, 0.1])).worsening == 1 / 4
    flat = trend(*bootstrapped([1.0] * 6))
    assert (flat.improving, flat.worsening) == (0.0, 0.0)
    assert flat.slope.low < 0 < flat.slope.high


def test_a_curve_that_never_falls_has_its_whole_fall_nowhere():
    errors = torch.tensor([0.1, 0.2, 0.4], dtype=torch.float64)
    assert trend(errors, errors.repeat(10, 1)).largest.value == 1.0


def test_the_residuals_are_those_of_the_best_line_and_the_best_step():
    generator = torch.Generator().manual_seed(1)
    errors = torch.rand(7, generator=generator, dtype=torch.float64) + 0.1
    found = trend(errors, errors.repeat(3, 1))
    logs, place = errors.log(), torch.arange(7, dtype=torch.float64)
    design = torch.stack([torch.ones_like(place), place], dim=1)
    solution = torch.linalg.lstsq(design, logs[:, None])
    torch.testing.assert_close(found.slope.value, solution.solution[1, 0])
    torch.testing.assert_close(found.line.value, (design @ solution.solution - logs[:, None]).square().sum())
    steps = [
        (logs[:c] - logs[:c].mean()).square().sum() + (logs[c:] - logs[c:].mean()).square().sum() for c in range(1, 7)
    ]
    torch.testing.assert_close(found.jump.value, min(steps))


def test_a_rise_is_no_part_of_the_fall():
    """Falls of 1 and 2 beside a rise of 2: the largest is two thirds of all falls."""
    errors = torch.tensor([0.0, -1.0, 1.0, -1.0], dtype=torch.float64).exp()
    found = trend(errors, errors.repeat(10, 1))
    torch.testing.assert_close(found.largest.value.item(), 2 / 3)


def test_steps_have_bands_for_all_blocks_at_once():
    """What is beyond noise at one block alone must be so beside the others: the bands are wider than pointwise."""
    errors, draws = bootstrapped([1.0] * 12)
    found = trend(errors, draws).steps
    logs = draws.log().diff(dim=1)
    pointwise = logs.quantile(0.975, dim=0) - logs.quantile(0.025, dim=0)
    assert ((found.high - found.low) > 1.2 * pointwise).all()


def test_blocks_that_improve_and_blocks_that_worsen_are_counted_apart():
    found = trend(*bootstrapped([1, 0.5, 0.25, 0.5, 0.1]))
    assert (found.improving, found.worsening) == (3 / 4, 1 / 4)


def test_the_line_is_favoured_by_the_difference_of_schwarzs_criteria():
    """n log(residual / n) + k log n, with two parameters of the line and three of the jump."""
    generator = torch.Generator().manual_seed(1)
    errors = torch.rand(7, generator=generator, dtype=torch.float64) + 0.1
    found = trend(errors, errors.repeat(3, 1))
    line, jump = (
        7 * torch.log(residual.value / 7) + parameters * torch.log(torch.tensor(7.0, dtype=torch.float64))
        for residual, parameters in ((found.line, 2), (found.jump, 3))
    )
    torch.testing.assert_close(found.favours_line.value, jump - line, rtol=1e-6, atol=1e-6)
