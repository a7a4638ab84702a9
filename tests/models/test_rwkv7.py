"""Claims: time mix and channel mix are the paper's equations, start as released, and run token by token."""

import math

import pytest
import torch

from probe.errors import ProbeError
from probe.models.rwkv7 import RWKV7ChannelMix, RWKV7TimeMix

WIDTH, HEADS = 16, 2


def draw(mixer, dtype=torch.float64, **settings):
    """Weights after training are nowhere as even as at the start, where many are 0."""
    torch.manual_seed(0)
    mixer = mixer(WIDTH, 6, **settings)
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return mixer.to(dtype), torch.randn(2, 20, WIDTH, dtype=dtype)


def by_hand(p, hidden):
    """Section 4.1 for one sequence, token by token, head by head, without the value residual; p are the weights."""
    before, states, outputs = torch.zeros(WIDTH, dtype=hidden.dtype), [0.0] * HEADS, []
    size = WIDTH // HEADS
    for x in hidden:
        mixed = {name: x + (before - x) * p[f"x_{name}"].flatten() for name in "rwkvag"}
        before = x
        d = p["w0"].flatten() + torch.tanh(mixed["w"] @ p["w1"]) @ p["w2"]
        w = torch.exp(-math.exp(-0.5) / (1 + torch.exp(-d)))
        a = 1 / (1 + torch.exp(-(p["a0"].flatten() + mixed["a"] @ p["a1"] @ p["a2"])))
        g = 1 / (1 + torch.exp(-mixed["g"] @ p["g1"])) @ p["g2"]
        r, k, v = (p[f"{n}.weight"] @ mixed[m] for n, m in (("receptance", "r"), ("key", "k"), ("value", "v")))
        replaced = k * (1 + (a - 1) * p["k_a"].flatten())
        read = []
        for h in range(HEADS):
            part = slice(h * size, (h + 1) * size)
            removed = (k * p["k_k"].flatten())[part]
            removed = removed / removed.square().sum().sqrt()
            transition = torch.diag(w[part]) - torch.outer(removed, a[part] * removed)
            states[h] = states[h] @ transition if len(outputs) else torch.zeros(size, size, dtype=hidden.dtype)
            states[h] = states[h] + torch.outer(v[part], replaced[part])
            y = states[h] @ r[part]
            y = (y - y.mean()) / (y.var(correction=0) + 64e-5).sqrt()
            y = y * p["ln_x.weight"][part] + p["ln_x.bias"][part]
            read.append(y + (r[part] * p["r_k"][h] * replaced[part]).sum() * v[part])
        outputs.append(p["output.weight"] @ (torch.cat(read) * g))
    return torch.stack(outputs)


@pytest.mark.parametrize("kernel", ["reference", "chunked"])
def test_the_time_mix_is_the_papers_equations(kernel):
    mixer, hidden = draw(RWKV7TimeMix, heads=HEADS)
    mixer.backend = kernel
    expected = torch.stack([by_hand(mixer.state_dict(), sequence) for sequence in hidden])
    torch.testing.assert_close(mixer(hidden), expected, rtol=1e-9, atol=1e-10)


def test_the_channel_mix_is_the_papers_equation():
    """value relu(key (x + (before - x) x_k))^2."""
    mixer, hidden = draw(RWKV7ChannelMix)
    before = torch.cat([torch.zeros_like(hidden[:, :1]), hidden[:, :-1]], dim=1)
    key = (hidden + (before - hidden) * mixer.x_k) @ mixer.key.weight.T
    torch.testing.assert_close(mixer(hidden), (key * (key > 0)) ** 2 @ mixer.value.weight.T)


def test_vectors_of_the_time_mix_start_as_released():
    """Three layers, the middle one, two heads of eight channels: the first, second and last channel."""
    mixer = RWKV7TimeMix(WIDTH, 6, HEADS, index=2)
    share, channel, zigzag = [0, 1 / 16, 15 / 16], [0, 1 / 15, 1], [-1, -((2.5 / 3.5) ** 2), 1]
    for name, power in (("r", 0.2), ("w", 0.9), ("k", 0.7), ("v", 0.7), ("a", 0.9), ("g", 0.2)):
        assert pick(getattr(mixer, f"x_{name}")) == pytest.approx([1 - s ** (power * 2 / 3) for s in share], abs=1e-6)
    decays = [-6 + 6 * c ** (1 + 0.5**0.3) + 0.5 + 2.5 * z for c, z in zip(channel, zigzag, strict=True)]
    assert pick(mixer.w0) == pytest.approx(decays)
    rates = [-0.19 + 0.3 * z + 0.4 * (c - 0.5) for c, z in zip(channel, zigzag, strict=True)]
    assert pick(mixer.a0) == pytest.approx(rates)
    assert pick(mixer.k_k) == pytest.approx([0.76, 0.71 - 0.1 * (1 / 15 - 0.5), 0.66])
    assert pick(mixer.k_a) == pytest.approx([1.02] * 3)
    assert pick(mixer.r_k) == pytest.approx([-0.04] * 3)
    share = [1 - s ** (2 / 3) ** 4 for s in share]
    assert pick(RWKV7ChannelMix(WIDTH, 6, index=3).x_k) == pytest.approx(share, abs=1e-6)


