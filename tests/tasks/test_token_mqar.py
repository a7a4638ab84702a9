"""Claims: every key is asked for once, behind the pairs, soon rather than late, and only there the target counts."""

import pytest
import torch

from probe.errors import ProbeError
from probe.randomness import PromptSource
from probe.tasks import TokenMqar


def draw(task, numbers=range(50), context=30):
    return task.draw(PromptSource(0, "fit", numbers), context)


def test_the_worked_example(planted):
    """With the pairs (1, 5), (2, 6), the context 8 and gaps of 0 the prompt may be 1 5 2 6 2 0 1 0 0."""
    task = TokenMqar(vocabulary=8, pairs=2, power=1.0, random_gaps=False)
    keys, values = [[0.9, 0.8, 0.1]], [[0.3, 0.9, 0.7, 0.1]]
    slots, gaps = [[0.5, 0.7, 0.2]], [[0.1, 0.2, 0.3, 0.4, 0.5]]
    prompts = task.draw(planted(keys, values, slots, gaps), 8)
    assert prompts.inputs.tolist() == [[1, 5, 2, 6, 2, 0, 1, 0, 0]]
    assert prompts.targets.tolist() == [[[6], [5], [0]]]
    assert prompts.counted.tolist() == [[True, True, False]]
    assert prompts.queries.tolist() == [4, 6, 8]
    assert prompts.contexts == (4, 6, 8)


@pytest.mark.parametrize("random_gaps", [True, False])
def test_each_key_is_asked_for_once_and_its_value_is_the_target(random_gaps):
    task = TokenMqar(vocabulary=40, pairs=5, random_gaps=random_gaps)
    prompts = draw(task)
    for row, tokens in enumerate(prompts.inputs.tolist()):
        keys, values = tokens[0:10:2], tokens[1:10:2]
        assert len(set(keys)) == len(set(values)) == 5
        assert all(1 <= key < 20 for key in keys)
        assert all(20 <= value < 40 for value in values)
        table, counted = dict(zip(keys, values, strict=True)), prompts.counted[row].tolist()
        places = [int(place) for place, there in zip(prompts.queries, counted, strict=True) if there]
        assert sorted(tokens[place] for place in places) == sorted(keys)
        asked = [table[tokens[place]] for place in places]
        assert prompts.targets[row, prompts.counted[row], 0].tolist() == asked
        if not random_gaps:
            assert all(token == 0 for place, token in enumerate(tokens) if place >= 10 and place not in places)
    gaps = prompts.inputs[:, 11::2]
    assert gaps.max() > 30 if random_gaps else gaps.max() == 0


def test_queries_come_by_the_power_law():
    """The first drawn is at the i-th place in proportion to i^(power - 1): five standard errors over 4,000 prompts."""
    for power in (0.01, 1.0):
        slots = draw(TokenMqar(vocabulary=20, pairs=1, power=power), range(4000), 14).parameters["slots"][:, 0]
        law = torch.arange(1, 8, dtype=torch.float64) ** (power - 1)
        law /= law.sum()
        share = torch.bincount(slots, minlength=7) / 4000
        assert ((share - law).abs() < 5 * (law * (1 - law) / 4000).sqrt()).all()


def test_an_odd_context_ends_on_a_gap():
    prompts = draw(TokenMqar(vocabulary=20), context=15)
    assert prompts.inputs.shape == (50, 16)
    assert prompts.contexts == (8, 10, 12, 14)
    assert prompts.counted.all()


def test_what_does_not_fit_is_refused():
    with pytest.raises(ProbeError, match="A context of 13 tokens was given, but 4 pairs and their queries need at lea"):
        draw(TokenMqar(vocabulary=20), context=13)
    with pytest.raises(ProbeError, match="4 pairs were asked for, but a vocabulary of 9 symbols has 3 keys"):
        TokenMqar(vocabulary=9)
