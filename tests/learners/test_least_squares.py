"""Claims: the least-norm least-squares prediction, with the error that theory gives on linear functions."""

import numpy as np
import pytest
import torch

from probe.learners import Examples, LeastSquares, run
from probe.randomness import PromptSource
from probe.statistics import MeanBootstrap
from probe.tasks import Linear


def test_its_error_on_linear_is_one_minus_examples_over_dim():
    """At all contexts below the dimension at once, within the simultaneous 99 % band; exact from there on."""
    dim, numbers = 8, range(2048)
    prompts = Linear(dim).draw(PromptSource(0, "score", numbers), dim + 2)
    x, w = prompts.x.double(), prompts.parameters["w"].double()
    y = (x * w[:, None]).sum(-1)
    squared = (run(LeastSquares(), x, y, range(dim + 3)) - y).square() / dim
    band = MeanBootstrap([dim])
    band.update(numbers, squared[:, :dim])
    low, high = band.simultaneous(0.99)
    expected = 1 - torch.arange(dim).double() / dim
    assert (low <= expected).all() and (expected <= high).all()
    assert (high - low).max() < 0.25  # narrow enough to tell
    assert squared[:, dim:].max() < 1e-15


@pytest.mark.parametrize("count", [1, 3, 4, 9])
def test_it_agrees_with_numpy(draw, count):
    """Also on noisy examples, fewer of them than dimensions, and repeated ones."""
    examples, _ = draw(count)
    examples.x[0], examples.y[0] = examples.x[0, :1].clone(), examples.y[0, :1].clone()
    for prompt, weights in enumerate(LeastSquares().weights(examples)):
        solution = np.linalg.lstsq(examples.x[prompt].numpy(), examples.y[prompt].numpy(), rcond=None)[0]
        assert np.allclose(weights.numpy(), solution, rtol=1e-9, atol=1e-11)


def test_without_examples_it_predicts_zero():
    predicted = LeastSquares().predict(Examples(torch.ones(3, 0, 2), torch.ones(3, 0)), torch.ones(3, 2))
    assert predicted.tolist() == [0, 0, 0]
