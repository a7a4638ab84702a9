"""Claims: each prompting keeps the task's w, makes of x what it says, and replaces queries and nothing before them."""

import pytest
import torch

from probe.errors import ProbeError
from probe.randomness import BatchSource, PromptSource
from probe.tasks import make
from probe.tasks.prompting import PROMPTINGS, Replaced, make_prompting
from probe.tasks.prompts import interleave

REPLACING = {"opposite_quadrants", "orthogonal_train_test", "overlapping_train_test", "random_quadrants"}


def draw(text, numbers=range(50), context=12, task="linear", dim=6):
    return make_prompting(text).draw(make(task, dim), PromptSource(0, "score", numbers), context)


def queries(drawn):
    """What is asked at each index, and the answer."""
    if isinstance(drawn, Replaced):
        return drawn.x_query.double(), drawn.y_query.double()
    return drawn.x.double(), drawn.targets[..., 0].double()


@pytest.mark.parametrize("name", PROMPTINGS)
def test_every_prompting_keeps_the_tasks_w_and_answers_with_it(name):
    """But for a scale on y, which is w's too, and for noise."""
    drawn = draw(name)
    assert isinstance(drawn, Replaced) == (name in REPLACING)
    w = make("linear", 6).draw(PromptSource(0, "score", range(50)), 12).parameters["w"]
    torch.testing.assert_close(drawn.parameters["w"], w * (2 if name == "scale_y" else 1))
    x, y = queries(drawn)
    noise = y - (x @ drawn.parameters["w"].double()[..., None])[..., 0]
    assert abs(noise.std() - 1) < 0.1 if name == "noisy" else noise.abs().max() < 1e-4
    if isinstance(drawn, Replaced):
        expected = (drawn.x_context @ drawn.parameters["w"][..., None])[..., 0]
        torch.testing.assert_close(drawn.y_context, expected)


@pytest.mark.parametrize(
    "text", [*PROMPTINGS, "noisy:renormalise=true", "skewed:released=1", "half_subspace:released=1"]
)
def test_prompt_n_is_the_same_whatever_the_batch(text):
    together, alone = draw(text, range(10)), draw(text, [5])
    for name, value in vars(alone).items():
        if isinstance(value, torch.Tensor) and name != "queries":
            torch.testing.assert_close(value[0], getattr(together, name)[5], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("text", "per_coordinate"),
    [
        ("isotropic", 1.0),
        ("scale_x:factor=3", 9.0),
        ("scale_y:factor=0.5", 0.25),
        ("noisy", 1.0 + 1 / 6),
        ("noisy:noise=3,renormalise=yes", 1.0),
        ("skewed", 1.0),
        ("skewed:released=yes", 1.0),
        ("half_subspace", 0.5),
        ("half_subspace:released=yes", 1.0),
        ("random_quadrants", 1.0),
        ("opposite_quadrants", 1.0),
        ("overlapping_train_test", 1.0),
    ],
)
@pytest.mark.parametrize("task", ["linear:x_scale=7", "skewed_linear"])
def test_predicting_zero_costs_the_known_share_of_dim(text, per_coordinate, task):
    """Whatever the task's own x; within five standard errors over 3,200 prompts."""
    _, y = queries(draw(text, range(3200), 4, task))
    squares = y.square().mean(1) / 6
    assert abs(squares.mean() - per_coordinate) < 5 * squares.std() / 3200**0.5


def test_tokens_are_the_context_with_the_query_behind_it():
    drawn = draw("random_quadrants")
    for index in (0, 3, 12):
        tokens = drawn.tokens(index)
        assert tokens.shape == (50, 2 * index + 1, 6)
        assert torch.equal(tokens[:, -1], drawn.x_query[:, index])
        assert torch.equal(tokens[:, :-1], interleave(drawn.x_context, drawn.y_context)[:, : 2 * index])


