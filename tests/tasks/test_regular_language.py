"""Claims: words are walks through a drawn automaton, and the next symbol's true distribution is the one stated."""

import pytest
import torch

from probe.errors import ProbeError
from probe.randomness import PromptSource
from probe.tasks import RegularLanguage
from probe.tasks.prompts import only
from probe.tasks.regular_language import allowed, total_variation

SMALL = RegularLanguage(letters=6, states=4, edges=3, word_length=4)


def draw(task=SMALL, numbers=range(100), context=40):
    return task.draw(PromptSource(0, "fit", numbers), context)


def test_the_worked_example(planted):
    """A first state that a and b leave, back to it, words of 1 letter at most: | a | | b."""
    task = RegularLanguage(letters=2, states=2, edges=2, word_length=1)
    size, alphabet, ranks = [[0.0]], [[0.9, 0.1]], [[[0.9, 0.1], [0.9, 0.1]]]
    targets, degrees = [[[0.1, 0.1], [0.6, 0.6]]], [[0.9, 0.9]]
    lengths, turns = [[0.9, 0.1, 0.9, 0.1, 0.1]], [[0.1, 0.0, 0.0, 0.9, 0.0]]
    prompts = task.draw(planted(size, alphabet, ranks, targets, degrees, lengths, turns), 4)
    a, b, separator = 0, 1, 2
    assert prompts.inputs.tolist() == [[separator, a, separator, separator, b]]
    assert prompts.targets[0, :, 0].tolist() == [a, separator, separator, b, separator]
    before, after = [0.25, 0.25, 0.5], [0.0, 0.0, 1.0]
    assert prompts.parameters["distribution"].tolist() == [[before, after, before, before, after]]
    assert prompts.parameters["legal"].tolist() == [[[1.0, 1.0, 0.0]] * 5]


def test_targets_are_the_next_tokens():
    prompts = draw()
    assert torch.equal(prompts.targets[:, :-1, 0], prompts.inputs[:, 1:])
    assert (prompts.inputs[:, 0] == 6).all()
    assert prompts.contexts == tuple(range(41))


def test_one_letter_leads_from_a_state_to_one_state():
    """The state after a symbol is a function of the one before it and the symbol; after a separator it is the first."""
    prompts = draw()
    states, symbols = prompts.parameters["state"], prompts.targets[..., 0]
    for row in range(100):
        table = {}
        for before, symbol, after in zip(
            states[row, :-1].tolist(), symbols[row, :-1].tolist(), states[row, 1:].tolist(), strict=True
        ):
            assert table.setdefault((before, symbol), after) == after
            assert symbol != 6 or after == 0
    assert states.max() == 3


def test_no_word_is_longer_than_asked_and_lengths_are_uniform():
    """Whole words of the first 12 symbols: five standard errors, for the first of each of 4,000 prompts."""
    first = (draw(numbers=range(4000), context=5).targets[..., 0] == 6).long().argmax(1)
    counts = torch.bincount(first, minlength=5)
    assert len(counts) == 5
    assert (counts - 800).abs().max() < 5 * (4000 * 0.16) ** 0.5


def test_automata_have_the_sizes_asked_for():
    """Over 400 prompts every number of letters from a state, and no more; every alphabet is the prompt's own."""
    prompts = draw(numbers=range(400), context=100)
    degrees = prompts.parameters["legal"].sum(-1)
    assert set(degrees.unique().tolist()) == {1, 2, 3}
    used = (prompts.parameters["legal"].sum(1) > 0).sum(1)
    assert set(used.unique().tolist()) <= {1, 2, 3, 4}
    assert 4 in used
    assert (prompts.parameters["legal"].sum((0, 1))[:6] > 0).all()


def test_the_true_distribution_explains_the_targets():
    """It sums to one, its mean log-likelihood is minus its entropy, within five standard errors of prompts."""
    prompts = draw(numbers=range(1000))
    true = prompts.parameters["distribution"].double()
    torch.testing.assert_close(true.sum(-1), torch.ones(1000, 41, dtype=torch.float64))
    log = true.clamp(min=1e-300).log()
    surprise = -log.gather(2, prompts.targets)[..., 0]
    excess = (surprise + (true * log).sum(-1)).mean(1)
    assert surprise.isfinite().all()
    assert surprise.max() < 20
    assert abs(excess.mean()) < 5 * excess.std() / 1000**0.5


def test_the_true_distribution_is_scored_as_perfect_and_a_uniform_one_is_not():
    prompts = draw()
    true = prompts.parameters["distribution"]
    answers = torch.stack([true.clamp(min=1e-30).log(), torch.zeros_like(true)])
    distance = total_variation(answers, prompts)
    assert distance[0].max() < 1e-5
    uniform = 0.5 * (true - 1 / 7).abs().sum(-1)
    torch.testing.assert_close(distance[1], uniform)
    # the likeliest letter also where the word must end and no letter is possible
    legal = torch.log(prompts.parameters["legal"] + 1e-30)
    found = allowed(torch.stack([legal, -legal]), prompts)
    assert found[0].all()
    assert not found[1].any()


def test_scores_suit_a_choice_of_queries():
    prompts = draw()
    answers = torch.randn(100, 41, 7, generator=torch.Generator().manual_seed(0))
    chosen = torch.tensor([3, 20])
    few = only(prompts, chosen)
    assert torch.equal(allowed(answers[:, chosen], few), allowed(answers, prompts)[:, chosen])
    torch.testing.assert_close(total_variation(answers[:, chosen], few), total_variation(answers, prompts)[:, chosen])


@pytest.mark.parametrize(("letters", "states"), [(3, 4), (3, 1)])
def test_what_does_not_fit_is_refused(letters, states):
    with pytest.raises(ProbeError, match=f"Automata of {states} states were asked for, but 2 to 3 are needed"):
        RegularLanguage(letters, states)
