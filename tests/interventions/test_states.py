"""Claims: a mixer that goes on from its own state writes what it would, and from another prompt's that prompt's."""

import pytest
import torch

from probe.errors import ProbeError
from probe.interventions.mixers import mambas, recurrent
from probe.interventions.states import continuing, states_after

TOKEN = 6
LAYOUTS = ["M2", "D2", "R2", "V2", "U2", "G2", "MAM"]


def exchanged(model, own, states, layers):
    from contextlib import ExitStack

    mixers = recurrent(model)
    with ExitStack() as stack:
        for layer in layers:
            stack.enter_context(continuing(mixers[layer], TOKEN, states[layer]))
        return model.run(own)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_its_own_state_changes_nothing(built, prompts, layout):
    model, (own, _) = built(layout, dtype=torch.float64), prompts
    own, plain = own.double(), model.run(own.double())
    states = states_after(model, recurrent(model), own[:, :TOKEN])
    torch.testing.assert_close(exchanged(model, own, states, states), plain)


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if "A" not in layout])
def test_all_states_of_another_prompt_give_that_prompts_answers(built, prompts, layout):
    """Its first tokens are in the states alone, so that the last ones cannot tell whose they were."""
    model, (own, other) = built(layout, dtype=torch.float64), prompts
    own, other = own.double(), other.double()
    states = states_after(model, recurrent(model), other[:, :TOKEN])
    donors = model.run(torch.cat([other[:, :TOKEN], own[:, TOKEN:]], dim=1))
    plain = model.run(own)
    found = exchanged(model, own, states, states)
    torch.testing.assert_close(found[:, TOKEN:], donors[:, TOKEN:])
    assert torch.equal(found[:, :TOKEN], plain[:, :TOKEN])
    one = exchanged(model, own, states, [1])
    assert not torch.allclose(one[:, TOKEN:], donors[:, TOKEN:])
    assert not torch.allclose(one[:, TOKEN:], plain[:, TOKEN:])


@pytest.mark.parametrize("kernel", ["reference", "cpu"])
def test_a_mambas_state_is_what_its_scan_holds(built, prompts, kernel):
    model, (own, _) = built("M2", kernel), prompts
    mixers = mambas(model)
    seen = model.model.blocks[0].norm(model.model.embed(own[:, :TOKEN]))
    recent, h = states_after(model, mixers, own[:, :TOKEN])[1]
    inside = mixers[1].inside(seen)
    torch.testing.assert_close(h, inside.states[:, -1])
    torch.testing.assert_close(recent, inside.entering[:, -3:])


def test_nothing_stays_and_a_missed_call_is_an_error(built, prompts):
    model, (own, other) = built("M2"), prompts
    mixers, plain = mambas(model), model.run(own)
    states = states_after(model, mixers, other[:, :TOKEN])
    with pytest.raises(RuntimeError, match="stop"), continuing(mixers[1], TOKEN, states[1]):
        raise RuntimeError("stop")
    with pytest.raises(AssertionError, match="0 times"), continuing(mixers[1], TOKEN, states[1]):
        pass
    assert torch.equal(model.run(own), plain)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.model.modules())


def test_attention_has_no_state(built):
    with pytest.raises(ProbeError, match="but mixers with a state of our own"):
        recurrent(built("(AF)1"))
    assert sorted(recurrent(built("MAM"))) == [1, 3]
