"""Claims: the posterior mean over the pool of a task, which knows the function after an example or two."""

import pytest
import torch

from probe.learners import DiscretePosterior, Examples, Ridge
from probe.learners.discrete_posterior import NOISE
from probe.randomness import PromptSource, pool
from probe.tasks.linear import Linear

DIM = 4


def prompts(functions, context, **options):
    return Linear(dim=DIM, functions=functions, **options).draw(PromptSource(0, "score", range(256)), context)


def errors(learner, found, count):
    examples = Examples(found.x[:, :count].double(), found.y[:, :count].double())
    return (learner.predict(examples, found.x[:, count].double()) - found.y[:, count].double()).square().mean()


def test_it_is_the_softmax_of_the_squared_errors():
    drawn = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 3, DIM, generator=drawn).double(), torch.randn(2, 3, generator=drawn).double()
    found = DiscretePosterior(functions=5).weights(Examples(x, y, noise=torch.tensor([0.7, 1.3])))
    known = pool(5, DIM).double()
    for prompt, noise in enumerate((0.7, 1.3)):
        chances = [torch.exp(-((x[prompt] @ w - y[prompt]) ** 2).sum() / (2 * noise**2)) for w in known]
        expected = sum(chance * w for chance, w in zip(chances, known, strict=True)) / sum(chances)
        torch.testing.assert_close(found[prompt], expected, rtol=1e-6, atol=1e-6)


def test_on_its_pool_one_example_nearly_tells_the_function_where_ridge_needs_as_many_as_dimensions():
    found = prompts(8, 4)
    size = found.y.double().square().mean()
    assert errors(DiscretePosterior(functions=8), found, 1) < 0.15 * size
    assert errors(DiscretePosterior(functions=8), found, 3) < 1e-3 * size
    assert errors(Ridge(penalty=0.1), found, 1) > 0.5 * size


def test_of_another_pool_it_knows_nothing():
    found = prompts(0, 8)
    assert errors(DiscretePosterior(functions=8), found, 8) > 0.3 * found.y.double().square().mean()


@pytest.mark.parametrize("y_scale", [0.01, 1.0, 100.0])
def test_the_scale_of_the_task_is_the_scale_of_the_pool(y_scale):
    found = prompts(8, 4, y_scale=y_scale)
    learner = DiscretePosterior(functions=8, y_scale=y_scale)
    assert errors(learner, found, 3) < 1e-3 * found.y.double().square().mean()


def test_without_examples_it_answers_by_the_mean_of_the_pool():
    none = Examples(torch.zeros(3, 0, DIM), torch.zeros(3, 0))
    torch.testing.assert_close(
        DiscretePosterior(functions=5).weights(none), pool(5, DIM).double().mean(0).expand(3, -1)
    )


def test_where_y_has_no_noise_the_nearest_function_decides_and_nothing_overflows():
    found = prompts(8, 40)
    examples = Examples(found.x[:, :40] * 1e6, found.y[:, :40] * 1e6)
    weights = DiscretePosterior(functions=8).weights(examples)
    torch.testing.assert_close(weights, found.parameters["w"].double())
    assert 0 < NOISE < 1
