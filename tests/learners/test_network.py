"""Claims: training all prompts at once is training each alone, by PyTorch's own layers; its start is PyTorch's."""

import pytest
import torch

from probe.learners import Network, make


@pytest.mark.parametrize("count", [5, 12])
def test_each_prompt_is_trained_as_if_alone(draw, count):
    """With batches of all examples, and of fewer."""
    examples, query = draw(count)
    learner = Network(hidden=7, steps=20, minibatch=8)
    predicted = learner.predict(examples, query)
    for prompt in range(6):
        generator = torch.Generator().manual_seed(learner.seed)
        model = torch.nn.Sequential(torch.nn.Linear(4, 7), torch.nn.ReLU(), torch.nn.Linear(7, 1)).double()
        with torch.no_grad():
            for parameter, start in zip(model.parameters(), learner._start(4, generator), strict=True):
                parameter.copy_(start.reshape(parameter.shape))
        optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
        for _ in range(20):
            chosen = torch.randperm(count, generator=generator)[:8]
            optimiser.zero_grad()
            (model(examples.x[prompt, chosen])[:, 0] - examples.y[prompt, chosen]).square().mean().backward()
            optimiser.step()
        assert predicted[prompt].item() == pytest.approx(model(query[prompt])[0].item(), rel=1e-9, abs=1e-11)


def test_it_starts_where_linear_layers_start():
    ours = Network(hidden=400)._start(50, torch.Generator().manual_seed(0))
    model = torch.nn.Sequential(torch.nn.Linear(50, 400), torch.nn.Linear(400, 1))
    for mine, theirs in zip(ours[:3], list(model.parameters())[:3], strict=True):
        assert mine.abs().max().item() == pytest.approx(theirs.abs().max().item(), rel=0.02)
        assert mine.std().item() == pytest.approx(theirs.std().item(), rel=0.1)
    assert ours[3].shape == () and abs(ours[3]) <= 400**-0.5


def test_it_learns_also_where_gradients_are_off(draw):
    examples, _ = draw(20)
    with torch.no_grad():
        predicted = make("network:steps=400,hidden=50").predict(examples, examples.x[:, 0])
    assert (predicted - examples.y[:, 0]).square().mean() < 0.1 * examples.y.square().mean()


def test_its_seed_decides_what_it_predicts(draw):
    examples, query = draw(5)
    one, again, other = (Network(steps=3, seed=seed).predict(examples, query) for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)
