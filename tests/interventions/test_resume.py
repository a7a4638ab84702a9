"""Claims: a pass that goes on from a known stream predicts what the whole pass does, and leaves nothing behind."""

import pytest
import torch

from probe.capture import ModuleModel, capture
from probe.interventions import resuming, steering

LAYOUTS = ["M3", "AFAF", "MAD", "({M}[input=add])3", "({M}[input=only])3"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_predictions_and_later_streams_are_bit_for_bit_those_of_the_whole_pass(built, prompts, layout):
    model, (own, _) = built(layout), prompts
    tokens = torch.arange(own.shape[1])
    plain = capture(model, own, tokens)
    for layer in range(len(model.places)):
        with resuming(model, layer, plain.stream[layer]):
            again = capture(model, own, tokens)
        assert torch.equal(again.output, plain.output)
        assert torch.equal(again.stream[layer:], plain.stream[layer:])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_added_there_does_what_it_does_in_the_whole_pass(built, prompts, layout):
    model, (own, _) = built(layout), prompts
    tokens, query = torch.arange(own.shape[1]), torch.tensor([own.shape[1] - 1])
    plain = capture(model, own, tokens)
    vector = torch.ones(1, 1, model.width)
    for layer, place in enumerate(model.places):
        with steering(place, query, vector):
            whole = capture(model, own, tokens)
        with resuming(model, layer, plain.stream[layer]), steering(place, query, vector):
            part = capture(model, own, tokens)
        assert torch.equal(part.output, whole.output)
        assert not torch.equal(part.output, plain.output)


def test_blocks_before_are_not_computed_and_run_again_afterwards(built, prompts):
    model, (own, other) = built("M3"), prompts
    stream = capture(model, own, torch.arange(own.shape[1])).stream
    whole = model.run(other)
    with resuming(model, 2, stream[2]):
        # the stream is that of other inputs: with two blocks left out it alone decides
        assert torch.equal(model.run(other), model.run(own))
    assert torch.equal(model.run(other), whole)
    with pytest.raises(RuntimeError, match="stop"), resuming(model, 2, stream[2]):
        raise RuntimeError("stop")
    assert torch.equal(model.run(other), whole)


def test_a_model_of_another_kind_runs_whole(built, prompts):
    inner, (own, other) = built("M2"), prompts
    model = ModuleModel(inner.model, inner.places, inner.decode, inputs=3)
    stream = capture(model, own, torch.arange(own.shape[1])).stream
    with resuming(model, 1, stream[1]):
        assert torch.equal(model.run(other), inner.run(other))
