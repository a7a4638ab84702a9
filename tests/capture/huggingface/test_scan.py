"""Claims: our scan under a Mamba of transformers changes neither outputs nor gradients, nor any other model."""

import copy
import functools

import pytest
import torch

from probe.capture import capture
from probe.capture.huggingface import HuggingFaceModel, scan
from probe.errors import ProbeError

MAMBAS = ["mamba", "falcon_mamba", "jamba"]
# the scan adds up in another order: float32 rounding, no more
CLOSE = {"rtol": 1e-4, "atol": 2e-6}


@pytest.fixture
def calls(monkeypatch):
    """Every backend that our scan was asked for."""
    found, real = [], scan.selective_scan

    def count(*tensors, backend):
        found.append(backend)
        return real(*tensors, backend=backend)

    monkeypatch.setattr(scan, "selective_scan", count)
    return found


@pytest.mark.parametrize("kind", MAMBAS)
def test_every_layer_and_the_output_stay_the_same(tiny, tokens, kind, calls):
    own, ours = HuggingFaceModel(tiny(kind)), HuggingFaceModel(tiny(kind))
    ours.use_kernel("cpu")
    everywhere = torch.arange(tokens.shape[1])
    expected, found = capture(own, tokens, everywhere), capture(ours, tokens, everywhere)
    assert calls == ["cpu"] * own.description.layout.count("M") * (1 if kind == "jamba" else 3)
    torch.testing.assert_close(found.stream, expected.stream, **CLOSE)
    torch.testing.assert_close(found.output, expected.output, **CLOSE)
    assert not torch.equal(expected.stream[1], expected.stream[3])


@pytest.mark.parametrize("kind", MAMBAS)
def test_gradients_stay_the_same(tiny, tokens, kind, calls):
    found = []
    for backend in ("reference", "cpu"):
        model = HuggingFaceModel(tiny(kind).requires_grad_(True))
        model.use_kernel(backend)
        model.run(tokens).square().sum().backward()
        found.append({name: parameter.grad for name, parameter in model.model.named_parameters()})
    assert calls
    assert any("A_log" in name for name in found[0])
    for name, gradient in found[0].items():
        scale = gradient.abs().max().item()
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-3, atol=1e-5 * scale + 1e-7, msg=name)


def test_it_can_be_taken_out_again(tiny, tokens, calls):
    model = HuggingFaceModel(tiny("mamba"))
    with torch.no_grad():
        before = model.run(tokens)
        model.use_kernel("cpu")
        model.use_kernel("cpu")
        model.run(tokens)
        assert len(calls) == 3
        for back in ("reference", "auto"):
            model.use_kernel("cpu")
            model.use_kernel(back)
            assert torch.equal(model.run(tokens), before)
    assert len(calls) == 3
    assert all("forward" not in vars(module) for module in model.model.modules())


def test_only_this_model_is_changed(tiny, tokens, calls):
    model, other = HuggingFaceModel(tiny("mamba")), HuggingFaceModel(tiny("mamba"))
    model.use_kernel("cpu")
    other.run(tokens)
    assert calls == []
    twin = HuggingFaceModel(copy.deepcopy(model.model))
    model.use_kernel("auto")
    twin.model.get_parameter("backbone.layers.0.mixer.D").zero_()
    twin.run(tokens)
    assert calls == ["cpu"] * 3
    assert model.model.get_parameter("backbone.layers.0.mixer.D").abs().max() > 0


@pytest.mark.parametrize("options", [{"use_cache": True}, {"attention_mask": torch.tensor([[0, 0] + [1] * 9] * 2)}])
def test_with_a_cache_or_a_mask_the_model_s_own_code_runs(tiny, tokens, calls, options):
    own, ours = tiny("mamba"), tiny("mamba")
    HuggingFaceModel(ours).use_kernel("cpu")
    with torch.no_grad():
        assert torch.equal(ours(input_ids=tokens, **options).logits, own(input_ids=tokens, **options).logits)
    assert calls == []


@pytest.mark.parametrize("kind", MAMBAS)
def test_text_read_symbol_by_symbol_with_a_cache_is_read_as_in_one_pass(tiny, tokens, kind):
    model = tiny(kind)
    HuggingFaceModel(model).use_kernel("cpu")
    with torch.no_grad():
        expected, cache = model(input_ids=tokens, use_cache=False).logits, {}
        for i in range(tokens.shape[1]):
            found = model(input_ids=tokens[:, i : i + 1], use_cache=True, **cache)
            # by the first name that this version of the library has for it
            name = next(name for name in ("cache", "cache_params", "past_key_values") if name in found)
            cache = {name: found[name]}
            torch.testing.assert_close(found.logits[:, 0], expected[:, i], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("given", [((), {"memory": object()}), ((object(),), {}), ((None, object()), {"x": None})])
def test_anything_beside_the_stream_means_the_model_s_own_code_whatever_it_is_called(tiny, calls, given):
    mixer = tiny("mamba").backbone.layers[0].mixer
    seen, (positional, named), stream = [], given, torch.randn(2, 5, 32)
    own = lambda *positional, **named: seen.append((positional, named))  # noqa: E731
    ours = functools.partial(scan._forward, mixer, own, "cpu")
    ours(stream, *positional, **named)
    assert calls == []
    assert seen == [((stream, *positional), named)]
    ours(stream, None, cache=None, use_cache=False)
    ours(hidden_states=stream, attention_mask=None)
    assert calls == ["cpu", "cpu"]


def test_a_mixer_of_another_make_is_left_alone(tiny, tokens, calls):
    model = HuggingFaceModel(tiny("mamba"))
    for layer in model.model.backbone.layers:
        layer.mixer.selection = layer.mixer.x_proj
        del layer.mixer.x_proj
    model.use_kernel("cpu")
    assert all("forward" not in vars(module) for module in model.model.modules())


def test_models_without_a_selective_scan_are_left_alone(tiny, tokens):
    for kind in ("gpt2", "mamba2", "rwkv"):
        model = HuggingFaceModel(tiny(kind))
        before = model.run(tokens)
        model.use_kernel("cpu")
        assert torch.equal(model.run(tokens), before)


def test_a_kernel_that_does_not_exist_is_refused(tiny):
    with pytest.raises(ProbeError, match="No kernel is called 'gpu'"):
        HuggingFaceModel(tiny("mamba")).use_kernel("gpu")
