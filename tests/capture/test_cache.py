"""Claims: every model has a cache by TransformerLens's names, of copies, equal to what is captured and to hooks."""

import pytest
import torch

from probe.capture import Cache, ModuleModel, NativeModel, capture, run_with_cache
from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.models import ResidualModel

TIME = 7


def native(layout="AFM", **options):
    torch.manual_seed(0)
    return NativeModel(ResidualModel(ModelConfig(layout=layout, dim=3, width=8, attention_heads=2, **options)).eval())


def draw():
    return torch.randn(2, TIME, 3, generator=torch.Generator().manual_seed(1))


def test_a_model_of_ours_has_every_name_in_the_order_in_which_they_come():
    model, inputs = native(), draw()
    output, cache = model.run_with_cache(inputs)
    assert list(cache) == [
        "hook_embed",
        *("blocks.0.hook_resid_pre", "blocks.0.hook_attn_out", "blocks.0.hook_resid_post"),
        *("blocks.1.hook_resid_pre", "blocks.1.hook_mlp_out", "blocks.1.hook_resid_post"),
        *("blocks.2.hook_resid_pre", "blocks.2.hook_mixer_out", "blocks.2.hook_resid_post"),
        "ln_final.hook_normalized",
    ]
    captured = capture(model, inputs, torch.arange(TIME))
    assert torch.equal(output, captured.output)
    for i, stream in enumerate(captured.stream[1:]):
        assert torch.equal(cache["resid_pre", i], captured.stream[i])
        assert torch.equal(cache["resid_post", i], stream)
        assert torch.equal(cache["resid_pre", i] + cache[["attn_out", "mlp_out", "mixer_out"][i], i], stream)
    assert torch.equal(cache["ln_final.hook_normalized"], model.normalise(captured.stream[-1]))
    assert cache["embed"] is cache["hook_embed"]
    assert cache["resid_post", -1] is cache["blocks.2.hook_resid_post"]
    assert "blocks.3.hook_resid_pre" not in cache
    assert len(cache) == len(dict(cache)) == 11


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        ("blocks.1.hook_resid_pre", 1),
        (["hook_embed", "blocks.0.hook_resid_post"], 2),
        (lambda name: name.endswith("resid_post"), 3),
        ([], 0),
    ],
)
def test_a_filter_is_a_name_or_several_or_a_function(names, kept):
    model = native()
    output, cache = model.run_with_cache(draw(), names_filter=names)
    assert len(cache) == kept
    whole = model.run_with_cache(draw())[1]
    assert all(torch.equal(value, whole[name]) for name, value in cache.items())
    assert torch.equal(output, model.run(draw()))


def test_some_tokens_are_kept_and_nothing_larger_with_them():
    model = native()
    whole = model.run_with_cache(draw())[1]
    for part, expected in ((3, (2, 8)), (slice(1, 4), (2, 3, 8))):
        cache = model.run_with_cache(draw(), pos_slice=part)[1]
        for name, value in cache.items():
            assert value.shape == expected
            assert torch.equal(value, whole[name][:, part])
            assert value.untyped_storage().nbytes() == value.numel() * 4
            assert not value.requires_grad


@pytest.mark.parametrize("stop", [0, 1, 3, -1])
def test_a_pass_stops_at_a_layer_and_returns_the_stream_there(stop):
    model = native()
    stream, cache = model.run_with_cache(draw(), "blocks.0.hook_resid_pre", stop_at_layer=stop)
    assert torch.equal(stream, capture(model, draw(), torch.arange(TIME)).stream[stop + 3 if stop < 0 else stop])
    assert len(cache) == 1
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.model.modules())


def test_any_model_has_a_cache_of_its_stream():
    own = native("U2").model
    model = ModuleModel(own, ["blocks.0:input", "blocks.0", "blocks.1"], own.decode, inputs=3)
    output, cache = run_with_cache(model, draw(), device="cpu")
    assert isinstance(cache, Cache)
    assert list(cache) == [f"blocks.{i}.hook_resid_{side}" for i in range(2) for side in ("pre", "post")]
    theirs = NativeModel(own).run_with_cache(draw())[1]
    assert all(torch.equal(value, theirs[name]) for name, value in cache.items())
    assert torch.equal(output, own(draw()))


def test_blocks_that_write_in_place_are_read_right():
    model = native("M2")
    for block in model.model.blocks:
        block.forward = lambda stream, block=block: stream.copy_(stream + block.mixer(block.norm(stream)))
    with torch.no_grad():
        cache = model.run_with_cache(draw())[1]
    assert torch.equal(cache["resid_post", 0], cache["resid_pre", 1])
    assert not torch.equal(cache["resid_post", 0], cache["resid_pre", 0])


def test_gradients_flow_through_the_output():
    model = native()
    output, cache = model.run_with_cache(draw(), "hook_embed")
    output.sum().backward()
    assert model.model.read_in.weight.grad.abs().sum() > 0
    assert not cache["embed"].requires_grad


def test_names_and_layers_that_do_not_exist_are_refused_in_a_sentence():
    with pytest.raises(ProbeError, match=r"Did you mean blocks\.1\.hook_resid_pre"):
        native().run_with_cache(draw(), "block.1.hook_resid_pre")
    with pytest.raises(ProbeError, match="the model has 3 blocks"):
        native().run_with_cache(draw(), stop_at_layer=4)
    with pytest.raises(KeyError):
        native().run_with_cache(draw())[1]["resid_mid", 0]


def test_a_mistyped_name_is_a_key_error_that_names_the_nearest_one():
    cache = Cache({"hook_embed": torch.zeros(1), "blocks.0.hook_resid_post": torch.ones(1)}, 1)
    for wrong in ("blocks.0.hook_resid_pots", ("resid_pots", 0)):
        with pytest.raises(KeyError, match=r"Did you mean blocks\.0\.hook_resid_post\? Names: hook_embed, blocks"):
            cache[wrong]
    assert "hook_resid" not in cache
    assert cache.get("hook_resid") is None
    assert cache["embed"] is cache["hook_embed"]
