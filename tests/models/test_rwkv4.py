"""Claims: time mix and channel mix are Hugging Face's on shared weights, start as released, and run by the token."""

import math

import pytest
import torch
from torch import nn

from probe.models.rwkv4 import RWKV4ChannelMix, RWKV4TimeMix

# what transformers warns of in its own modules is not ours to mend
pytestmark = pytest.mark.filterwarnings("ignore:::transformers")

WIDTH, LAYERS = 16, 3
MIXERS = [RWKV4TimeMix, RWKV4ChannelMix]


def stirred(module):
    """Weights after training are nowhere as even as at the start, where most are 0."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module


def ours():
    torch.manual_seed(0)
    layers = []
    for layer in range(LAYERS):
        time = RWKV4TimeMix(WIDTH, 2 * LAYERS, index=2 * layer)
        channel = RWKV4ChannelMix(WIDTH, 2 * LAYERS, index=2 * layer + 1)
        layers.append(
            nn.ModuleDict(
                {"ln1": nn.LayerNorm(WIDTH), "attention": time, "ln2": nn.LayerNorm(WIDTH), "feed_forward": channel}
            )
        )
    return stirred(nn.ModuleDict({"blocks": nn.ModuleList(layers), "ln_out": nn.LayerNorm(WIDTH)}))


def run(model, stream):
    # Hugging Face's first layer has one more norm, which stands at 1 and 0 there
    stream = nn.functional.layer_norm(stream, (WIDTH,))
    for layer in model["blocks"]:
        stream = stream + layer["attention"](layer["ln1"](stream))
        stream = stream + layer["feed_forward"](layer["ln2"](stream))
    return model["ln_out"](stream)


def theirs(model):
    transformers = pytest.importorskip("transformers")
    config = transformers.RwkvConfig(vocab_size=2, hidden_size=WIDTH, num_hidden_layers=LAYERS, rescale_every=0)
    reference = transformers.RwkvModel(config)
    missing, unexpected = reference.load_state_dict(model.state_dict(), strict=False)
    assert sorted(missing) == ["blocks.0.pre_ln.bias", "blocks.0.pre_ln.weight", "embeddings.weight"]
    assert not unexpected
    return reference


@pytest.mark.parametrize("kernel", ["reference", "parallel", "cpu"])
@pytest.mark.parametrize("time", [1, 3, 40])
def test_outputs_and_gradients_equal_hugging_faces_on_shared_weights(kernel, time):
    """Three layers and the final norm; within 1e-5 of the largest number of each tensor, float32's rounding."""
    model = ours()
    for layer in model["blocks"]:
        layer["attention"].backend = kernel
    reference = theirs(model)
    stream, weights = torch.randn(2, 2, time, WIDTH, generator=torch.Generator().manual_seed(1))
    output = run(model, stream)
    (weights * output).sum().backward()
    expected = reference(inputs_embeds=stream, use_cache=False).last_hidden_state
    (weights * expected).sum().backward()

    assert close(output, expected)
    gradients = dict(reference.named_parameters())
    for name, parameter in model.named_parameters():
        found, wanted = parameter.grad, gradients[name].grad
        # with one token nothing is averaged: no weight by age matters
        if found is None or wanted is None:
            assert time == 1, name
            continue
        assert close(found, wanted), name


def close(found, expected):
    return (found - expected).abs().max() <= 1e-5 * expected.abs().max().clamp(min=1e-1)


def test_decays_and_shifts_start_as_released():
    """The first, the middle and the last layer of three, at the first, second and last channel."""
    for layer, (ratio, remaining) in enumerate([(0, 1), (1 / 2, 2 / 3), (1, 1 / 3)]):
        mixer = RWKV4TimeMix(WIDTH, 2 * LAYERS, index=2 * layer)
        power = 0.7 + 1.3 * ratio
        assert pick(mixer.time_decay) == pytest.approx([-5, -5 + 8 * (1 / 15) ** power, 3])
        assert pick(mixer.time_first) == pytest.approx([math.log(0.3) + shift for shift in (0, 0.5, 0)])
        share = [0, 1 / 16, 15 / 16]
        assert pick(mixer.time_mix_key) == pytest.approx([s**remaining for s in share])
        assert pick(mixer.time_mix_value) == pytest.approx([s**remaining + 0.3 * ratio for s in share])
        assert pick(mixer.time_mix_receptance) == pytest.approx([s ** (remaining / 2) for s in share])
        mixer = RWKV4ChannelMix(WIDTH, 2 * LAYERS, index=2 * layer + 1)
        assert pick(mixer.time_mix_key) == pytest.approx([s**remaining for s in share])
        assert pick(mixer.time_mix_receptance) == pytest.approx([s**remaining for s in share])


def pick(parameter):
    return parameter.detach().flatten()[[0, 1, -1]].tolist()


@pytest.mark.parametrize(("mixer", "drawn"), [(RWKV4TimeMix, "value"), (RWKV4ChannelMix, "key")])
def test_one_matrix_starts_orthogonal_and_the_others_at_zero(mixer, drawn):
    torch.manual_seed(0)
    mixer = mixer(WIDTH, 2)
    matrices = {name: weight for name, weight in mixer.named_parameters() if weight.ndim == 2}
    assert {name for name, weight in matrices.items() if weight.any()} == {f"{drawn}.weight"}
    weight = matrices[f"{drawn}.weight"]
    torch.testing.assert_close(weight.T @ weight, len(weight) / WIDTH * torch.eye(WIDTH), rtol=0, atol=1e-5)
    assert not mixer(torch.randn(1, 3, WIDTH)).any()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("mixer", MIXERS)
def test_step_by_step_equals_the_whole_sequence(mixer, dtype, tolerance):
    torch.manual_seed(0)
    mixer, hidden = stirred(mixer(WIDTH, 2)).to(dtype), torch.randn(3, 20, WIDTH, dtype=dtype)
    state, outputs = mixer.start(3), []
    for token in hidden.unbind(1):
        output, state = mixer.step(token, state)
        outputs.append(output)
    expected = mixer(hidden)
    assert expected.dtype == state[0].dtype == dtype
    assert (torch.stack(outputs, 1) - expected).abs().max() <= tolerance * expected.abs().max()


@pytest.mark.parametrize(("mixer", "reach"), [(RWKV4TimeMix, 20), (RWKV4ChannelMix, 14)])
def test_no_output_depends_on_a_later_token(mixer, reach):
    """A channel mix sees a token and the one before it."""
    torch.manual_seed(0)
    mixer, hidden = stirred(mixer(WIDTH, 2)), torch.randn(2, 20, WIDTH)
    changed = hidden.clone()
    changed[:, 12] += 1
    moved = (mixer(changed) != mixer(hidden)).any(-1).all(0)
    assert moved.tolist() == [12 <= t < reach for t in range(20)]


@pytest.mark.parametrize(
    ("mixer", "per_token"), [(RWKV4TimeMix, 8 * 256 + 30 * 16), (RWKV4ChannelMix, 18 * 256 + 19 * 16)]
)
def test_the_operations_are_counted(mixer, per_token):
    """Four square maps; or one to four times the width, one back and one square."""
    assert mixer(WIDTH, 2).flops(5) == 5 * per_token
