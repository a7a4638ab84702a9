"""Claims: the invariants hold for our models, and each planted fault of a wrapper breaks the one that is about it."""

import pytest
import torch
from torch import nn

from probe.capture import NativeModel, Place, check_invariants
from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.models import ResidualModel

DECODES = "the last layer decodes to the model's output"
PLAIN = "capture equals a plain hook bit for bit"
PASSES_ON = "what enters a block is what left the one before"
CHANGES = "every block changes the stream"
LEAVES = "no hook survives an exception"
CAUSAL = "no token sees a later one"
APART = "no prompt sees another"


def native(layout="M3", **options):
    torch.manual_seed(0)
    return NativeModel(ResidualModel(ModelConfig(layout=layout, dim=3, width=16, attention_heads=2, **options)).eval())


def broken(model):
    """The claims that do not hold."""
    findings = check_invariants(model, torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(1)))
    assert [finding.claim for finding in findings] == [DECODES, PLAIN, PASSES_ON, CHANGES, LEAVES, CAUSAL, APART]
    return {finding.claim for finding in findings if finding.held is False}


@pytest.mark.parametrize(
    "options",
    [
        {"layout": "M3"},
        {"layout": "(AF)2", "norm": "layer", "positions": "learned", "slots": 9},
        {"layout": "M(AM)1F", "outputs": 2},
    ],
    ids=["mamba", "transformer", "hybrid"],
)
def test_they_hold_for_our_models(options):
    assert broken(native(**options)) == set()


def test_they_hold_where_blocks_add_in_place():
    class AddsInPlace(nn.Module):
        def __init__(self, block):
            super().__init__()
            self.block = block

        def forward(self, stream):
            return stream.copy_(self.block(stream))

    model = native().model
    model.blocks = nn.ModuleList(AddsInPlace(block) for block in model.blocks)
    assert broken(NativeModel(model)) == set()


def test_every_layer_one_too_late_is_found():
    """Layer 0 after the first block, the last after the final norm, as `output_hidden_states` has it for Mamba."""
    model = native()
    final = Place("norm_f", model.model.norm_f, "output", lambda stream: stream)
    model.places = [*model.places[1:], final]
    assert {DECODES, PASSES_ON} <= broken(model)


def test_every_layer_one_too_early_is_found():
    """The read-in twice and no last block: every layer of the curve is the one before."""
    model = native()
    again = Place("blocks.0 (again)", model.model.blocks[0], "input", lambda stream: stream)
    model.places = [model.places[0], again, *model.places[1:-1]]
    assert {DECODES, CHANGES} <= broken(model)


def test_the_output_of_the_wrong_block_is_found():
    model = native()
    entry, first, second, third = model.places
    model.places = [entry, second, first, third]
    assert broken(model) == {PASSES_ON}


def test_a_block_that_is_read_twice_is_found():
    model = native()
    entry, first, _, third = model.places
    model.places = [entry, first, first, third]
    assert broken(model) == {PASSES_ON, CHANGES}


def test_reading_what_a_mixer_wrote_instead_of_the_stream_is_found():
    model = native()
    mixers = [
        Place(f"blocks.{i}.mixer", block.mixer, "output", place.read)
        for i, (block, place) in enumerate(zip(model.model.blocks, model.places[1:], strict=True))
    ]
    model.places = [model.places[0], *mixers]
    assert {DECODES, PASSES_ON} <= broken(model)


def test_a_decoder_without_the_final_norm_is_found():
    model = native()
    model.decode = model.model.read_out
    assert broken(model) == {DECODES}


def test_a_model_that_sees_later_tokens_is_found():
    model = native()

    def looking_ahead(hidden):
        return hidden.mean(1, keepdim=True).expand_as(hidden)

    model.model.blocks[1].mixer.forward = looking_ahead
    assert broken(model) == {CAUSAL}


def test_a_model_that_is_not_the_same_twice_is_found():
    """As with dropout left on."""
    model = native()
    model.model.blocks[1].mixer = nn.Sequential(model.model.blocks[1].mixer, nn.Dropout(0.5)).train()
    assert {PLAIN, PASSES_ON, CAUSAL} <= broken(model)


