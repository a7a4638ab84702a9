"""Claims: hop by hop, back to where a symbol was last seen and on to what followed it, one reaches the target."""

import pytest
import torch

from probe.errors import ProbeError
from probe.randomness import PromptSource
from probe.tasks import Induction


def draw(task, numbers=range(200), context=12):
    return task.draw(PromptSource(0, "fit", numbers), context)


def follow(tokens, hops):
    """Where the chain leads from the last token, or None where a symbol was not seen before."""
    place = len(tokens) - 1
    for _ in range(hops):
        earlier = [before for before in range(place) if tokens[before] == tokens[place]]
        if not earlier:
            return None
        place = earlier[-1] + 1
    return tokens[place]


def test_the_worked_example(planted):
    """With depth 2 and the context 7 the prompt may be 7 3 5 9 1 3 5 1, and the target is 5."""
    order = [[0.05, 0.95, 0.04, 0.9, 0.03, 0.8, 0.02, 0.7, 0.01, 0.6]]
    # the symbols in order: 1 3 5 7 9 0 2 4 6 8; fillers from 5 on
    fillers = [[0.13, 0.9, 0.9, 0.26, 0.9, 0.9, 0.01]]
    links = [[0.1, 0.9, 0.2, 0.8, 0.3]]
    prompts = Induction(vocabulary=10, chain_depth=2).draw(planted(order, fillers, links), 7)
    assert prompts.inputs.tolist() == [[7, 3, 5, 9, 1, 3, 5, 1]]
    assert prompts.targets.tolist() == [[[5]]]
    assert prompts.queries.tolist() == [7]
    assert prompts.contexts == (7,)


@pytest.mark.parametrize("hops", [1, 2, 3, 6])
@pytest.mark.parametrize("fixed_query", [False, True])
def test_the_chain_leads_to_the_target(hops, fixed_query):
    """Also where it fills the whole prompt; other numbers of hops lead elsewhere, nearly always."""
    prompts = draw(Induction(vocabulary=16, chain_depth=hops, fixed_query=fixed_query))
    found = [follow(tokens, hops) for tokens in prompts.inputs.tolist()]
    assert found == prompts.targets[:, 0, 0].tolist()
    assert (prompts.inputs[:, -1] == 0).all() == fixed_query
    if hops > 1:
        nearer = [follow(tokens, hops - 1) for tokens in prompts.inputs.tolist()]
        assert all(one != other for one, other in zip(found, nearer, strict=True))


def test_links_and_symbols_are_uniform():
    """Each of 11 places for a link and of 16 symbols, within five standard errors over 4,000 prompts."""
    prompts = draw(Induction(vocabulary=16), range(4000))
    for drawn, kinds in ((prompts.parameters["links"][:, 0], 11), (prompts.targets[:, 0, 0], 16)):
        share = torch.bincount(drawn, minlength=kinds) / 4000
        assert len(share) == kinds
        assert (share - 1 / kinds).abs().max() < 5 * ((1 - 1 / kinds) / kinds / 4000) ** 0.5


def test_what_does_not_fit_is_refused():
    with pytest.raises(ProbeError, match="A context of 3 was given, but 2 hops need at least 4 tokens"):
        draw(Induction(chain_depth=2), context=3)
    with pytest.raises(
        ProbeError, match="A chain of 8 hops was asked for, but its symbols must differ and there are 8"
    ):
        Induction(vocabulary=8, chain_depth=8)