def test_quadrants():
    """Examples of one sign pattern a prompt; queries of any, or of the opposite one."""
    for name in ("random_quadrants", "opposite_quadrants"):
        drawn = draw(name)
        patterns = drawn.x_context.sign()
        assert torch.equal(patterns, patterns[:, :1].expand_as(patterns))
        assert len(torch.unique(patterns[:, 0], dim=0)) > 20
        assert abs(patterns[:, 0].double().mean()) < 5 / 300**0.5
    assert torch.equal(drawn.x_query, -drawn.x_context)
    free = draw("random_quadrants")
    assert torch.equal(free.x_query.abs(), free.x_context.abs())
    assert abs((free.x_query.sign() == free.x_context.sign()).double().mean() - 0.5) < 0.05


def test_an_orthogonal_query_has_its_old_norm_and_vanishes_from_dim_on():
    drawn = draw("orthogonal_train_test")
    x, query = drawn.x_context.double(), drawn.x_query.double()
    torch.testing.assert_close(drawn.x_query[:, 0], drawn.x_context[:, 0])
    for index in range(1, 6):
        cosine = torch.cosine_similarity(x[:, :index], query[:, index : index + 1], dim=-1)
        assert cosine.abs().max() < 1e-4
        torch.testing.assert_close(query[:, index].norm(dim=1), x[:, index].norm(dim=1), rtol=1e-5, atol=0)
        assert ((query[:, index] * x[:, index]).sum(1) > 0).all()
    assert not query[:, 6:].any()


def test_an_overlapping_query_is_an_earlier_example_each_alike():
    drawn = draw("overlapping_train_test", range(2000), 4)
    same = (drawn.x_query[:, :, None] == drawn.x_context[:, None]).all(-1)
    assert same[:, 0, 0].all()
    for index in range(1, 5):
        assert (same[:, index].sum(1) == 1).all()
        share = same[:, index, :index].double().mean(0)
        assert (share - 1 / index).abs().max() < 5 * (1 / index / 2000) ** 0.5


@pytest.mark.parametrize("released", [False, True])
def test_half_of_the_space(released):
    """As published the second half of the coordinates is 0; as released one random subspace for all prompts."""
    drawn = draw(f"half_subspace:released={released}")
    assert drawn.x[..., 3:].any() == released
    singular = torch.linalg.svdvals(drawn.x.flatten(0, 1).double())
    assert singular[3] < 1e-4 * singular[2]
    assert singular[0] < 1.3 * singular[2]


@pytest.mark.parametrize(("released", "bases"), [(False, 3), (True, 1)])
def test_skewed_x_has_one_basis_a_prompt_or_one_for_all(released, bases):
    """Over 20,000 points of each of three prompts; the eigenvalues are those of `skewed_linear`."""
    drawn = draw(f"skewed:released={released}", [1, 70, 5000], 19_999, dim=2)
    covariance = drawn.x.double().mT @ drawn.x.double() / 20_000
    expected = torch.tensor([0.4, 1.6], dtype=torch.float64).expand(3, 2)
    torch.testing.assert_close(torch.linalg.eigvalsh(covariance), expected, rtol=0.06, atol=0)
    assert len(torch.unique((covariance * 4).round(), dim=0)) == bases


def test_noise_is_renormalised_over_whole_groups():
    drawn = draw("noisy:renormalise=true,group_size=10", range(20))
    for group in drawn.y.split(10):
        assert group.std().item() == pytest.approx(6**0.5, rel=1e-5)


@pytest.mark.parametrize("text", ["half_subspace:released=1", "skewed:released=1"])
def test_what_all_prompts_share_is_drawn_once_in_a_training_batch_too(text):
    drawn = make_prompting(text).draw(make("linear", 4), BatchSource(0, 0, 16), 3)
    assert drawn.x.shape == (16, 4, 4)


def test_only_tasks_with_a_w_have_promptings():
    with pytest.raises(ProbeError, match=r"with DecisionTree, but it needs a task whose y is w\.x"):
        draw("isotropic", task="decision_tree")
    with pytest.raises(ProbeError, match=r"No prompting is called 'scale'\. Did you mean scale_"):
        make_prompting("scale")
