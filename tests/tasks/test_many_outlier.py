"""Claims: most pairs are (1, ..., 1), 1, they do not count, and least squares that knows them has its known error."""

import pytest
import torch

from probe.errors import ProbeError
from probe.randomness import PromptSource
from probe.tasks import ManyOutlier, OrthogonalOutlier


def least_squares_on_clean_pairs(prompts, dim):
    """The mean squared error over clean points, each predicted from the clean pairs before it."""
    clean = prompts.parameters["clean"]
    order = torch.argsort((~clean).long(), dim=1, stable=True)[:, : dim + 1]
    x = prompts.x.gather(1, order[..., None].expand(-1, -1, dim)).double()
    y, there = prompts.y.gather(1, order).double(), clean.gather(1, order)
    total = (y[:, 0].square() * there[:, 0]).sum()
    for known in range(1, dim + 1):
        # the solution of least norm; a truncated design stays full in rank
        inverse = torch.linalg.pinv(x[:, :known])
        w = torch.einsum("bdk,bk->bd", inverse, y[:, :known])
        error = (torch.einsum("bd,bd->b", w, x[:, known]) - y[:, known]).square()
        total += (error * there[:, known]).sum()
    return (total / clean.sum()).item()


def test_the_worked_example(planted):
    """With w = (1, -2), a clean x = (3, 1) and an outlier, the pairs are ((3, 1), 1) and ((1, 1), 1)."""
    source = planted([[1, -2]], [[0.95, 0.5, 0.2]], [[[3, 1], [5, 5], [5, 5]]])
    prompts = ManyOutlier(2).draw(source, 2)
    assert prompts.inputs.tolist() == [[[3, 1], [1, 0], [1, 1], [1, 0], [1, 1]]]
    assert prompts.y.tolist() == [[1, 1, 1]]
    assert prompts.counted.tolist() == prompts.parameters["clean"].tolist() == [[True, False, False]]


def test_outliers_are_independent_and_as_likely_as_asked():
    clean = ManyOutlier(2, probability=0.7).draw(PromptSource(0, "fit", range(2000)), 9).parameters["clean"].double()
    assert (clean.mean(0) - 0.3).abs().max() < 5 * (0.21 / 2000) ** 0.5
    assert abs(clean.sum(1).var() / (10 * 0.21) - 1) < 5 * (2 / 2000) ** 0.5


@pytest.mark.parametrize(
    ("task", "points", "expected"),
    [
        (ManyOutlier(20, 0.9), 512, 4.09),
        (OrthogonalOutlier(20, 0.5), 101, 4.16),
        (OrthogonalOutlier(20, 0.5, released=True), 101, 4.16),
    ],
)
def test_least_squares_that_knows_the_outliers_has_its_known_error(task, points, expected):
    """The sum of max(dim - i, 0) over the expected number of clean points, 210 / 51.2 and 210 / 50.5.

    It is a little less where a prompt has too few of them; predicting zero costs 20. Within 6 %, about three standard
    errors over 600 prompts.
    """
    prompts = task.draw(PromptSource(0, "score", range(600)), points - 1)
    assert least_squares_on_clean_pairs(prompts, 20) == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("task", [ManyOutlier, OrthogonalOutlier])
@pytest.mark.parametrize("probability", [-0.1, 1.0])
def test_what_is_no_probability_is_refused(task, probability):
    with pytest.raises(ProbeError, match=rf"robability of (\w+ was given )?{probability}"):
        task(3, probability)


@pytest.mark.parametrize("task", [ManyOutlier, OrthogonalOutlier])
def test_without_outliers_the_task_is_linear(task):
    prompts = task(3, 0.0).draw(PromptSource(0, "fit", range(4)), 5)
    assert prompts.counted.all()
    expected = torch.einsum("bcd,bd->bc", prompts.x, prompts.parameters["w"])
    torch.testing.assert_close(prompts.y, expected)
