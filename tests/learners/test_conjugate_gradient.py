"""Claims: least squares in as many steps as dimensions, for good, and on the way the least that gradients can do."""

import pytest
import torch

from probe.learners import ConjugateGradient, Examples, LeastSquares


@pytest.mark.parametrize("count", [1, 3, 5, 12])
def test_it_is_at_least_squares_after_dim_steps_and_stays(draw, count):
    examples, _ = draw(count, dim=5)
    iterates, least = ConjugateGradient(300).iterates(examples), LeastSquares().weights(examples)
    for step in (min(count, 5), 5, 300):
        assert torch.allclose(iterates[step], least, rtol=1e-7, atol=1e-9)


def test_its_squares_are_least_over_the_krylov_space(draw):
    """The span of X'y, (X'X) X'y, ...: what as many gradients can be combined to."""
    examples, _ = draw(9)
    iterates = ConjugateGradient(3).iterates(examples)
    for prompt in range(6):
        x, y = examples.x[prompt], examples.y[prompt]
        power = [x.T @ y]
        for step in range(1, 4):
            space = torch.stack(power, 1)
            best = space @ torch.linalg.lstsq(x @ space, y[:, None]).solution[:, 0]
            assert torch.allclose(iterates[step, prompt], best, rtol=1e-6, atol=1e-8)
            power.append(x.T @ (x @ power[-1]))


def test_an_exact_fit_is_left_alone():
    """Also when every direction is used up at once."""
    x = torch.eye(3).expand(2, 3, 3)
    iterates = ConjugateGradient(4).iterates(Examples(x, torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])))
    assert iterates[1:, 0].tolist() == [[1, 2, 3]] * 4
    assert not iterates[:, 1].any()
