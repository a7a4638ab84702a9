"""Claims: DeltaNet is its written-out equations, and its states are the least-mean-squares rule's weights."""

import pytest
import torch

from probe.models.deltanet import DeltaNet


@pytest.fixture
def mixer():
    torch.manual_seed(0)
    return DeltaNet(8, 1, heads=2).double()


def by_hand(mixer, hidden):
    """The layer for one sequence [time, width], one token and head after another: outputs and states."""
    mixed = []
    for projection, conv in (("q_proj", "q_conv1d"), ("k_proj", "k_conv1d"), ("v_proj", "v_conv1d")):
        x = hidden @ getattr(mixer, projection).weight.T
        taps = getattr(mixer, conv).weight.squeeze(1)
        out = torch.stack([sum(taps[:, 3 - k] * x[t - k] for k in range(4) if t >= k) for t in range(len(x))])
        mixed.append(out * torch.sigmoid(out))
    betas = torch.sigmoid(hidden @ mixer.b_proj.weight.T)
    outputs, states, state = [], [], torch.zeros(2, 4, 4, dtype=torch.float64)
    for t in range(len(hidden)):
        heads = []
        for h in range(2):
            q, k, v = (x[t, 4 * h : 4 * h + 4] for x in mixed)
            q, k = (x / (x.square().sum() + 1e-6).sqrt() for x in (q, k))
            state[h] += betas[t, h] * torch.outer(v - state[h] @ k, k)
            read = state[h] @ q
            heads.append(mixer.o_norm.weight * read / (read.square().mean() + 1e-5).sqrt())
        outputs.append(mixer.o_proj.weight @ torch.cat(heads))
        states.append(state.clone())
    return torch.stack(outputs), torch.stack(states, dim=1)


def test_outputs_and_states_are_those_of_the_written_out_equations(mixer):
    hidden = torch.randn(6, 8, dtype=torch.float64)
    with torch.no_grad():
        mixer.o_norm.weight.add_(torch.randn(4))
        outputs, states = by_hand(mixer, hidden)
        torch.testing.assert_close(mixer(hidden[None])[0], outputs)
        torch.testing.assert_close(mixer.states(hidden[None])[0], states)


def test_parameters_bear_the_official_names(mixer):
    parts = ("q_proj", "k_proj", "v_proj", "q_conv1d", "k_conv1d", "v_conv1d", "o_norm", "o_proj", "b_proj")
    assert [name for name, _ in mixer.named_parameters()] == [f"{part}.weight" for part in parts]


def test_operations_are_counted_part_by_part(mixer):
    """Width 8, 2 heads of 4, three tokens: the maps, three convolutions, 3 multiply-adds a number of the state."""
    assert mixer.flops(3) == 3 * (2 * (4 * 64 + 16) + 2 * 3 * 8 * 4 + 6 * 2 * 4 * 4)
