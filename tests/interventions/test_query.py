"""Claims: a pass that computes the last token alone has the whole pass's answers there, changed states included."""

import pytest
import torch

from probe.capture import capture
from probe.interventions import last_alone, recurrent, remembered, resuming, states_after, steering
from probe.interventions.states import continuing

RECURRENT = ["M3", "M[conv=off]2", "D2", "RCRC", "VWVW", "L2", "E2", "G2", "U2", "MFMF", "SS", "TT"]
TOKEN = 8


def whole(model, inputs):
    return capture(model, inputs, torch.arange(inputs.shape[1]))


@pytest.fixture
def inputs(prompts):
    return prompts[0][:, : TOKEN + 1].double()


@pytest.mark.parametrize("layout", RECURRENT)
def test_the_last_token_alone_is_what_the_whole_pass_has_there(built, inputs, layout):
    model = built(layout, dtype=torch.float64)
    plain = whole(model, inputs)
    memory = remembered(model, plain.stream)
    assert memory is not None
    with last_alone(model, memory, TOKEN):
        alone = capture(model, inputs, torch.tensor([TOKEN]))
    torch.testing.assert_close(alone.stream[:, :, 0], plain.stream[:, :, -1])
    torch.testing.assert_close(alone.output[:, 0], plain.output[:, -1])
    assert torch.equal(whole(model, inputs).output, plain.output)  # nothing stays


@pytest.mark.parametrize("layout", ["M3", "MFMF", "RCRC", "MAM"])
def test_what_is_changed_at_the_query_and_in_states_is_as_in_whole_passes(built, inputs, prompts, layout):
    model, other = built(layout, dtype=torch.float64), prompts[1][:, : TOKEN + 1].double()
    plain, states = whole(model, inputs), states_after(model, recurrent(model), other[:, :TOKEN])
    query, added = torch.tensor([TOKEN]), torch.ones(len(inputs), 1, plain.stream.shape[-1], dtype=torch.float64)
    memory = remembered(model, plain.stream)
    assert (memory is None) == ("A" in layout)

    def steered():
        with resuming(model, 1, plain.stream[1]), steering(model.places[1], query, added):
            return model.run(inputs)[:, -1]

    expected = steered()
    with last_alone(model, memory, TOKEN):
        torch.testing.assert_close(steered(), expected)
    with continuing(model.places[1].module.mixer, TOKEN, states[1]):
        expected = model.run(inputs)[:, -1]
    with last_alone(model, memory, TOKEN, {1: states[1]}):
        torch.testing.assert_close(model.run(inputs)[:, -1], expected)
    assert not torch.allclose(expected, plain.output[:, -1])


def test_passes_cannot_be_changed_twice_and_nothing_stays_after_a_mistake(built, inputs):
    model = built("M2", dtype=torch.float64)
    plain = whole(model, inputs)
    memory = remembered(model, plain.stream)
    with pytest.raises(AssertionError, match="exchanged already"), last_alone(model, memory, TOKEN):  # noqa: SIM117
        with last_alone(model, memory, TOKEN):
            pass
    assert torch.equal(whole(model, inputs).output, plain.output)
