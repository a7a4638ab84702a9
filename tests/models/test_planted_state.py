"""Claims: the state of a planted state model is the known iterate of its rule after every example; it answers by it."""

import pytest
import torch

from probe import learners
from probe.capture import NativeModel, check_invariants
from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.learners import Examples
from probe.models import ResidualModel
from probe.models.controls import planted_state_model
from probe.randomness import PromptSource
from probe.tasks import SkewedLinear

DIM, CONTEXT, RATE = 3, 8, 0.1
RULES = ["linear_attention", "delta_rule"]


@pytest.fixture(scope="module")
def prompts():
    return SkewedLinear(DIM).draw(PromptSource(0, "score", range(20)), CONTEXT)


def iterates(rule, prompts):
    """The weights after every example, [batch, example, dim]."""
    if rule == "linear_attention":
        return RATE * (prompts.x * prompts.y[..., None]).cumsum(1).double()
    found = learners.make(f"online_gd:rate={RATE}")
    assert isinstance(found, learners.IterativeLearner)
    return found.iterates(Examples(prompts.x, prompts.y))[1:].transpose(0, 1)


@pytest.mark.parametrize("rule", RULES)
def test_the_state_after_every_example_is_the_rules_weights(rule, prompts):
    model, expected = planted_state_model(rule, DIM, RATE), iterates(rule, prompts)[:, :CONTEXT]
    stream = model.blocks[0](model.embed(prompts.inputs))
    state = model.blocks[1].mixer.states(stream)[:, 0]
    torch.testing.assert_close(state[:, 1::2, 0, :DIM].double(), expected, rtol=1e-5, atol=1e-5)
    assert state[:, :, 1:].abs().max() == 0
    assert torch.equal(state[:, 2::2], state[:, 1::2])
    other = iterates(next(name for name in RULES if name != rule), prompts)[:, :CONTEXT]
    assert (expected[:, -1] - other[:, -1]).abs().max() > 0.1


@pytest.mark.parametrize("rule", RULES)
def test_the_answer_is_that_of_the_weights(rule, prompts):
    answers = planted_state_model(rule, DIM, RATE)(prompts.inputs)[:, 2::2, 0]
    expected = torch.einsum("bcd,bcd->bc", iterates(rule, prompts)[:, :CONTEXT], prompts.x[:, 1:].double())
    torch.testing.assert_close(answers.double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rule", RULES)
def test_the_invariants_of_capture_hold(rule, prompts):
    findings = check_invariants(NativeModel(planted_state_model(rule, DIM)), prompts.inputs)
    assert [finding.claim for finding in findings if not finding.held] == []


def test_a_stream_too_narrow_for_pairs_is_refused():
    with pytest.raises(ProbeError, match="stream 4 wide, but with dim=3 it needs 6"):
        ResidualModel(ModelConfig(layout="Q[dim=3]", dim=3, width=4))