def pick(parameter):
    return parameter.detach().flatten()[[0, 1, -1]].tolist()


def test_matrices_start_as_released():
    """Uniform up to 1/2, 1/20 and 1/2 over sqrt(width), low-rank maps 0 and orthogonal, the output 0."""
    torch.manual_seed(0)
    mixer, channel = RWKV7TimeMix(64, 6, HEADS), RWKV7ChannelMix(64, 6)
    for linear, bound in ((mixer.receptance, 0.5), (mixer.key, 0.05), (mixer.value, 0.5), (channel.key, 0.5)):
        assert 0.99 * bound / 8 < linear.weight.abs().max() <= bound / 8
    for name, rank in (("w", 32), ("a", 32), ("g", 32)):
        first, second = mixer.get_parameter(f"{name}1"), mixer.get_parameter(f"{name}2")
        assert first.shape == (64, rank)
        assert not first.any()
        torch.testing.assert_close(second @ second.T, 0.01 * torch.eye(rank), rtol=0, atol=1e-6)
    assert not mixer.output.weight.any()
    assert not channel.value.weight.any()


@pytest.mark.parametrize(("width", "ranks"), [(64, (32, 32, 32)), (768, (64, 64, 128)), (2048, (128, 128, 224))])
def test_low_rank_maps_have_the_suggested_ranks(width, ranks):
    with torch.device("meta"):
        mixer = RWKV7TimeMix(width, 6, heads=width // 64)
    assert tuple(mixer.get_parameter(f"{name}1").shape[1] for name in "wag") == ranks


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 3e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("mixer", [RWKV7TimeMix, RWKV7ChannelMix])
def test_step_by_step_equals_the_whole_sequence(mixer, dtype, tolerance):
    mixer, hidden = draw(mixer, dtype)
    state, outputs = mixer.start(2), []
    for token in hidden.unbind(1):
        output, state = mixer.step(token, state)
        outputs.append(output)
    expected = mixer(hidden)
    assert expected.dtype == state[-1].dtype == dtype
    assert (torch.stack(outputs, 1) - expected).abs().max() <= tolerance * expected.abs().max()


@pytest.mark.parametrize(("mixer", "reach"), [(RWKV7TimeMix, 20), (RWKV7ChannelMix, 14)])
def test_no_output_depends_on_a_later_token(mixer, reach):
    """A channel mix sees a token and the one before it."""
    mixer, hidden = draw(mixer)
    changed = hidden.clone()
    changed[:, 12] += 1
    moved = (mixer(changed) != mixer(hidden)).any(-1).all(0)
    assert moved.tolist() == [12 <= t < reach for t in range(20)]


@pytest.mark.parametrize("mixer", [RWKV7TimeMix, RWKV7ChannelMix])
def test_every_parameter_has_a_gradient(mixer):
    mixer, hidden = draw(mixer)
    mixer(hidden).square().sum().backward()
    for name, parameter in mixer.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


@pytest.mark.parametrize("heads", [0, 3, -1])
def test_heads_that_do_not_divide_the_width_are_refused(heads):
    with pytest.raises(ProbeError, match=f"width of 16 cannot be split into {heads} heads of RWKV-7"):
        RWKV7TimeMix(16, 2, heads)


def test_the_operations_are_counted():
    """Four square maps, six maps of rank 32, two states of 8 by 8; or one map to four times the width and back."""
    mixer, _ = draw(RWKV7TimeMix, heads=HEADS)
    assert mixer.flops(3) == 3 * (2 * (4 * 256 + 6 * 32 * 16) + 9 * 2 * 64 + 55 * 16)
    assert RWKV7ChannelMix(WIDTH, 6).flops(3) == 3 * (16 * 256 + 11 * 16)
