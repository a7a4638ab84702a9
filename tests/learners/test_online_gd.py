"""Claims: one step an example in their order, exact fits by projection, and the error that theory gives."""

import torch

from probe.learners import Examples, OnlineGradientDescent, make
from probe.randomness import PromptSource
from probe.tasks import Linear


def test_a_step_follows_one_examples_gradient(draw):
    examples, _ = draw(5)
    iterates = make("online_gd:rate=0.1").iterates(examples)
    for step in range(5):
        w = iterates[step].clone().requires_grad_()
        loss = ((examples.x[:, step] * w).sum(-1) - examples.y[:, step]).square().sum() / 2
        (gradient,) = torch.autograd.grad(loss, w)
        assert torch.allclose(iterates[step + 1], iterates[step] - 0.1 * gradient)


def test_a_projection_fits_its_example_exactly(draw):
    examples, _ = draw(5)
    iterates = OnlineGradientDescent().iterates(examples)
    assert torch.allclose((iterates[1:].movedim(0, 1) * examples.x).sum(-1), examples.y)


def test_its_error_on_linear_shrinks_by_one_part_in_dim_an_example():
    prompts = Linear(5).draw(PromptSource(0, "score", range(2000)), 9)
    iterates = OnlineGradientDescent().iterates(Examples(prompts.x, prompts.y))
    error = (iterates - prompts.parameters["w"]).square().sum(-1) / 5
    expected = 0.8 ** torch.arange(11.0)
    deviation = error.std(1) / 2000**0.5
    assert ((error.mean(1) - expected).abs() < 4 * deviation).all()
    assert (deviation < 0.1 * expected).all()
