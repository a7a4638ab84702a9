"""Claims: w has `sparsity` coordinates that are not 0, uniformly among the active ones, and zero costs `sparsity`."""

import pytest
import torch

from probe.errors import ProbeError
from probe.randomness import BatchSource, PromptSource
from probe.tasks import SparseLinear


def test_the_worked_example(planted):
    """With w = (1, -2, 4), of which the first two are kept, and x = (3, 1, 1), y = 1."""
    source = planted([[0.7, 0.9, 0.2]], [[1, -2, 4]], [[[3, 1, 1]]])
    prompts = SparseLinear(3, sparsity=2).draw(source, 0)
    assert prompts.parameters["w"].tolist() == [[1, -2, 0]]
    assert prompts.parameters["subset"].tolist() == [[1, 1, 0]]
    assert prompts.y.tolist() == [[1]]


def test_every_coordinate_is_chosen_alike():
    """Within five standard errors over 4,000 prompts; w is standard normal where it is not 0."""
    prompts = SparseLinear(10).draw(BatchSource(0, 0, 4000), 0)
    w, kept = prompts.parameters["w"], prompts.parameters["subset"]
    assert torch.equal(w != 0, kept > 0)
    assert set(kept.sum(1).tolist()) == {3}
    assert (kept.double().mean(0) - 0.3).abs().max() < 5 * (0.21 / 4000) ** 0.5
    assert abs(w[kept > 0].double().square().mean() - 1) < 5 * (2 / 12_000) ** 0.5


@pytest.mark.parametrize(("active", "chosen"), [(2, 2), (3, 3), (5, 3), (10, 3)])
def test_only_active_coordinates_are_chosen_and_the_variance_stays(active, chosen):
    """With fewer active than `sparsity`, all of them are."""
    prompts = SparseLinear(10).draw(BatchSource(0, 0, 4000), 0, active)
    assert not prompts.parameters["w"][:, active:].any()
    assert not prompts.x[..., active:].any()
    squares = prompts.y.double().square()
    assert abs(squares.mean() - chosen) < 5 * squares.std() / 4000**0.5


def test_the_drawn_w_explains_every_target():
    prompts = SparseLinear(5).draw(PromptSource(0, "fit", range(20)), 7)
    expected = torch.einsum("bcd,bd->bc", prompts.x, prompts.parameters["w"])
    torch.testing.assert_close(prompts.y, expected)


def test_a_sparsity_above_dim_is_refused():
    with pytest.raises(ProbeError, match="A sparsity of 3 was given, but w has 2 coordinates"):
        SparseLinear(2)
