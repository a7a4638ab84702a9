"""Claims: every recurrent mixer, whatever its settings, sees no later token and is its own step-by-step form."""

from itertools import product

import pytest
import torch

from probe.models.deltanet import DeltaNet
from probe.models.gated_deltanet import GatedDeltaNet
from probe.models.linear_attention import LinearAttention
from probe.models.mamba import Mamba
from probe.models.mamba2 import Mamba2
from probe.models.recurrent import LSTM, RNN

WIDTH, BATCH = 16, 2


def mambas():
    for delta, b, c in product(("selective", "constant"), repeat=3):
        yield Mamba, {"delta": delta, "B": b, "C": c}
    for conv, gate in (("off", "on"), ("on", "off"), ("off", "off")):
        yield Mamba, {"conv": conv, "gate": gate}
    yield Mamba, {"delta": "constant", "B": "constant", "C": "constant", "conv": "off", "gate": "off"}


def fast_weights():
    for kind in (LinearAttention, DeltaNet, GatedDeltaNet):
        for conv in ("on", "off"):
            yield kind, {"conv": conv}
    for kind in (LinearAttention, DeltaNet):
        yield kind, {"conv": "off", "feature": "none", "norm": "off"}
    yield GatedDeltaNet, {"heads": 2, "gate": "off", "expand": 1}
    yield DeltaNet, {"heads": 1}


RECURRENT = [(LSTM, {}), (RNN, {})]
MIXERS = [*mambas(), *fast_weights(), (Mamba2, {}), (Mamba2, {"heads": 2, "states": 3}), *RECURRENT]
every_mixer = pytest.mark.parametrize(
    ("mixer", "settings"), MIXERS, ids=[f"{kind.__name__} {' '.join(map(str, s.values()))}" for kind, s in MIXERS]
)


def build(mixer, settings):
    """A mixer with uneven weights, as after training."""
    torch.manual_seed(0)
    built = mixer(WIDTH, 2, **settings)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return built


def draw(time, dtype):
    return torch.randn(BATCH, time, WIDTH, generator=torch.Generator().manual_seed(1)).to(dtype)


@every_mixer
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_token_by_token_is_the_whole_sequence(mixer, settings, dtype, tolerance):
    """Within the tolerance of the largest number, over 70 tokens: more than one chunk of any chunked form."""
    built, hidden = build(mixer, settings).to(dtype), draw(70, dtype)
    whole = built(hidden)
    state, written = built.start(BATCH), []
    for token in hidden.unbind(1):
        out, state = built.step(token, state)
        written.append(out)
    found = torch.stack(written, dim=1)
    assert found.dtype == whole.dtype == dtype
    assert (found - whole).abs().max() <= tolerance * whole.abs().max()


@every_mixer
def test_no_output_depends_on_a_later_token(mixer, settings):
    built, before = build(mixer, settings), draw(9, torch.float32)
    after = before.clone()
    after[:, 5:] += 1
    first, second = built(before), built(after)
    torch.testing.assert_close(first[:, :5], second[:, :5])
    assert ((first - second)[:, 5:].abs().amax(-1) > 1e-3).all()


@every_mixer
def test_an_early_token_reaches_every_later_output(mixer, settings):
    built, before = build(mixer, settings), draw(9, torch.float32)
    after = before.clone()
    after[:, 0] += 1
    assert ((built(before) - built(after)).abs().amax(-1) > 1e-7).all()


@every_mixer
def test_every_parameter_is_used(mixer, settings):
    built = build(mixer, settings)
    built(draw(9, torch.float32)).square().sum().backward()
    unused = [name for name, value in built.named_parameters() if value.grad is None or not value.grad.any()]
    assert not unused


@pytest.mark.parametrize(("mixer", "settings"), [pair for pair in MIXERS if pair not in RECURRENT])
def test_the_output_weights_start_smaller_in_deeper_models(mixer, settings):
    """Divided by the square root of the number of blocks; nothing else depends on it."""
    few, many = ({}, {})
    for blocks, weights in ((1, few), (16, many)):
        torch.manual_seed(0)
        weights.update(mixer(WIDTH, blocks, **settings).state_dict())
    changed = [name for name in few if not torch.equal(few[name], many[name])]
    assert len(changed) == 1
    torch.testing.assert_close(few[changed[0]], 4 * many[changed[0]])


@every_mixer
@pytest.mark.parametrize("time", [1, 20])
def test_operations_are_at_least_those_of_the_weight_matrices(mixer, settings, time):
    """Two for each weight of a linear map and each token; an upper bound keeps the rest in proportion."""
    built = build(mixer, settings)
    linear = sum(m.weight.numel() for m in built.modules() if isinstance(m, torch.nn.Linear))
    assert 2 * time * linear < built.flops(time) < 6 * time * linear + 100_000 * time
