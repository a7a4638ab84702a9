"""Claims: what is held enters the scan by every backend as it does by hand; what is constant already may be held."""

import pytest
import torch
import torch.nn.functional as F

from probe.errors import ProbeError
from probe.interventions.internals import INTERNALS, holding, internals_of, means, zeros
from probe.interventions.mixers import mambas, reads

KERNELS = ["reference", "cpu"]


def by_hand(mixer, hidden, name, value):
    """Writes the mixer out, token by token, with one internal held."""
    inside = mixer.inside(hidden)
    gate, delta, B, C = inside.gate, inside.delta, inside.B, inside.C
    u = inside.convolution
    if name == "lookback":
        weight = mixer.conv1d.weight[:, 0]
        padded = torch.cat([value.expand(len(hidden), 3, -1), inside.entering], dim=1)
        alone = [
            mixer.conv1d.bias + weight[:, 3] * padded[:, t + 3] + sum(weight[:, tap] * value for tap in range(3))
            for t in range(hidden.shape[1])
        ]
        u = F.silu(torch.stack(alone, dim=1))
    if name == "convolution":
        u = value.expand_as(u)
    if name in ("convolution", "lookback"):
        raw, B, C = mixer.x_proj(u).split([mixer.rank, 16, 16], dim=-1)
        delta = F.softplus(mixer.dt_proj(raw))
    gate = value.expand_as(gate) if name == "gate" else gate
    delta = value.expand_as(delta) if name == "delta" else delta
    B = value.expand_as(B) if name == "B" else B
    C = value.expand_as(C) if name == "C" else C
    h, written = torch.zeros(len(hidden), u.shape[-1], 16), []
    for t in range(hidden.shape[1]):
        h = torch.exp(delta[:, t, :, None] * inside.rates) * h
        h = h + (delta[:, t] * u[:, t])[..., None] * B[:, t, None]
        written.append(((h * C[:, t, None]).sum(-1) + mixer.D * u[:, t]) * gate[:, t])
    return mixer.out_proj(torch.stack(written, dim=1))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", INTERNALS)
@pytest.mark.parametrize("how", ["zero", "mean"])
def test_a_held_internal_is_the_mixer_by_hand(built, prompts, kernel, name, how):
    model, (own, other) = built("M2", kernel), prompts
    mixer = mambas(model)[2]
    value = zeros(mixer)[name] if how == "zero" else means(model, {2: mixer}, [other])[2][name]
    plain, seen = model.run(own), []
    handle = model.model.blocks[1].register_forward_hook(lambda block, given, output: seen.append(output - given[0]))
    with holding(mixer, {name: value}):
        model.run(own)
    handle.remove()
    expected = by_hand(mixer, reads(model, {2: mixer}, own)[2], name, value)
    torch.testing.assert_close(seen[0], expected, rtol=1e-4, atol=2e-6)
    untouched = model.model.blocks[1](model.model.blocks[0](model.model.embed(own))) - model.model.blocks[0](
        model.model.embed(own)
    )
    assert (seen[0] - untouched).abs().max() > 1e-3
    assert torch.equal(model.run(own), plain)


@pytest.mark.parametrize("kernel", KERNELS)
def test_nothing_held_changes_nothing(built, prompts, kernel):
    model, (own, _) = built("M2", kernel), prompts
    plain = model.run(own)
    with holding(mambas(model)[1], {}):
        assert torch.equal(model.run(own), plain)


@pytest.mark.parametrize("name", ["delta", "B", "C"])
def test_what_is_constant_by_construction_is_its_own_mean(built, prompts, name):
    model, (own, other) = built(f"M[{name}=constant]2"), prompts
    mixers = mambas(model)
    mean = means(model, mixers, [other])[1]
    plain = model.run(own)
    with holding(mixers[1], {name: mean[name]}):
        torch.testing.assert_close(model.run(own), plain, rtol=1e-4, atol=1e-6)
    for away in {"delta", "B", "C"} - {name}:
        with holding(mixers[1], {away: mean[away]}):
            assert not torch.allclose(model.run(own), plain, rtol=1e-4, atol=1e-6)


def test_without_delta_b_or_c_only_the_skip_is_left(built, prompts):
    model, (own, _) = built("M2"), prompts
    mixer, found = mambas(model)[2], []
    for name in ("delta", "B", "C"):
        with holding(mixer, {name: zeros(mixer)[name]}):
            found.append(model.run(own))
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0], found[2])


@pytest.mark.parametrize("name", ["convolution", "gate"])
def test_without_convolution_or_gate_a_block_writes_nothing(built, prompts, name):
    model, (own, _) = built("M1"), prompts
    with holding(mambas(model)[1], {name: zeros(mambas(model)[1])[name]}):
        assert torch.equal(model.run(own), model.decode(model.model.embed(own)))


def test_means_are_over_all_prompts_and_tokens_however_they_are_batched(built, prompts):
    model, (own, other) = built("M2"), prompts
    mixers = mambas(model)
    once = means(model, mixers, [torch.cat([own, other])])
    parts = means(model, mixers, [own[:1], own[1:], other])
    inside = mixers[2].inside(reads(model, mixers, torch.cat([own, other]))[2])
    for name in INTERNALS:
        torch.testing.assert_close(once[2][name], parts[2][name])
    torch.testing.assert_close(once[2]["delta"], inside.delta.mean((0, 1)))
    torch.testing.assert_close(once[2]["lookback"], inside.entering.mean((0, 1)))


def test_a_mixer_without_a_gate_or_a_convolution_has_none_to_switch_off(built):
    mixer = mambas(built("M[gate=off,conv=off]1"))[1]
    assert internals_of(mixer) == ["convolution", "delta", "B", "C"]
    with pytest.raises(ProbeError, match="gate was to be held"), holding(mixer, {"gate": torch.zeros(32)}):
        pass


def test_nothing_stays_after_an_exception(built, prompts):
    model, (own, _) = built("M2"), prompts
    mixer, plain = mambas(model)[1], model.run(own)
    with pytest.raises(RuntimeError, match="stop"), holding(mixer, zeros(mixer)):
        raise RuntimeError("stop")
    assert torch.equal(model.run(own), plain)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.model.modules())


def test_models_without_mamba_say_so(built):
    with pytest.raises(ProbeError, match="blocks are Attention, MLP, but Mamba mixers of our own are needed"):
        mambas(built("(AF)1"))
    assert sorted(mambas(built("M(AM)1"))) == [1, 3]
