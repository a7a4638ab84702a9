"""Claims: y is what a drawn network of one hidden layer says, of variance dim whatever its width."""

import pytest
import torch

from probe.randomness import BatchSource, PromptSource
from probe.tasks import ReluNetwork


def test_the_worked_example(planted):
    """With W = ((1, 0), (0, 1)), v = (3, 5) and x = (2, -1), y = 6."""
    prompts = ReluNetwork(2, hidden=2).draw(planted([[[1, 0], [0, 1]]], [[3, 5]], [[[2, -1], [-1, 2]]]), 1)
    assert prompts.y.tolist() == [[6, 10]]


def test_the_drawn_weights_explain_every_target():
    prompts = ReluNetwork(5).draw(PromptSource(0, "fit", range(8)), 7)
    inner, outer = prompts.parameters["inner"].double(), prompts.parameters["outer"].double()
    units = (prompts.x.double() @ inner.mT).clamp(min=0)
    expected = (units @ outer[..., None])[..., 0] * (2 / 100) ** 0.5
    torch.testing.assert_close(prompts.y.double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("hidden", [1, 16])
@pytest.mark.parametrize("active", [2, 4])
def test_the_variance_is_the_number_of_active_dimensions_whatever_the_width(hidden, active):
    """Within five standard errors over 4,000 prompts."""
    squares = ReluNetwork(4, hidden).draw(BatchSource(0, 0, 4000), 4, active).y.double().square().mean(1)
    assert abs(squares.mean() - active) < 5 * squares.std() / 4000**0.5
