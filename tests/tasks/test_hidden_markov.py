"""Claims: the belief is Bayes' rule over all hidden paths, symbols come as the source says, files are read or refused.

Nothing predicts better than the drawn probabilities of the next symbol.
"""

import json
from itertools import product

import numpy as np
import pytest
import torch

from probe.errors import ProbeError
from probe.probing.targets import targets_of
from probe.randomness import BatchSource, PromptSource
from probe.tasks import make
from probe.tasks.hidden_markov_sources import mess3, random_random_xor, stationary
from probe.tasks.prompts import only

SOURCES = ["hidden_markov", "hidden_markov:source=random_random_xor", "hidden_markov:x=0.15,alpha=0.6"]


def by_paths(transitions, tokens):
    """The belief after tokens, summed over every path of hidden states."""
    states = range(transitions.shape[1])
    found = np.zeros(len(states))
    for path in product(states, repeat=len(tokens) + 1):
        chance = float(stationary(transitions)[path[0]])
        for token, before, after in zip(tokens, path[:-1], path[1:], strict=True):
            chance *= float(transitions[token, before, after])
        found[path[-1]] += chance
    return found / found.sum()


@pytest.mark.parametrize("text", SOURCES)
def test_the_belief_is_that_of_all_hidden_paths(text):
    task = make(text, 1)
    prompts = task.draw(PromptSource(0, "fit", range(6)), 3)
    for tokens, beliefs in zip(prompts.inputs.tolist(), prompts.parameters["belief"].numpy(), strict=True):
        for length in range(1, 5):
            np.testing.assert_allclose(beliefs[length - 1], by_paths(task.transitions, tokens[:length]), atol=1e-6)


@pytest.mark.parametrize("text", SOURCES)
def test_symbols_and_states_come_as_the_source_says(text):
    """Of 40,000 steps, how often each symbol and state follow each state, within five standard errors."""
    task = make(text, 1)
    prompts = task.draw(BatchSource(3, 0, 2000), 20)
    state, tokens = prompts.parameters["state"], prompts.inputs
    transitions = task.transitions
    counts = torch.zeros_like(transitions)
    ones = torch.ones_like(state[:, 1:], dtype=torch.float64).flatten()
    counts.index_put_((tokens[:, 1:].flatten(), state[:, :-1].flatten(), state[:, 1:].flatten()), ones, accumulate=True)
    assert not counts[transitions == 0].any()
    seen = counts.sum((0, 2))[None, :, None]
    error = (transitions * (1 - transitions) / seen).sqrt()
    assert ((counts / seen - transitions).abs() <= 5 * error + 1e-12).all()
    first = torch.bincount(state[:, 0], minlength=len(transitions[0])) / 2000
    assert (first - stationary(transitions)).abs().max() < 5 * 0.5 / 2000**0.5


def test_the_probabilities_of_the_next_symbol_are_calibrated_and_no_answer_has_less_loss():
    task = make("hidden_markov", 1)
    prompts = task.draw(BatchSource(5, 0, 4000), 10)
    best = task.optimal(prompts)
    likely = best.exp().gather(2, prompts.targets)[..., 0].double()
    expected = best.exp().square().sum(-1).double()
    assert abs((likely - expected).mean()) < 5 * (likely - expected).mean(1).std() / 4000**0.5
    found = task.metrics(best, prompts)
    assert found["divergence"].abs().max() < 1e-5
    worse = task.metrics(best + torch.tensor([0.3, 0.0, 0.0]), prompts)
    assert worse["divergence"].min() > 0
    gap = worse["cross_entropy"] - found["cross_entropy"] - worse["divergence"]
    assert abs(gap.mean()) < 5 * gap.mean(1).std() / 4000**0.5
    assert "divergence" not in task.metrics(best, prompts, logits=False)


def test_mess3_is_that_of_the_paper():
    """Shai et al. (2024), whose three matrices for x = 0.05 and alpha = 0.85 these are."""
    expected = [[0.765, 0.00375, 0.00375], [0.0425, 0.0675, 0.00375], [0.0425, 0.00375, 0.0675]]
    np.testing.assert_allclose(mess3(0.05, 0.85)[0], expected)
    np.testing.assert_allclose(mess3(0.05, 0.85).sum((0, 2)), 1)


