"""Claims: a scale and a shift of a prompt's own are undone exactly, and ten fitted queries cost what theory says."""

import pytest
import torch

from probe.heads.calibrated import PROTOCOLS, Protocol, calibrate


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_protocols_have_the_numbers_of_the_paper_and_of_its_code():
    """Published: 128 tasks, 10 fitted, 40 tested, all appended. Released: 64, 10 inside the prompt, 30 appended."""
    assert list(PROTOCOLS) == ["published", "released"]
    assert PROTOCOLS["published"] == Protocol(prompts=128, fitted=10, tested=40, in_context=False)
    assert PROTOCOLS["released"] == Protocol(prompts=64, fitted=10, tested=30, in_context=True)
    assert PROTOCOLS["published"].appended == 50
    assert PROTOCOLS["released"].appended == 30


def test_a_planted_scale_and_shift_of_each_prompt_are_undone_exactly():
    """The prediction is scale * target + shift, different for every layer and prompt."""
    target, other = draw(6, 10), draw(6, 40, seed=1)
    scale, shift = draw(3, 6, seed=2).double() + 2, draw(3, 6, seed=3).double()
    planted = [(scale[..., None] * seen.double() + shift[..., None]) for seen in (target, other)]
    found = calibrate(planted[0], target, planted[1], other)
    torch.testing.assert_close(found.scale, 1 / scale)
    torch.testing.assert_close(found.shift, -shift / scale)
    assert found.squared.max() < 1e-20
    torch.testing.assert_close(found.zero, other.double().square().mean(1))


def test_scale_and_shift_come_from_the_fitted_queries_alone():
    """Other tested predictions and targets change the error, never the calibration."""
    fitted, target = draw(2, 4, 10), draw(4, 10, seed=1)
    first = calibrate(fitted, target, draw(2, 4, 40, seed=2), draw(4, 40, seed=3))
    second = calibrate(fitted, target, draw(2, 4, 40, seed=4), draw(4, 40, seed=5))
    assert torch.equal(first.scale, second.scale)
    assert torch.equal(first.shift, second.shift)
    assert not torch.equal(first.squared, second.squared)


def test_the_error_is_the_mean_over_the_tested_queries():
    found = calibrate(
        torch.tensor([[[0.0, 1.0]]]),
        torch.tensor([[1.0, 3.0]]),
        torch.tensor([[[2.0, 3.0]]]),
        torch.tensor([[5.0, 5.0]]),
    )
    assert (found.scale.item(), found.shift.item()) == (2, 1)
    assert found.squared.item() == pytest.approx(2)
    assert found.zero.item() == 25


def test_chance_costs_a_quarter_more_than_predicting_zero():
    """Independent Gaussian predictions, calibrated on m = 10 queries.

    The fitted mean costs a factor 1 + 1/m and the fitted slope 1 + 1 / (m - 3): of the targets' own spread the
    expected error is 1.257. Within five standard errors over 4,000 prompts.
    """
    m, count = PROTOCOLS["published"].fitted, 4000
    found = calibrate(draw(1, count, m), draw(count, m, seed=1), draw(1, count, 40, seed=2), draw(count, 40, seed=3))
    expected = (1 + 1 / m) * (1 + 1 / (m - 3))
    assert 1.2 < expected < 1.3
    assert abs(found.squared.mean().item() - expected) < 5 * found.squared.std().item() / count**0.5
    assert abs(found.zero.mean().item() - 1) < 5 * found.zero.std().item() / count**0.5
