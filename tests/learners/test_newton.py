"""Claims: the iterates of the matrix iteration, an error squared at every step, and least squares in the end."""

import pytest
import torch

from probe.learners import LeastSquares, Newton


@pytest.mark.parametrize("count", [2, 9])
def test_its_weights_are_those_of_the_matrix_iteration(draw, count):
    examples, _ = draw(count)
    iterates = Newton(4).iterates(examples)
    for prompt in range(6):
        x, y = examples.x[prompt], examples.y[prompt]
        s = x.T @ x
        m = s / torch.linalg.eigvalsh(s)[-1] ** 2
        for step in range(1, 5):
            assert torch.allclose(iterates[step, prompt], m @ x.T @ y)
            m = 2 * m - m @ s @ m


def test_every_component_of_the_error_is_squared_at_every_step(draw):
    examples, _ = draw(9)
    basis = torch.linalg.eigh(examples.second_moments()[0]).eigenvectors
    exact = torch.einsum("bd,bde->be", LeastSquares().weights(examples), basis)
    reached = torch.einsum("sbd,bde->sbe", Newton(6).iterates(examples), basis)
    error = 1 - reached / exact
    assert torch.allclose(error[2:], error[1:-1].square(), rtol=1e-6, atol=1e-9)
    assert (error[1:].amin((1, 2)) > -1e-9).all() and error[1].max() > 0.9 > error[-1].min()


@pytest.mark.parametrize("count", [1, 2, 4, 9])
def test_it_ends_at_least_squares_of_least_norm(draw, count):
    examples, _ = draw(count)
    for steps in (60, 2000):
        assert torch.allclose(Newton(steps).weights(examples), LeastSquares().weights(examples), rtol=1e-9, atol=1e-11)


def test_a_higher_order_is_the_matrix_iteration_that_cubes_the_error(draw):
    examples, _ = draw(9)
    iterates = Newton(4, order=3).iterates(examples)
    for prompt in range(6):
        x, y = examples.x[prompt], examples.y[prompt]
        s = x.T @ x
        m, eye = s / torch.linalg.eigvalsh(s)[-1] ** 2, torch.eye(s.shape[0], dtype=s.dtype)
        for step in range(1, 5):
            assert torch.allclose(iterates[step, prompt], m @ x.T @ y)
            m = m @ (3 * eye - s @ m @ (3 * eye - s @ m))