def test_every_third_symbol_is_the_exclusive_or_of_the_two_before():
    """Once the place in the triple is known, as it is from the hidden states."""
    task = make("hidden_markov:source=random_random_xor", 1)
    prompts = task.draw(PromptSource(1, "fit", range(50)), 11)
    tokens, state = prompts.inputs, prompts.parameters["state"]
    third = (state[:, 2:] == 0).nonzero()
    assert len(third) > 100
    for prompt, place in third.tolist():
        assert tokens[prompt, place] ^ tokens[prompt, place + 1] == tokens[prompt, place + 2]


def test_random_random_xor_has_the_beliefs_of_its_definition():
    """Seen 0, 0, 1: after 0 and 0 the next bit may be a first, a second, or the exclusive or, which would be 0.

    After the 1 it is a first bit, and a second follows, or a second bit, and 0 xor 1 = 1 follows.
    """
    task = make("hidden_markov:source=random_random_xor", 1)
    np.testing.assert_allclose(stationary(task.transitions), [1 / 3, 1 / 6, 1 / 6, 1 / 6, 1 / 6])
    after = task.beliefs(torch.tensor([[0, 0, 1]]))[0].numpy()
    np.testing.assert_allclose(after[0], [1 / 3, 1 / 3, 0, 1 / 6, 1 / 6])
    np.testing.assert_allclose(after[1], [1 / 3, 1 / 3, 0, 0, 1 / 3])
    np.testing.assert_allclose(after[2], [0, 0, 1 / 2, 1 / 2, 0], atol=1e-12)


def test_random_random_xor_has_36_beliefs_in_four_dimensions():
    """Shai et al. (2024), arXiv:2405.15943: all beliefs that some symbols lead to, that before the first included."""
    task = make("hidden_markov:source=random_random_xor", 1)
    transitions = task.transitions
    known, new = {}, [stationary(transitions)]
    while new:
        known |= {tuple(belief.numpy().round(9)): belief for belief in new}
        joints = [belief @ shown for belief in new for shown in transitions]
        following = [joint / joint.sum() for joint in joints if joint.sum() > 1e-12]
        new = [belief for belief in following if tuple(belief.numpy().round(9)) not in known]
    assert len(known) == 36
    found = torch.stack(list(known.values()))
    assert torch.linalg.matrix_rank(found - found.mean(0)) == 4


def test_a_per_token_latent_is_a_target_at_the_contexts_that_are_chosen():
    task = make("hidden_markov", 1)
    prompts = task.draw(PromptSource(0, "fit", range(4)), 8)
    some = only(prompts, torch.tensor([1, 5]))
    found = targets_of("belief", task, "hidden_markov", max(some.contexts))[0].encoded(some)
    assert torch.equal(found, prompts.parameters["belief"][:, [1, 5]])


@pytest.mark.parametrize("ending", ["npz", "json"])
def test_a_source_of_a_file_is_read(tmp_path, ending):
    path, transitions = tmp_path / f"source.{ending}", random_random_xor().numpy()
    if ending == "npz":
        np.savez(path, transitions=transitions)
    else:
        path.write_text(json.dumps({"transitions": transitions.tolist()}))
    task, named = make(f"hidden_markov:source={path}", 1), make(SOURCES[1], 1)
    assert task.shape == named.shape
    ours, theirs = (one.draw(PromptSource(0, "fit", range(5)), 6) for one in (task, named))
    assert torch.equal(ours.inputs, theirs.inputs)
    assert torch.equal(ours.parameters["belief"], theirs.parameters["belief"])


@pytest.mark.parametrize(
    ("transitions", "sentence"),
    [
        (np.ones((2, 3)), r"shape \[2, 3\], but \[symbol, state, state\] is needed"),
        (np.ones((2, 2, 2)), "no probabilities"),
        (np.full((2, 2, 2), np.nan), "no probabilities"),
        (np.array([np.eye(2) / 2, np.eye(2) / 2]), "never left for the others"),
    ],
)
def test_a_file_that_holds_no_source_is_refused(tmp_path, transitions, sentence):
    np.savez(tmp_path / "source.npz", transitions=transitions)
    with pytest.raises(ProbeError, match=sentence):
        make(f"hidden_markov:source={tmp_path}/source.npz", 1)


def test_a_file_that_is_not_there_or_runs_code_is_refused(tmp_path):
    np.savez(tmp_path / "pickled.npz", transitions=np.array([{}], dtype=object))
    (tmp_path / "other.json").write_text("[1, 2]")
    for name in ("missing.npz", "pickled.npz", "other.json"):
        with pytest.raises(ProbeError, match="no numbers called transitions can be read there"):
            make(f"hidden_markov:source={tmp_path}/{name}", 1)
