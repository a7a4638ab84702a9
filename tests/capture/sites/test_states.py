"""Claims: states are read after the asked tokens alone, and are those of the plain reference that keeps all of them."""

import pytest
import torch

from probe.capture import NativeModel
from probe.capture.sites import Narrow, capture_site, states_after_tokens
from probe.capture.sites.stepped import STEPPED, has_state
from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.kernels.selective_scan.reference import selective_scan_states
from probe.kernels.selective_scan.states import selective_scan_states_at
from probe.models import Block, ResidualModel

LAYOUTS = {
    "mamba": "M2", "mamba with a constant step": "M[delta=constant]2", "mamba2": "D[states=4]2", "rwkv4": "(RC)2",
    "rwkv7": "(VW)2", "linear attention": "(LF)2", "deltanet": "(EF)2", "gated deltanet": "(GF)2", "s4": "S[states=4]2",
    "s4 mamba": "T[states=4]2", "lstm": "U2", "rnn": "N2", "hybrid": "MAM", "looped": "{M}3",
    "the read-in again": "{M}[input=add]3",
}  # fmt: skip
TOKENS = [2, 5, 12]


def _model(layout: str) -> NativeModel:
    torch.manual_seed(0)
    config = ModelConfig(layout=layout, dim=3, width=16, norm="rms", attention_heads=2)
    model = ResidualModel(config).eval()
    for parameter in model.parameters():
        # maps that start at zero would leave states at zero
        torch.nn.init.normal_(parameter, std=0.3) if parameter.ndim > 1 and not parameter.any() else None
    return NativeModel(model)


def _inputs(time: int = 13) -> torch.Tensor:
    return torch.randn(2, time, 3, generator=torch.Generator().manual_seed(1))


def _reference(model: NativeModel, inputs: torch.Tensor) -> dict[int, list[torch.Tensor]]:
    """Every state of every block, one token after another by the mixers' own steps, from what they read."""
    found: dict[int, list[torch.Tensor]] = {}
    seen: dict[int, torch.Tensor] = {}
    hooks = [
        block.mixer.register_forward_pre_hook(lambda module, given, layer=layer: seen.update({layer: given[0]}))
        for layer, block in enumerate(model.model.blocks, 1)
        if isinstance(block, Block)
    ]
    with torch.no_grad():
        model.run(inputs)
    for hook in hooks:
        hook.remove()
    for layer, hidden in seen.items():
        mixer = model.model.blocks[layer - 1].mixer
        if not has_state(mixer):
            continue
        state = mixer.start(len(hidden))
        with torch.no_grad():
            for token in hidden.unbind(1):
                _, state = mixer.step(token, state)
                read = STEPPED.get(type(mixer), lambda all_of_it: all_of_it[-1])
                found.setdefault(layer, []).append(read(state).flatten(1))
    return found


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_states_at_some_tokens_are_those_of_the_reference_that_keeps_all(layout):
    model, inputs = _model(layout), _inputs()
    found = capture_site(model, inputs, TOKENS, "state", widest=0)
    every = _reference(model, inputs)
    assert found.layers == tuple(sorted(every))
    for place, layer in enumerate(found.layers):
        expected = torch.stack(every[layer], dim=1)[:, TOKENS]
        assert expected.abs().max() > 1e-3
        torch.testing.assert_close(found.values[place], expected, rtol=1e-4, atol=1e-5)


def test_what_the_model_predicts_at_the_tokens_comes_along():
    model, inputs = _model("MAM"), _inputs()
    with torch.no_grad():
        whole = model.run(inputs)
    torch.testing.assert_close(capture_site(model, inputs, TOKENS).output, whole[:, TOKENS], rtol=1e-5, atol=1e-6)


def test_tokens_may_come_in_any_order_and_again():
    model, inputs = _model("M2"), _inputs()
    ordered, other = (capture_site(model, inputs, tokens, widest=0).values for tokens in ([2, 5, 12], [12, 2, 12, 5]))
    assert torch.equal(other, ordered[:, :, [2, 0, 2, 1]])


def test_a_later_token_changes_no_earlier_state():
    model, inputs = _model("(GF)2"), _inputs()
    changed = inputs.clone()
    changed[:, 9:] += 1.0
    before, after = (capture_site(model, given, [8, 9], widest=0).values for given in (inputs, changed))
    assert torch.equal(before[:, :, 0], after[:, :, 0])
    assert not torch.allclose(before[:, :, 1], after[:, :, 1])


