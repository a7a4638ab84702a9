"""Claims: w is the mean of x y, with the error that theory gives."""

import torch

from probe.learners import Averaging, Examples
from probe.randomness import PromptSource
from probe.tasks import Linear


def test_its_weights_are_the_mean_of_x_y():
    examples = Examples(torch.tensor([[[1.0, 0.0], [2.0, 4.0]]]), torch.tensor([[3.0, -1.0]]))
    assert Averaging().weights(examples).tolist() == [[0.5, -2.0]]


def test_its_error_on_linear_is_dim_plus_one_over_examples():
    prompts = Linear(5).draw(PromptSource(0, "score", range(4000)), 12)
    w = prompts.parameters["w"]
    error = (Averaging().weights(Examples(prompts.x, prompts.y)) - w).square().sum(-1) / 5
    deviation = error.std() / len(error) ** 0.5
    assert abs(error.mean() - 6 / 13) < 4 * deviation < 0.05
