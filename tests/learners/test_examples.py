"""Claims: the first examples keep what is told of them; the moments are means over the examples."""

import torch

from probe.learners import Examples


def test_the_first_examples_keep_their_noise_and_marks():
    x, y, clean = torch.randn(2, 3, 4), torch.randn(2, 3), torch.tensor([[True, False, True]] * 2)
    first = Examples(x, y, torch.tensor([0.1, 0.2]), clean).first(2)
    assert first.count == 2
    assert torch.equal(first.x, x[:, :2]) and torch.equal(first.y, y[:, :2])
    assert torch.equal(first.noise, torch.tensor([0.1, 0.2])) and torch.equal(first.clean, clean[:, :2])


def test_the_moments_are_means():
    x, y = torch.tensor([[[1.0, 2.0], [3.0, 0.0]]]), torch.tensor([[1.0, -1.0]])
    gram, correlation = Examples(x, y).second_moments()
    assert gram.tolist() == [[[5.0, 1.0], [1.0, 2.0]]]
    assert correlation.tolist() == [[-1.0, 1.0]]
