"""Claims: y is the sign of w.x, -1 where that is 0, and both signs are equally likely."""

import torch

from probe.randomness import BatchSource
from probe.tasks import LinearClassification


def test_the_worked_example(planted):
    """With w = (1, -2) and x = (3, 1), y = 1; where w.x is 0, y = -1."""
    prompts = LinearClassification(2).draw(planted([[1, -2]], [[[3, 1], [1, 3], [2, 1]]]), 2)
    assert prompts.y.tolist() == [[1, -1, -1]]


def test_the_drawn_w_answers_without_an_error_and_its_opposite_always_wrong():
    task = LinearClassification(5)
    prompts = task.draw(BatchSource(0, 0, 200), 9)
    score = torch.einsum("bcd,bd->bc", prompts.x, prompts.parameters["w"])[..., None]
    assert task.cost(score, prompts).sum() == 0
    assert task.cost(-score, prompts).mean() == 1
    assert abs(prompts.y.mean(1).double().mean()) < 5 / 200**0.5
