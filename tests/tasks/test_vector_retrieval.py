"""Claims: the target is the value of the queried key, which noise or the released code may blur."""

import pytest
import torch

from probe.errors import ProbeError
from probe.randomness import PromptSource
from probe.tasks import VectorRetrieval


def draw(task, numbers=range(50), context=8):
    return task.draw(PromptSource(0, "fit", numbers), context)


def test_the_worked_example(planted):
    """With the pairs (a, b), (c, d) and the query c the target is d."""
    keys, values = [[3, 0], [0, 2]], [[-1, 0], [0, -5]]
    prompts = VectorRetrieval(2, norm="unit").draw(planted([keys], [values], [[0.6]]), 2)
    assert prompts.inputs.tolist() == [[[1, 0], [-1, 0], [0, 1], [0, -1], [0, 1]]]
    assert prompts.targets.tolist() == [[[0, -1]]]
    assert prompts.queries.tolist() == [4]
    assert prompts.contexts == (2,)
    assert prompts.parameters["queried"].tolist() == [[1]]


@pytest.mark.parametrize(("norm", "length"), [("sqrt_dim", 5**0.5), ("unit", 1.0)])
def test_every_vector_has_the_norm_asked_for_and_zero_costs_its_square(norm, length):
    """Predicting zero costs 1 a coordinate where the norm is sqrt(dim)."""
    task = VectorRetrieval(5, norm=norm, query_noise=1.0)
    prompts = draw(task)
    torch.testing.assert_close(prompts.inputs.norm(dim=-1), torch.full((50, 17), length))
    cost = task.cost(torch.zeros(50, 1, 5), prompts)
    torch.testing.assert_close(cost, torch.full((50, 1), task.variance, dtype=torch.float64), rtol=1e-5, atol=0)
    assert task.variance == pytest.approx(length**2)


def test_every_pair_is_asked_for_alike():
    counts = torch.bincount(draw(VectorRetrieval(2), range(4000)).parameters["queried"][:, 0], minlength=8)
    assert (counts - 500).abs().max() < 5 * (4000 * 7 / 64) ** 0.5


@pytest.mark.parametrize("norm", ["sqrt_dim", "unit"])
def test_noise_moves_the_query_and_not_the_target(norm):
    """Noise of 0.5 a coordinate leaves a cosine of about 1 / sqrt(1 + 0.25) with the key, whatever the norm."""
    prompts = draw(VectorRetrieval(50, norm=norm, query_noise=0.5), range(500))
    queried = prompts.parameters["queried"][..., None].expand(-1, -1, 50)
    keys = prompts.inputs[:, :-1:2].gather(1, queried)
    assert torch.equal(prompts.targets, prompts.inputs[:, 1::2].gather(1, queried))
    cosine = torch.cosine_similarity(keys, prompts.inputs[:, -1:], dim=-1)
    assert cosine.mean().item() == pytest.approx(1.25**-0.5, abs=0.01)


def test_as_released_one_query_in_nine_was_never_shown_and_takes_the_likest_keys_value():
    prompts = draw(VectorRetrieval(4, released=True), range(2000))
    keys, query = prompts.inputs[:, :-1:2], prompts.inputs[:, -1]
    shown = (keys == query[:, None]).all(-1).any(-1)
    assert abs((~shown).double().mean() - 1 / 9) < 5 * (8 / 81 / 2000) ** 0.5
    likest = torch.cosine_similarity(keys, query[:, None], dim=-1).argmax(-1)
    assert torch.equal(prompts.parameters["queried"][:, 0], likest)


def test_a_prompt_without_a_pair_is_refused():
    with pytest.raises(ProbeError, match=r"A context of 0 was given, but a query needs a pair\. Give at least 1\."):
        draw(VectorRetrieval(2), context=0)


@pytest.mark.parametrize("place", [1, 5, 8])
def test_the_pair_asked_for_is_the_one_named_and_the_pairs_are_those_of_random_places(place):
    prompts, drawn = draw(VectorRetrieval(4, place=place)), draw(VectorRetrieval(4))
    assert torch.equal(prompts.inputs[:, :-1], drawn.inputs[:, :-1])
    assert torch.equal(prompts.inputs[:, -1], prompts.inputs[:, 2 * place - 2])
    assert torch.equal(prompts.targets[:, 0], prompts.inputs[:, 2 * place - 1])
    assert (prompts.parameters["queried"] == place - 1).all()


def test_a_place_beyond_the_pairs_is_refused():
    with pytest.raises(ProbeError, match=r"A context of 8 was given, but place=9 needs as many pairs\. Give a larger"):
        draw(VectorRetrieval(2, place=9))


def test_a_place_is_refused_where_a_query_may_never_have_been_shown():
    with pytest.raises(ProbeError, match=r"Pair 2 was asked for with released=true, but there .* Leave out one"):
        VectorRetrieval(2, released=True, place=2)
