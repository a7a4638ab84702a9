"""Claims: an edited order gives what running the blocks by hand in that order gives, to the bit, and nothing stays."""

import pytest
import torch
from torch import nn

from probe.capture import ModuleModel, NativeModel, Place, capture
from probe.errors import ProbeError
from probe.interventions.blocks import editing, repeat, skip, swap
from probe.models.controls import planted_model

ORDERS = [
    (skip(2), [1, 3, 4]),
    (skip(1), [2, 3, 4]),
    (repeat(4), [1, 2, 3, 4, 4]),
    (swap(2), [1, 3, 2, 4]),
    ({1: (3,), 2: (), 4: (4, 1, 4)}, [3, 3, 4, 1, 4]),
    ({}, [1, 2, 3, 4]),
]


@pytest.mark.parametrize("layout", ["M4", "(AF)2", "M(AM)1F", "U4", "M[residual=post]4"])
@pytest.mark.parametrize(("edit", "order"), ORDERS)
def test_an_order_is_what_running_the_blocks_by_hand_gives(built, prompts, layout, edit, order):
    model, (own, _) = built(layout), prompts
    plain, stream = model.run(own), model.model.embed(own)
    for block in order:
        stream = model.model.blocks[block - 1](stream)
    with editing(model, edit):
        edited = model.run(own)
    assert torch.equal(edited, model.decode(stream))
    assert torch.equal(edited, plain) == (order == [1, 2, 3, 4])
    assert torch.equal(model.run(own), plain)


def test_capture_sees_the_edited_stream(built, prompts):
    """A skipped block passes on what it was given."""
    model, (own, _) = built("M4"), prompts
    with editing(model, skip(3)):
        found = capture(model, own, torch.arange(9)).stream
    plain = capture(model, own, torch.arange(9)).stream
    assert torch.equal(found[3], found[2])
    assert torch.equal(found[:3], plain[:3])
    assert not torch.equal(found[4], plain[4])


def test_steps_of_gradient_descent_may_change_places_but_none_may_be_missed():
    model = NativeModel(planted_model("gradient", 2, 4))
    inputs = torch.randn(3, 9, 2, generator=torch.Generator().manual_seed(0))
    plain = model.run(inputs)
    with editing(model, swap(2)):
        assert torch.equal(model.run(inputs), plain)
    for edit in (skip(2), repeat(2)):
        with editing(model, edit):
            edited = model.run(inputs)
        other = NativeModel(planted_model("gradient", 2, 3 if edit == skip(2) else 5))
        torch.testing.assert_close(edited, other.run(inputs))
        assert not torch.allclose(edited[:, -1], plain[:, -1])


def test_nothing_stays_after_an_exception(built, prompts):
    model, (own, _) = built("M4"), prompts
    plain = model.run(own)
    with pytest.raises(RuntimeError, match="stop"), editing(model, swap(1)):
        raise RuntimeError("stop")
    assert torch.equal(model.run(own), plain)
    assert not any(module._forward_hooks for module in model.model.modules())


def test_blocks_that_return_more_than_the_stream_and_take_masks_keep_them(prompts):
    """The mask is that of the turn; what else a block returned stays that of the block whose turn it was."""

    class Theirs(nn.Module):
        def __init__(self, scale):
            super().__init__()
            self.scale = scale

        def forward(self, hidden_states, mask):
            return hidden_states * self.scale + mask, f"cache of {self.scale}"

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(Theirs(scale) for scale in (2.0, 3.0, 5.0))

        def forward(self, stream):
            self.caches = []
            for mask, layer in enumerate(self.layers):
                stream, cache = layer(hidden_states=stream, mask=mask)
                self.caches.append(cache)
            return stream

    whole = Whole()
    model = ModuleModel(whole, ["layers.0:input", "layers.0", "layers.1", "layers.2"], decode=lambda x: x, inputs=3)
    own = prompts[0]
    with editing(model, swap(1)):
        torch.testing.assert_close(model.run(own), ((own * 3 + 0) * 2 + 1) * 5 + 2)
    assert whole.caches == ["cache of 2.0", "cache of 3.0", "cache of 5.0"]
    with editing(model, skip(3)):
        torch.testing.assert_close(model.run(own), (own * 2 + 0) * 3 + 1)


def test_layers_of_another_library_are_skipped_and_exchanged_as_if_built_so():
    """Their blocks take masks and positions by keyword."""
    transformers = pytest.importorskip("transformers", reason="the extra huggingface is not installed")
    from copy import deepcopy

    from probe.capture.huggingface import HuggingFaceModel

    config = transformers.LlamaConfig(
        vocab_size=11, hidden_size=16, intermediate_size=16, num_hidden_layers=3, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=16, pad_token_id=None, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = transformers.LlamaForCausalLM(config).eval().requires_grad_(False)
    model, tokens = HuggingFaceModel(theirs), torch.randint(11, (2, 7), generator=torch.Generator().manual_seed(0))
    plain = model.run(tokens)
    for edit, order in ((skip(2), [0, 2]), (swap(1), [1, 0, 2])):
        built = deepcopy(theirs)
        built.model.layers = nn.ModuleList(built.model.layers[place] for place in order)
        built.config.num_hidden_layers = len(order)
        with editing(model, edit):
            torch.testing.assert_close(model.run(tokens), HuggingFaceModel(built).run(tokens))
    assert torch.equal(model.run(tokens), plain)


@pytest.mark.parametrize("block", [0, 5])
def test_a_block_that_is_not_there_is_named(built, block):
    with (
        pytest.raises(ProbeError, match=f"no block {block}: the model has blocks 1 to 4"),
        editing(built("M4"), skip(block)),
    ):
        pass


def test_a_stream_that_enters_elsewhere_is_refused(built):
    model = built("M2")
    odd = Place("odd", model.places[1].module, "output", lambda raw: raw, entrance=model.model.read_in)
    model.places = [model.places[0], odd, model.places[2]]
    with pytest.raises(ProbeError, match="odd was given"), editing(model, skip(1)):
        pass


def test_a_block_without_a_turn_is_an_error(built):
    model = built("M2")
    with pytest.raises(AssertionError, match="block 1 had 0 turns"), editing(model, skip(1)):
        pass
