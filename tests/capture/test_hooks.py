"""Claims: what is captured is the stream at that moment, in memory of its own, and nothing stays on the model."""

import gc
import weakref

import pytest
import torch
from torch import nn

from probe.capture import Place, capture
from probe.capture.hooks import observe

DIM, WIDTH, TIME, BLOCKS = 3, 8, 7, 4


class Adds(nn.Module):
    """Returns a new stream."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, stream):
        return stream + self.linear(stream).tanh()


class AddsInPlace(Adds):
    """Overwrites the stream it is given and returns it."""

    def forward(self, stream):
        return stream.add_(self.linear(stream).tanh())


class Toy(nn.Module):
    """A stack of blocks as a stream; the read-out is a view of a wider tensor."""

    def __init__(self, block=Adds):
        super().__init__()
        torch.manual_seed(0)
        self.width = WIDTH
        self.embed = nn.Linear(DIM, WIDTH)
        self.blocks = nn.ModuleList(block() for _ in range(BLOCKS))
        self.read_out = nn.Linear(WIDTH, 5)
        self.seen = []
        exits = [Place(f"blocks.{i}", block, "output", self.read) for i, block in enumerate(self.blocks)]
        self.places = [Place("blocks.0 (input)", self.blocks[0], "input", self.read), *exits]

    def read(self, stream):
        self.seen.append(weakref.ref(stream.untyped_storage()))
        return stream

    def run(self, inputs):
        stream = self.embed(inputs)
        for block in self.blocks:
            stream = block(stream)
        return self.decode(stream)

    def normalise(self, stream):
        return stream

    def decode(self, stream):
        return self.read_out(stream)[..., :1]


def draw():
    return torch.randn(2, TIME, DIM, generator=torch.Generator().manual_seed(1))


def everywhere():
    return torch.arange(TIME)


def by_hand(model, inputs):
    """The stream at every layer of a `Toy` of blocks that add, without hooks."""
    layers = [model.embed(inputs)]
    for block in model.blocks:
        layers.append(layers[-1] + block.linear(layers[-1]).tanh())
    return torch.stack(layers)


def hooks(model):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def test_it_captures_the_stream_at_the_read_in_and_after_every_block():
    model, inputs = Toy(), draw()
    found = capture(model, inputs, everywhere())
    with torch.no_grad():
        assert torch.equal(found.stream, by_hand(model, inputs))
        assert torch.equal(found.output, model.run(inputs))
        assert torch.equal(model.decode(found.stream[-1]), found.output)


def test_only_the_tokens_asked_for_are_kept_in_the_order_asked():
    model, inputs = Toy(), draw()
    positions = torch.tensor([6, 0, 2])
    some, all_of_it = capture(model, inputs, positions), capture(model, inputs, everywhere())
    assert torch.equal(some.stream, all_of_it.stream[:, :, positions])
    assert torch.equal(some.output, all_of_it.output[:, positions])


def test_it_equals_plain_hooks_bit_for_bit():
    model, inputs, plain = Toy(), draw(), []
    handles = [model.blocks[0].register_forward_pre_hook(lambda _, given: plain.append(given[0].clone()))]
    handles += [block.register_forward_hook(lambda *seen: plain.append(seen[2].clone())) for block in model.blocks]
    with torch.no_grad():
        model.run(inputs)
    for handle in handles:
        handle.remove()
    assert torch.equal(capture(model, inputs, everywhere()).stream, torch.stack(plain))


def test_blocks_that_add_in_place_are_read_right():
    """Kept without a copy, every layer would be the last, and the last would still decode to the output."""
    model, inputs, kept = Toy(AddsInPlace), draw(), []
    with torch.no_grad():
        with observe(model.places, lambda _, stream: kept.append(stream)):
            model.run(inputs)
        assert all(torch.equal(stream, kept[-1]) for stream in kept)
        found = capture(model, inputs, everywhere())
        assert torch.equal(found.stream, by_hand(model, inputs))
        assert torch.equal(model.decode(found.stream[-1]), found.output)


def test_a_stream_in_two_parts_is_their_sum():
    """Blocks of the mamba_ssm family return what they wrote and what they were given apart."""

    class Apart(Adds):
        def forward(self, hidden, residual=None):
            stream = hidden if residual is None else hidden + residual
            return self.linear(stream).tanh(), stream

    class Family(Toy):
        def run(self, inputs):
            hidden, residual = self.embed(inputs), None
            for block in self.blocks:
                hidden, residual = block(hidden, residual)
            return self.decode(hidden + residual)

        def read(self, parts):
            return parts if isinstance(parts, torch.Tensor) else parts[0] + parts[1]

    model, inputs = Family(Apart), draw()
    with torch.no_grad():
        torch.testing.assert_close(capture(model, inputs, everywhere()).stream, by_hand(model, inputs))


def test_what_is_captured_owns_its_memory_and_no_more():
    """Every tensor of the model's is freed, and the storages are as large as the tensors."""
    model = Toy()
    found = capture(model, draw(), torch.tensor([0, 4]))
    gc.collect()
    assert len(model.seen) == BLOCKS + 1
    assert all(storage() is None for storage in model.seen)
    for tensor in (found.stream, found.output):
        assert tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
        assert not tensor.requires_grad
    assert found.output.shape == (2, 2, 1)


def test_nothing_done_to_what_is_captured_reaches_the_model():
    model, inputs = Toy(), draw()
    first = capture(model, inputs, everywhere())
    kept = first.stream.clone()
    first.stream.zero_()
    first.output.zero_()
    assert torch.equal(capture(model, inputs, everywhere()).stream, kept)


def test_no_hook_survives_a_capture():
    model = Toy()
    capture(model, draw(), everywhere())
    assert hooks(model) == 0


@pytest.mark.parametrize("where", ["in a block", "in a read", "while hooking"])
def test_no_hook_survives_an_exception(where, monkeypatch):
    """The first exception is the one that is raised, and the next capture is whole."""
    model, inputs = Toy(), draw()
    expected = capture(model, inputs, everywhere()).stream

    def fail(*_):
        raise ZeroDivisionError

    places = list(model.places)
    with monkeypatch.context() as broken:
        if where == "in a block":
            broken.setattr(model.blocks[2], "forward", fail)
        elif where == "in a read":
            broken.setattr(model, "places", [*places[:3], Place("bad", model.blocks[2], "output", fail)])
        else:
            broken.setattr(model.blocks[3], "register_forward_hook", fail)
        with pytest.raises(ZeroDivisionError):
            capture(model, inputs, everywhere())
    assert hooks(model) == 0
    assert torch.equal(capture(model, inputs, everywhere()).stream, expected)


def test_a_place_that_is_never_called_raises():
    """As where a fused path goes round a module."""

    class Fused(Toy):
        def run(self, inputs):
            stream = self.embed(inputs)
            for block in self.blocks:
                stream = block.forward(stream) if block is self.blocks[1] else block(stream)
            return self.decode(stream)

    model = Fused()
    with pytest.raises(AssertionError, match=r"the stream passed blocks\.1 0 times in one forward pass, not once"):
        capture(model, draw(), everywhere())
    assert hooks(model) == 0


def test_a_place_that_is_called_twice_raises():
    """As where blocks share their module: the later call would overwrite the earlier."""

    class Shared(Toy):
        def run(self, inputs):
            return self.decode(self.blocks[1](super().run(inputs).expand(-1, -1, WIDTH)))

    with pytest.raises(AssertionError, match=r"the stream passed blocks\.1 2 times"):
        capture(Shared(), draw(), everywhere())
