"""Claims: y = w.x² / sqrt(3), which no linear function of x explains."""

import pytest
import torch

from probe.randomness import BatchSource
from probe.tasks import Quadratic


def test_the_worked_example(planted):
    """With w = (1, -2) and x = (3, 1), y = 7 / sqrt(3)."""
    prompts = Quadratic(2).draw(planted([[1, -2]], [[[3, 1]]]), 0)
    assert prompts.y.item() == pytest.approx(7 / 3**0.5)
    assert prompts.parameters["w"].tolist() == [[1, -2]]


def test_the_drawn_w_explains_every_target_and_x_none():
    prompts = Quadratic(3).draw(BatchSource(0, 0, 100), 50)
    expected = (prompts.x.double() ** 2 @ prompts.parameters["w"].double()[..., None])[..., 0] / 3**0.5
    torch.testing.assert_close(prompts.y.double(), expected, rtol=1e-4, atol=1e-4)
    correlation = (prompts.x * prompts.y[..., None]).double().mean(1)
    assert abs(correlation.mean()) < 5 * correlation.std() / 300**0.5
