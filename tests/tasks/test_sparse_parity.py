"""Claims: y is the product over a subset, one a prompt or one a group, that the examples identify."""

from itertools import combinations

import pytest
import torch

from probe.errors import ProbeError
from probe.randomness import BatchSource, PromptSource
from probe.tasks import SparseParity


def draw(task, numbers=range(8), context=20, **options):
    return task.draw(PromptSource(0, "fit", numbers), context, **options)


def test_the_worked_example(planted):
    """With the subset {1, 3} and x = (1, -1, -1), y = -1."""
    prompts = SparseParity(3).draw(planted([[0.9, 0.1, 0.8]], [[[0.7, 0.2, 0.3], [0.1, 0.6, 0.4]]]), 1)
    assert prompts.parameters["subset"].tolist() == [[1, 0, 1]]
    assert prompts.x.tolist() == [[[1, -1, -1], [-1, 1, -1]]]
    assert prompts.y.tolist() == [[-1, 1]]
    assert prompts.inputs.tolist() == [[[1, -1, -1], [-1, 0, 0], [-1, 1, -1]]]


def test_x_is_uniform_on_the_cube_and_subsets_are_uniform():
    """Each of the 45 subsets of 2 among 10 within five standard errors of 4,500 draws, as are means of x."""
    prompts = draw(SparseParity(10), range(4500), 2)
    assert set(prompts.x.unique().tolist()) == {-1, 1}
    assert prompts.x.double().mean((0, 1)).abs().max() < 5 / (3 * 4500) ** 0.5
    subsets = prompts.parameters["subset"]
    assert set(subsets.sum(1).tolist()) == {2}
    kinds, counts = torch.unique(subsets, dim=0, return_counts=True)
    assert len(kinds) == 45
    assert (counts - 100).abs().max() < 5 * 10


def test_twenty_examples_identify_the_subset():
    """Of the 45 subsets only the drawn one explains all of 40 examples, and after 20 nearly always."""
    prompts = draw(SparseParity(10), range(200), 39)
    pairs = torch.tensor(list(combinations(range(10), 2)))
    right = prompts.x[..., pairs].prod(-1) == prompts.y[..., None]
    drawn = (prompts.parameters["subset"][:, None, pairs].sum(-1) == 2)[:, 0]
    assert torch.equal(right.all(1), drawn)
    assert (right[:, :20].all(1).sum(1) == 1).double().mean() > 0.99


@pytest.mark.parametrize(("size", "distinct"), [(1, 130), (64, 3)])
def test_one_subset_a_prompt_or_one_a_group(size, distinct):
    """As released, 64 prompts share one; x stays the prompt's own."""
    for source in (PromptSource(0, "fit", range(130)), BatchSource(0, 0, 130)):
        prompts = SparseParity(40, size=20, group_size=size).draw(source, 30)
        assert len(torch.unique(prompts.parameters["subset"], dim=0)) == distinct
        assert len(torch.unique(prompts.x.flatten(1), dim=0)) == 130


def test_only_active_coordinates_are_chosen():
    prompts = draw(SparseParity(10, size=3), active=4)
    assert not prompts.parameters["subset"][:, 4:].any()
    assert set(prompts.parameters["subset"].sum(1).tolist()) == {3}
    assert set(prompts.y.unique().tolist()) == {-1, 1}


def test_a_subset_larger_than_x_is_refused():
    with pytest.raises(ProbeError, match=r"A parity of 4 coordinates was asked for, but x has 3\. Give a smaller size"):
        SparseParity(3, size=4)
