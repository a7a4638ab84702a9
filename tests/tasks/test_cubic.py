"""Claims: y = w.x³ / sqrt(15), of which the best linear function explains 3/5."""

import pytest
import torch

from probe.randomness import BatchSource
from probe.tasks import Cubic


def test_the_worked_example(planted):
    """With w = (1, -2) and x = (3, 1), y = 25 / sqrt(15)."""
    prompts = Cubic(2).draw(planted([[1, -2]], [[[3, 1]]]), 0)
    assert prompts.y.item() == pytest.approx(25 / 15**0.5)


def test_the_best_linear_function_explains_three_fifths():
    """3 w / sqrt(15) leaves 2/5 of the variance, within five standard errors over 4,000 prompts."""
    prompts = Cubic(3).draw(BatchSource(0, 0, 4000), 9)
    x, w, y = prompts.x.double(), prompts.parameters["w"].double(), prompts.y.double()
    left = (y - torch.einsum("bcd,bd->bc", x, w) * 3 / 15**0.5).square().mean(1)
    assert abs(left.mean() - 3 * 0.4) < 5 * left.std() / 4000**0.5
