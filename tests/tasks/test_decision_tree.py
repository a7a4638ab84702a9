"""Claims: y is the leaf at which x ends, going right where a node's coordinate is positive."""

import torch

from probe.randomness import PromptSource
from probe.tasks import DecisionTree


def test_the_worked_example(planted):
    """With depth 2, the coordinates (1; 2, 1), the leaves (5, 6, 7, 8) and x = (-3, 4), y = 6."""
    splits, leaves = [[0.1, 0.9, 0.4]], [[5, 6, 7, 8]]
    prompts = DecisionTree(2, depth=2).draw(planted(splits, leaves, [[[-3, 4], [-3, -4], [0, 4], [1, -1]]]), 3)
    assert prompts.parameters["splits"].tolist() == [[0, 1, 0]]
    assert prompts.y.tolist() == [[6, 5, 6, 8]]


def test_a_walk_node_by_node_ends_at_the_same_leaf():
    prompts = DecisionTree(5).draw(PromptSource(0, "fit", range(10)), 20)
    for x, y, splits, leaves in zip(
        prompts.x, prompts.y, prompts.parameters["splits"], prompts.parameters["leaves"], strict=True
    ):
        assert len(splits) == 15
        assert len(leaves) == 16
        for point, value in zip(x, y, strict=True):
            first, size = 0, 16
            node = 0
            while size > 1:
                size //= 2
                right = bool(point[splits[node]] > 0)
                first += size * right
                node = 2 * node + (2 if right else 1)
            assert value == leaves[first]


def test_every_coordinate_is_drawn_alike_and_may_come_again():
    splits = DecisionTree(4).draw(PromptSource(0, "fit", range(400)), 0).parameters["splits"]
    counts = torch.bincount(splits.flatten(), minlength=4)
    assert (counts - 1500).abs().max() < 5 * (6000 * 3 / 16) ** 0.5
    assert (splits[:, 0] == splits[:, 1]).any()


def test_a_node_on_an_inactive_coordinate_goes_left():
    """With nothing active but the first coordinate, at most one decision is x's."""
    prompts = DecisionTree(6, depth=1).draw(PromptSource(0, "fit", range(100)), 20, 1)
    elsewhere = prompts.parameters["splits"][:, 0] != 0
    assert elsewhere.any()
    assert torch.equal(prompts.y[elsewhere], prompts.parameters["leaves"][elsewhere, :1].expand(-1, 21))
