"""Claims: the least-norm least-squares prediction, with the error that theory gives on linear functions."""

import numpy as np
import pytest
import torch

from probe.learners import LEARNERS, least_squares
from probe.randomness import BatchSource
from probe.tasks import Linear, NoisyLinear


def test_it_is_a_learner_by_name():
    assert LEARNERS["least_squares"] is least_squares


def test_its_error_on_linear_is_one_minus_examples_over_dim():
    """At all contexts at once: a 99.9 % band by Bonferroni over the contexts below the dimension (z = 3.9)."""
    dim, count = 5, 4000
    prompts = Linear(dim).draw(BatchSource(0, 0, count), dim - 1)
    x, y = prompts.x, prompts.y
    for examples in range(dim):
        predicted = least_squares(x[:, :examples], y[:, :examples], x[:, examples])
        squared, zero = ((predicted - y[:, examples]) ** 2).double(), (y[:, examples] ** 2).double()
        error = squared.sum() / zero.sum()
        deviation = ((squared - error * zero).std() / zero.mean() / count**0.5).item()
        assert abs(error.item() - (1 - examples / dim)) <= 3.9 * deviation


@pytest.mark.parametrize("examples", [5, 6, 20])
def test_it_is_exact_from_dim_examples_on(examples):
    """On targets without rounding its error is rounding's, whatever the prompt's condition."""
    generator = torch.Generator().manual_seed(1)
    x, w = (torch.randn(500, rows, 5, generator=generator).double() for rows in (examples + 1, 1))
    y = (x * w).sum(-1)
    predicted = least_squares(x[:, :-1], y[:, :-1], x[:, -1])
    assert (predicted - y[:, -1]).abs().max() < 1e-9


@pytest.mark.parametrize("examples", [1, 3, 4, 9])
def test_it_agrees_with_numpy(examples):
    """Also on noisy examples, fewer of them than dimensions, and repeated ones."""
    prompts = NoisyLinear(4).draw(BatchSource(0, 1, 6), examples)
    x, y, query = prompts.x[:, :-1].clone(), prompts.y[:, :-1].clone(), prompts.x[:, -1]
    x[0], y[0] = prompts.x[0, :1], prompts.y[0, :1]
    for prompt, predicted in enumerate(least_squares(x, y, query)):
        solution = np.linalg.lstsq(x[prompt].double().numpy(), y[prompt].double().numpy(), rcond=None)[0]
        assert predicted.item() == pytest.approx(query[prompt].double().numpy() @ solution, rel=1e-5, abs=1e-6)


def test_without_examples_it_predicts_zero():
    predicted = least_squares(torch.ones(3, 0, 2), torch.ones(3, 0), torch.ones(3, 2))
    assert predicted.tolist() == [0, 0, 0]
    assert predicted.dtype == torch.float32


def test_its_prediction_has_the_dtype_of_y():
    assert least_squares(torch.ones(1, 1, 2), torch.ones(1, 1), torch.ones(1, 2)).dtype == torch.float32