def test_no_hook_outlives_the_reading():
    model, inputs = _model("M2"), _inputs()
    capture_site(model, inputs, TOKENS)
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.model.modules())


def test_the_scan_over_stretches_is_the_scan_step_by_step(monkeypatch):
    """Also where a stretch ends between two tokens that are asked for, and in gradients."""
    monkeypatch.setattr("probe.kernels.selective_scan.states.NUMBERS", 3 * 2 * 4 * 5)
    draw = torch.Generator().manual_seed(2)
    u, step = (torch.randn(2, 20, 4, generator=draw, dtype=torch.float64) for _ in range(2))
    rates = -torch.rand(4, 5, generator=draw, dtype=torch.float64) * 3
    b = torch.randn(2, 20, 5, generator=draw, dtype=torch.float64)
    u.requires_grad_()
    softened = torch.nn.functional.softplus(step)
    every = selective_scan_states(u, step, rates, b, b, torch.ones(4, dtype=torch.float64))[1]
    tokens = [0, 1, 7, 19]
    some = torch.stack(list(selective_scan_states_at(u, softened, rates, b, tokens)), dim=1)
    torch.testing.assert_close(some, every[:, tokens])
    weight = torch.randn(some.shape, generator=draw, dtype=torch.float64)
    (ours,) = torch.autograd.grad((some * weight).sum(), u, retain_graph=True)
    (theirs,) = torch.autograd.grad((every[:, tokens] * weight).sum(), u)
    torch.testing.assert_close(ours, theirs)


def test_the_states_of_a_mixer_of_ones_own_are_all_that_its_step_passes_on():
    class Sum(torch.nn.Module):
        def start(self, batch):
            return (torch.zeros(batch, 2), torch.zeros(batch, 1))

        def step(self, hidden, state):
            after = (state[0] + hidden, state[1] + 1)
            return after[0], after

    hidden = torch.ones(1, 4, 2)
    found = [state.tolist() for state in states_after_tokens(Sum(), hidden, [0, 3])]
    assert found == [[[1.0, 1.0, 1.0]], [[4.0, 4.0, 4.0]]]


def test_wide_states_are_projected_alike_in_every_call_and_narrow_ones_are_read_as_they_are():
    model, inputs = _model("M2"), _inputs()
    whole = capture_site(model, inputs, TOKENS, widest=0)
    narrow = Narrow(0, 20)
    first, again = (capture_site(model, inputs, TOKENS, narrow=narrow).values for _ in range(2))
    other = capture_site(model, inputs, TOKENS, widest=20, seed=1).values
    assert torch.equal(first, again)
    assert first.shape[-1] == 20 and not torch.allclose(first, other)
    assert whole.numbers == (32 * 16, 32 * 16)
    assert torch.equal(capture_site(model, inputs, TOKENS, widest=512).values, whole.values)


def test_a_projection_does_not_depend_on_whether_it_is_kept(monkeypatch):
    values = torch.randn(2, 3, 9000, generator=torch.Generator().manual_seed(0))
    kept = Narrow(0, 8)(1, "state", values)
    monkeypatch.setattr("probe.capture.sites.narrow.KEPT", 0)
    torch.testing.assert_close(Narrow(0, 8)(1, "state", values), kept, rtol=1e-4, atol=1e-4)


def test_cells_that_are_narrower_than_the_widest_end_in_zeros():
    found = capture_site(_model("MS[states=4]"), _inputs(), TOKENS, widest=0)
    assert found.numbers == (512, 64)
    assert not found.values[1, ..., 64:].any() and found.values[1, ..., :64].any()


@pytest.mark.parametrize(("layout", "site"), [("(AF)2", "state"), ("M2", "attention"), ("A2", "mlp")])
def test_a_model_without_such_a_place_is_refused_in_a_sentence(layout, site):
    with pytest.raises(ProbeError, match=r"The model's blocks are .*, but .* Give --site stream"):
        capture_site(_model(layout), _inputs(), TOKENS, site)


def test_a_site_that_is_not_known_is_answered_with_the_one_that_was_meant():
    with pytest.raises(ProbeError, match="Did you mean state"):
        capture_site(_model("M2"), _inputs(), TOKENS, "staet")


def test_a_token_outside_the_sequence_is_refused():
    with pytest.raises(ProbeError, match="13 was asked for, but the sequences have 13 tokens"):
        capture_site(_model("M2"), _inputs(), [2, 13])
