"""Claims: y = w.x, of the variance that the task states, and a curriculum that hides coordinates."""

import pytest
import torch

from probe.errors import ProbeError
from probe.randomness import BatchSource, PromptSource
from probe.tasks import Linear, NoisyLinear, SkewedLinear


def test_the_worked_example(planted):
    """With w = (1, -2) and x = (3, 1), y = 1; the scales multiply x and y."""
    prompts = Linear(2).draw(planted([[1, -2]], [[[3, 1], [0, 1]]]), 1)
    assert prompts.y.tolist() == [[1, -2]]
    assert prompts.inputs.tolist() == [[[3, 1], [1, 0], [0, 1]]]
    scaled = Linear(2, x_scale=2.0, y_scale=10.0).draw(planted([[1, -2]], [[[3, 1]]]), 0)
    assert scaled.x.tolist() == [[[6, 2]]]
    assert scaled.y.tolist() == [[20]]
    assert scaled.parameters["w"].tolist() == [[10, -20]]


def test_the_drawn_w_explains_every_target():
    prompts = Linear(5, x_scale=3.0, y_scale=0.5).draw(PromptSource(0, "fit", range(20)), 7)
    expected = torch.einsum("bcd,bd->bc", prompts.x.double(), prompts.parameters["w"].double())
    torch.testing.assert_close(prompts.y.double(), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(prompts.targets[..., 0], prompts.y)


@pytest.mark.parametrize(("dim", "x_scale", "y_scale"), [(1, 1.0, 1.0), (5, 3.0, 1.0), (5, 1.0, 0.5), (20, 0.5, 2.0)])
def test_the_targets_variance_is_the_stated_one(dim, x_scale, y_scale):
    """Within five standard errors over 4,000 prompts, the prompt being the unit."""
    task = Linear(dim, x_scale, y_scale)
    assert task.variance == dim * x_scale**2 * y_scale**2
    squares = task.draw(BatchSource(1, 0, 4000), 9).targets[..., 0].double().square().mean(1)
    assert abs(squares.mean() - task.variance) < 5 * squares.std() / 4000**0.5


def test_prompt_n_is_the_same_whatever_the_batch():
    """The draws bit for bit; matrix products may group their sums by batch size."""
    together = Linear(20).draw(PromptSource(0, "fit", range(70)), 40)
    alone = Linear(20).draw(PromptSource(0, "fit", [66]), 40)
    assert torch.equal(alone.x[0], together.x[66])
    assert torch.equal(alone.parameters["w"][0], together.parameters["w"][66])
    torch.testing.assert_close(alone.inputs[0], together.inputs[66], rtol=1e-5, atol=1e-5)


def test_a_longer_context_begins_with_the_shorter_one():
    short = Linear(3).draw(PromptSource(0, "fit", range(4)), 2)
    long = Linear(3).draw(PromptSource(0, "fit", range(4)), 6)
    torch.testing.assert_close(long.inputs[:, :5], short.inputs)


def test_inactive_coordinates_are_zero_and_do_not_count():
    """The variance is then that of `active` dimensions."""
    prompts = Linear(5).draw(BatchSource(0, 0, 4000), 9, active=2)
    assert not prompts.x[..., 2:].any()
    assert not prompts.inputs[..., 2:].any()
    squares = prompts.y.double().square().mean(1)
    assert abs(squares.mean() - 2) < 5 * squares.std() / 4000**0.5


@pytest.mark.parametrize("task", [Linear(3, functions=2), SkewedLinear(3, functions=2), NoisyLinear(3, functions=2)])
def test_a_pool_of_functions_is_the_same_for_every_seed_and_purpose(task):
    """Each prompt has one of the pool's, all of them occur, and the inputs stay fresh."""
    sources = [PromptSource(0, "fit", range(40)), PromptSource(7, "score", range(40)), BatchSource(3, 5, 40)]
    drawn = [task.draw(source, 4) for source in sources]
    pools = [{tuple(w) for w in prompts.parameters["w"].tolist()} for prompts in drawn]
    assert pools[0] == pools[1] == pools[2]
    assert len(pools[0]) == 2
    assert not torch.equal(drawn[0].x, drawn[1].x)


def test_without_a_pool_every_prompt_has_its_own_function():
    prompts = Linear(3).draw(PromptSource(0, "fit", range(40)), 4)
    assert len({tuple(w) for w in prompts.parameters["w"].tolist()}) == 40


def test_a_negative_number_of_functions_is_refused():
    with pytest.raises(ProbeError, match="functions of Linear was given -1"):
        Linear(3, functions=-1)
