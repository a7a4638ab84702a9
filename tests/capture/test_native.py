"""Claims: our own models' places are the read-in and every block, in order."""

import pytest
import torch

from probe.capture import DescribedModel, NativeModel, capture
from probe.config import ModelConfig
from probe.models import ResidualModel

CONFIGS = {
    "mamba": ModelConfig(layout="M3", dim=3, width=16),
    "transformer": ModelConfig(
        layout="(AF)2", dim=3, width=16, norm="layer", positions="learned", slots=9, attention_heads=2
    ),
    "hybrid": ModelConfig(layout="M(AM)1F", dim=3, width=16, outputs=2, attention_heads=2),
}


@pytest.fixture(params=CONFIGS)
def model(request):
    torch.manual_seed(0)
    return NativeModel(ResidualModel(CONFIGS[request.param]).eval())


@pytest.fixture
def inputs():
    return torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(1))


def test_layer_0_is_the_read_in_and_layer_i_what_leaves_block_i(model, inputs):
    """Bit for bit the stream that the blocks, called by hand, hand on; positions belong to layer 0."""
    found = capture(model, inputs, torch.arange(9))
    with torch.no_grad():
        layers = [model.model.embed(inputs)]
        for block in model.model.blocks:
            layers.append(block(layers[-1]))
    assert torch.equal(found.stream, torch.stack(layers))


def test_the_last_layer_decodes_to_the_output(model, inputs):
    """Bit for bit over all tokens; over some of them a matrix product may group its sums otherwise."""
    positions = torch.tensor([0, 4, 8])
    whole, some = capture(model, inputs, torch.arange(9)), capture(model, inputs, positions)
    with torch.no_grad():
        assert torch.equal(whole.output, model.model(inputs))
        assert torch.equal(model.decode(whole.stream[-1]), whole.output)
        torch.testing.assert_close(model.decode(some.stream[-1]), some.output, rtol=1e-5, atol=1e-6)


def test_it_says_what_every_verb_asks(model):
    assert isinstance(model, DescribedModel)
    assert model.width == 16
    blocks = len(model.model.blocks)
    assert [place.name for place in model.places] == ["blocks.0 (input)", *(f"blocks.{i}" for i in range(blocks))]


def test_capturing_changes_no_prediction_and_leaves_no_hook(model, inputs):
    with torch.no_grad():
        before = model.run(inputs)
        capture(model, inputs, torch.arange(9))
        assert torch.equal(model.run(inputs), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.model.modules())


def test_former_names_work_for_one_version_and_say_the_new_ones(model):
    import probe.capture as room

    with pytest.warns(DeprecationWarning, match="anatomy is called description now"):
        assert model.anatomy is model.description
    with pytest.warns(DeprecationWarning, match="points is called hook_points now"):
        assert list(model.points) == list(model.hook_points)
    for old, new in (("Anatomy", "ModelDescription"), ("watching", "observe")):
        with pytest.warns(DeprecationWarning, match=f"{old} is called {new} now"):
            assert getattr(room, old) is getattr(room, new)
    with pytest.raises(AttributeError, match="no attribute 'eyes'"):
        room.eyes  # noqa: B018
