"""Claims: patching a stream with itself changes no bit, with another prompt's gives its output, and nothing stays."""

import pytest
import torch
from torch import nn

from probe.capture import NativeModel, Place, capture, put_sum
from probe.config import ModelConfig
from probe.interventions import patching
from probe.models import ResidualModel

TIME, SYMBOLS = 6, 11
LAYOUTS = ["M2", "(AF)1", "M(AM)1"]


def built(layout):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = ModelConfig(layout, dim=1, width=8, outputs=SYMBOLS, symbols=SYMBOLS, attention_heads=2)
        stream = NativeModel(ResidualModel(config).eval().requires_grad_(False))
    stream.use_kernel("reference")
    return stream


def prompts():
    drawn = torch.randint(SYMBOLS, (2, 3, TIME), generator=torch.Generator().manual_seed(1))
    return drawn[0], drawn[1]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_stream_itself_changes_nothing_bit_for_bit(layout):
    model, (own, _) = built(layout), prompts()
    everywhere = torch.arange(TIME)
    plain = capture(model, own, everywhere)
    for place, stream in zip(model.places, plain.stream, strict=True):
        for positions in (everywhere, torch.tensor([TIME - 1]), torch.tensor([1, 4])):
            with patching(place, positions, stream[:, positions]):
                assert torch.equal(model.run(own), plain.output)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_another_prompts_whole_stream_gives_that_prompts_output(layout):
    model, (own, other) = built(layout), prompts()
    everywhere = torch.arange(TIME)
    theirs = capture(model, other, everywhere)
    assert not torch.equal(theirs.output, model.run(own))
    for place, stream in zip(model.places, theirs.stream, strict=True):
        with patching(place, everywhere, stream):
            assert torch.equal(model.run(own), theirs.output)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_patched_token_changes_no_earlier_prediction(layout):
    model, (own, other) = built(layout), prompts()
    plain, theirs = model.run(own), capture(model, other, torch.tensor([3])).stream
    for place, stream in zip(model.places, theirs, strict=True):
        with patching(place, torch.tensor([3]), stream):
            patched = model.run(own)
        assert torch.equal(patched[:, :3], plain[:, :3])
        assert not torch.allclose(patched[:, 3], plain[:, 3])


def test_the_models_own_tensors_are_not_written_to():
    model, (own, other) = built("M2"), prompts()
    theirs = capture(model, other, torch.tensor([2])).stream[1]
    vectors = theirs.clone()
    with patching(model.places[1], torch.tensor([2]), vectors):
        kept = capture(model, own, torch.arange(TIME)).stream
    assert torch.equal(vectors, theirs)
    assert torch.equal(kept[0], capture(model, own, torch.arange(TIME)).stream[0])


def test_no_hook_survives_the_body_or_an_exception():
    model, (own, _) = built("M2"), prompts()
    plain = model.run(own)
    for place in model.places:
        with pytest.raises(RuntimeError, match="stop"), patching(place, torch.tensor([0]), torch.zeros(3, 1, 8)):
            raise RuntimeError("stop")
        assert not place.module._forward_hooks
        assert not place.module._forward_pre_hooks
    assert torch.equal(model.run(own), plain)


def patch_and_run(model, own, times):
    with patching(model.places[1], torch.tensor([0]), torch.zeros(3, 1, 8)):
        for _ in range(times):
            model.run(own)


def test_a_body_that_runs_the_model_never_or_twice_is_an_error():
    model, (own, _) = built("M2"), prompts()
    for times in (0, 2):
        with pytest.raises(AssertionError, match=f"{times} times"):
            patch_and_run(model, own, times)


class Pair(nn.Module):
    """Hands on what it wrote and what it was given apart, in a tuple."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, given):
        hidden, residual = given
        residual = hidden + residual
        return self.linear(residual), residual


class Cached(nn.Module):
    """Returns the stream first of a tuple."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, given):
        stream = given[0] if isinstance(given, tuple) else given
        return stream + self.linear(stream), "cache"


@pytest.mark.parametrize(
    ("block", "wrap", "options"),
    [
        (Pair, lambda x: (x, torch.zeros_like(x)), {"read": lambda pair: pair[0] + pair[1], "write": put_sum}),
        (Cached, lambda x: x, {"read": lambda given: given[0] if isinstance(given, tuple) else given}),
    ],
    ids=["pair", "tuple"],
)
@pytest.mark.parametrize("side", ["input", "output"])
def test_tuples_and_pairs_are_written_as_they_are_read(block, wrap, options, side):
    torch.manual_seed(0)
    blocks = nn.Sequential(block(), block())
    place, read = Place("second", blocks[1], side, **options), options["read"]
    own, other = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    streams = []
    handle = blocks[1].register_forward_hook(
        lambda module, given, output: streams.append(read(given[0] if side == "input" else output))
    )
    result = blocks(wrap(other))
    handle.remove()
    with patching(place, torch.arange(3), streams[0]):
        patched = blocks(wrap(own))
    assert torch.allclose(read(patched), read(result), atol=1e-6)
    assert len(patched) == 2


def test_a_place_that_does_not_read_back_what_is_written_says_so():
    block = nn.Identity()
    place = Place("doubled", block, "output", lambda stream: 2 * stream)
    with (
        pytest.raises(AssertionError, match="doubled does not read back"),
        patching(place, torch.tensor([0]), torch.ones(1, 1, 4)),
    ):
        block(torch.ones(1, 2, 4))
