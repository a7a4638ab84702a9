"""Claims: it is least squares on the power, exact on the tasks of that power from dim examples on."""

import pytest
import torch

from probe import tasks
from probe.errors import ProbeError
from probe.learners import Examples, LeastSquares, PowerLeastSquares
from probe.randomness import PromptSource


@pytest.mark.parametrize("power", [1, 2, 3])
def test_it_is_least_squares_on_the_power(draw, power):
    examples, query = draw(9)
    expected = LeastSquares().predict(Examples(examples.x**power, examples.y), query**power)
    torch.testing.assert_close(PowerLeastSquares(power).predict(examples, query), expected)


@pytest.mark.parametrize(("task", "power"), [("quadratic", 2), ("cubic", 3)])
def test_it_learns_polynomials_without_error_from_as_many_examples_as_dimensions(task, power):
    prompts = tasks.make(task, 3).draw(PromptSource(0, "score", range(32)), 8)
    learner = PowerLeastSquares(power)

    def error(count):
        predicted = learner.predict(Examples(prompts.x[:, :count], prompts.y[:, :count]), prompts.x[:, -1])
        return ((predicted - prompts.y[:, -1]).square().sum() / prompts.y[:, -1].square().sum()).item()

    assert error(2) > 0.01
    assert error(8) < 1e-8


def test_a_power_of_nothing_is_refused():
    with pytest.raises(ProbeError, match="power of PowerLeastSquares was given 0"):
        PowerLeastSquares(0)
