"""Claims: noise on the examples, clean or noisy targets, and renormalisation over whole groups."""

import pytest
import torch

from probe.errors import ProbeError
from probe.learners import DiscretePosterior, Examples, Ridge
from probe.randomness import BatchSource, PromptSource
from probe.tasks import Linear, NoisyLinear


def draw(task, numbers=range(8), context=6, **options):
    return task.draw(PromptSource(0, "fit", numbers), context, **options)


def test_the_worked_example(planted):
    """With w = (1, -2), x = (3, 1), noise 0.5 and e = -1, y = 0.5; a clean target is 1, a noisy one 0.5."""
    for target, expected in (("noisy", 0.5), ("clean", 1.0)):
        task = NoisyLinear(2, noise=0.5, target=target)
        prompts = task.draw(planted([[1, -2]], [[[3, 1], [3, 1]]], [[-1, -1]]), 1)
        assert prompts.y.tolist() == [[0.5, 0.5]]
        assert prompts.inputs[0, 1].tolist() == [0.5, 0]
        assert prompts.targets.tolist() == [[[expected], [expected]]]


def test_the_noise_is_the_difference_and_the_same_for_both_targets():
    """Its standard deviation is `noise`, within five standard errors; y_scale does not touch it."""
    clean, noisy = (draw(NoisyLinear(3, 0.7, target, y_scale=5.0), range(500), 19) for target in ("clean", "noisy"))
    assert torch.equal(clean.inputs, noisy.inputs)
    assert torch.equal(noisy.targets[..., 0], noisy.y)
    noise = (noisy.targets - clean.targets)[..., 0].double()
    assert abs(noise.std() - 0.7) < 5 * 0.7 / (2 * noise.numel()) ** 0.5
    expected = torch.einsum("bcd,bd->bc", clean.x.double(), clean.parameters["w"].double())
    torch.testing.assert_close(clean.targets[..., 0].double(), expected, rtol=1e-5, atol=1e-4)


def test_without_noise_the_task_is_linear():
    prompts = draw(NoisyLinear(3, noise=0.0))
    expected = torch.einsum("bcd,bd->bc", prompts.x, prompts.parameters["w"])
    torch.testing.assert_close(prompts.y, expected)


@pytest.mark.parametrize("target", ["noisy", "clean"])
@pytest.mark.parametrize("options", [{}, {"noise": 2.0}, {"x_scale": 3.0, "y_scale": 0.5}])
@pytest.mark.parametrize("renormalise", [False, True])
def test_the_targets_variance_is_the_stated_one(target, options, renormalise):
    """Within five standard errors over 6,400 prompts; renormalised, over groups of 64 as released."""
    task = NoisyLinear(5, target=target, renormalise=renormalise, group_size=64, **options)
    noise, scale = options.get("noise", 1.0), options.get("x_scale", 1.0) * options.get("y_scale", 1.0)
    clean = 5 * scale**2
    expected = clean + (noise**2 if target == "noisy" else 0)
    assert task.variance == pytest.approx(5 * expected / (clean + noise**2) if renormalise else expected)
    squares = task.draw(BatchSource(1, 0, 6400), 19).targets[..., 0].double().square().mean(1)
    assert abs(squares.mean() - task.variance) < 5 * squares.std() / 6400**0.5


def test_renormalised_y_has_the_standard_deviation_sqrt_dim_over_each_group():
    prompts = draw(NoisyLinear(3, renormalise=True, group_size=4), range(12))
    for group in prompts.y.split(4):
        assert group.std().item() == pytest.approx(3**0.5, rel=1e-5)
    assert abs(prompts.y[2:6].std().item() - 3**0.5) > 1e-3


def test_a_clean_target_and_the_parameters_are_renormalised_alike():
    """The factor multiplies w and the noise, so that w.x is still the clean target."""
    task = NoisyLinear(3, 0.5, "clean", renormalise=True, group_size=4, y_scale=2.0)
    prompts = draw(task)
    w, noise = prompts.parameters["w"].double(), prompts.parameters["noise"].double()
    torch.testing.assert_close(
        prompts.targets[..., 0].double(), torch.einsum("bcd,bd->bc", prompts.x.double(), w), rtol=1e-5, atol=1e-5
    )
    plain = draw(NoisyLinear(3, 0.5, "clean", y_scale=2.0))
    factor = (noise / 0.5)[:, None]
    torch.testing.assert_close(prompts.y.double(), plain.y.double() * factor, rtol=1e-5, atol=1e-5)
    assert all(len(set(group.tolist())) == 1 for group in noise.split(4))


@pytest.mark.parametrize("size", [1, 4, 64])
def test_prompt_n_is_renormalised_the_same_whatever_the_batch(size):
    """A group is drawn whole even where one of its prompts is asked for."""
    task = NoisyLinear(3, renormalise=True, group_size=size)
    together = draw(task, range(100))
    for numbers in ([70], [99, 2, 3], range(50, 80)):
        apart = draw(task, numbers)
        torch.testing.assert_close(apart.inputs, together.inputs[list(numbers)], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(apart.targets, together.targets[list(numbers)], rtol=1e-5, atol=1e-5)


def test_truncation_hides_coordinates_before_y_is_made():
    prompts = draw(NoisyLinear(4, noise=0.0), active=1)
    assert not prompts.x[..., 1:].any()
    torch.testing.assert_close(prompts.y, prompts.x[..., 0] * prompts.parameters["w"][:, :1])


@pytest.mark.parametrize("y_scale", [1.0, 2.0])
def test_a_pool_is_the_one_of_linear_and_every_w_drawn_is_known(y_scale):
    """What the task says it knows is what its prompts are drawn from, scaled alike."""
    task = NoisyLinear(3, noise=0.5, functions=4, y_scale=y_scale)
    assert torch.equal(task.known, Linear(3, functions=4, y_scale=y_scale).known)
    drawn = {tuple(w) for w in draw(task, range(60)).parameters["w"].tolist()}
    assert drawn == {tuple(w) for w in task.known.tolist()}
    assert NoisyLinear(3).known is None


def test_a_pool_changes_w_alone():
    """The noise is what it is without a pool, on every example."""
    prompts = draw(NoisyLinear(3, noise=0.5, functions=2), range(500), 19)
    noise = (prompts.y - torch.einsum("bcd,bd->bc", prompts.x, prompts.parameters["w"])).double()
    assert abs(noise.std() - 0.5) < 5 * 0.5 / (2 * noise.numel()) ** 0.5
    assert prompts.parameters["noise"].unique().tolist() == [0.5]


def test_on_prompts_of_the_pool_the_posterior_mean_errs_less_than_ridge_and_on_fresh_ones_more():
    """Raventos et al. (2023), section 2: each is the Bayes estimator of its own prompts."""
    errors = {}
    for name, functions in (("pool", 8), ("fresh", 0)):
        found = draw(NoisyLinear(4, noise=0.5, functions=functions), range(400), 6)
        examples = Examples(found.x[:, :-1].double(), found.y[:, :-1].double(), found.parameters["noise"])
        for learner in (DiscretePosterior(functions=8), Ridge()):
            missed = learner.predict(examples, found.x[:, -1].double()) - found.y[:, -1].double()
            errors[name, type(learner)] = missed.square().mean()
    assert errors["pool", DiscretePosterior] < 0.8 * errors["pool", Ridge]
    assert errors["fresh", Ridge] < 0.5 * errors["fresh", DiscretePosterior]


def test_a_pool_that_would_be_renormalised_is_refused():
    with pytest.raises(ProbeError, match="functions=4 was given with renormalise"):
        NoisyLinear(3, functions=4, renormalise=True)
