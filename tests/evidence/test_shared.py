"""Claims: a layer is a step and a share of the model's own error, by least squares; rounding has no share."""

import pytest
import torch

from probe.evidence.shared import SLIGHT, shared_error

LAYERS, PROMPTS, QUERIES = 3, 40, 6


@pytest.fixture
def drawn():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(PROMPTS, QUERIES, generator=generator, dtype=torch.float64) for _ in range(3)]


def test_a_scaled_step_and_a_share_of_the_error_are_found(drawn):
    step, other, error = drawn
    last = step + 0.5 * error
    answers = torch.stack([0.3 * step + 0.1 * error, 0.8 * step + 0.4 * error, last])
    found = shared_error(answers, torch.stack([step, other]), 0.5 * error)
    torch.testing.assert_close(found.scales[:, 0], torch.tensor([0.3, 0.8, 1.0]).double(), rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(found.shares[:, 0], torch.tensor([0.2, 0.8, 1.0]).double(), rtol=1e-2, atol=1e-2)
    assert found.distances[:, 0].max() < 1e-3 * answers.square().sum()
    assert (found.distances[:, 1] > 0.05 * answers.square().sum((1, 2))).all()


def test_the_distance_is_what_the_factors_leave(drawn):
    step, other, error = drawn
    answers, predicted = torch.stack([step + other, other, step]), torch.stack([step, error])
    found = shared_error(answers, predicted, 0.2 * error)
    for layer in range(LAYERS):
        left = answers[layer] - found.scales[layer, 0] * step - found.shares[layer, 0] * 0.2 * error
        torch.testing.assert_close(found.distances[layer, 0], left.square().sum())


def test_an_error_of_rounding_has_no_share(drawn):
    """By least squares alone it would have one of a thousand, which on other prompts is all there is."""
    step, _, error = drawn
    answers = torch.stack([step + 1e-3 * error, step, step + 1e-6 * error])
    found = shared_error(answers, step[None], 1e-6 * error)
    assert found.shares.abs().max() < 1e-3
    assert SLIGHT < 1e-3