def test_a_run_that_leaves_hooks_behind_is_found():
    model = native()
    run = model.run

    def leaving(inputs):
        model.model.blocks[0].register_forward_hook(lambda *_: None)
        return run(inputs)

    model.run = leaving
    assert broken(model) == {LEAVES}


def test_a_run_that_leaves_hooks_inside_a_block_is_found():
    model = native()
    run = model.run

    def leaving(inputs):
        model.model.blocks[0].mixer.in_proj.register_forward_pre_hook(lambda *_: None)
        return run(inputs)

    model.run = leaving
    assert broken(model) == {LEAVES}


def test_a_decoder_that_hands_out_the_last_output_is_found():
    """As a lens it would give every layer the model's own error."""
    model = native()
    run, outputs = model.run, []

    def keeping(inputs):
        outputs.append(run(inputs))
        return outputs[-1]

    model.run = keeping
    model.decode = lambda stream: outputs[0]
    assert broken(model) == {DECODES}


def test_a_decoder_that_looks_at_other_tokens_is_found():
    model = native()
    decode = model.decode

    def whole(stream):
        return decode(stream) + stream[..., :1].cumsum(1)

    run, seen = model.run, []
    model.decode = whole
    model.places[-1].module.register_forward_hook(lambda module, given, stream: seen.append(stream))
    model.run = lambda inputs: run(inputs) + seen[-1][..., :1].cumsum(1)
    assert broken(model) == {DECODES}


@pytest.mark.parametrize("size", [2, 3, 4])
def test_a_model_that_sees_later_tokens_of_its_chunk_is_found(size):
    """The middle of the prompt may be a boundary of chunks, across which nothing is seen."""
    model = native()

    def by_chunk(hidden):
        return torch.cat([part.mean(1, keepdim=True).expand_as(part) for part in hidden.split(size, 1)], 1)

    model.model.blocks[1].mixer.forward = by_chunk
    assert broken(model) == {CAUSAL}


def test_a_model_that_sees_a_later_token_at_the_end_alone_is_found():
    model = native()

    def peeking(hidden):
        return torch.cat([hidden[:, :-2], hidden[:, -1:], hidden[:, -1:]], 1)

    model.model.blocks[1].mixer.forward = peeking
    assert broken(model) == {CAUSAL}


def test_a_model_that_sees_the_other_prompts_of_a_batch_is_found():
    """As with a norm over the batch: what is measured would depend on how prompts are batched."""
    model = native()
    model.model.blocks[1].mixer.forward = lambda hidden: hidden - hidden.mean(0)
    assert broken(model) == {APART}


def test_places_at_the_entrances_of_blocks_alone_leave_undecided_what_leaves_them():
    model = native()
    modules = [*model.model.blocks, model.model.norm_f]
    model.places = [Place(f"{i} (input)", module, "input", lambda stream: stream) for i, module in enumerate(modules)]
    findings = check_invariants(model, torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(1)))
    assert {finding.claim: finding.held for finding in findings if finding.held is not True} == {PASSES_ON: None}


def test_a_place_at_an_entrance_among_places_at_exits_is_paired_with_its_layer():
    model = native()
    entry, first, _, third = model.places
    model.places = [entry, first, Place("blocks.2 (input)", model.model.blocks[2], "input", first.read), third]
    assert broken(model) == set()


def test_a_model_of_nan_is_found():
    model = native()
    with torch.no_grad():
        model.model.blocks[1].mixer.out_proj.weight[0, 0] = float("nan")
    assert DECODES in broken(model)


def test_a_long_convolution_by_fourier_transforms_counts_as_causal():
    """Its outputs before a change move by rounding alone."""
    inputs = torch.randn(2, 261, 3, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    model = NativeModel(ResidualModel(ModelConfig(layout="S2", dim=3, width=16, norm="layer")).eval())
    assert [finding.claim for finding in check_invariants(model, inputs) if not finding.held] == []


@pytest.mark.parametrize("shape", [(1, 9), (2, 1)])
def test_inputs_on_which_nothing_could_differ_are_refused(shape):
    with pytest.raises(ProbeError, match=f"{shape[0]} prompts of {shape[1]} tokens"):
        check_invariants(native(), torch.zeros(*shape, 3))


def test_prompts_that_are_all_the_same_are_refused():
    with pytest.raises(ProbeError, match="2 prompts were given that are all the same"):
        check_invariants(native(), torch.ones(2, 9, 3))
