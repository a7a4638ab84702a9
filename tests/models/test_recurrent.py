"""Claims: the LSTM and the RNN are their textbook equations on torch's weights."""

import pytest
import torch

from probe.models.recurrent import LSTM, RNN


@pytest.fixture
def hidden():
    torch.manual_seed(1)
    return torch.randn(2, 5, 4, dtype=torch.float64)


def test_the_rnn_is_relu_of_two_maps(hidden):
    torch.manual_seed(0)
    mixer = RNN(4, blocks=3).double()
    weights, state, outputs = dict(mixer.rnn.named_parameters()), torch.zeros(2, 4, dtype=torch.float64), []
    for x in hidden.unbind(1):
        entering = x @ weights["weight_ih_l0"].T + weights["bias_ih_l0"]
        state = torch.relu(entering + state @ weights["weight_hh_l0"].T + weights["bias_hh_l0"])
        outputs.append(state)
    torch.testing.assert_close(mixer(hidden), torch.stack(outputs, dim=1))


def test_the_lstm_has_an_input_a_forget_and_an_output_gate(hidden):
    torch.manual_seed(0)
    mixer = LSTM(4, blocks=3).double()
    weights, outputs = dict(mixer.lstm.named_parameters()), []
    state, cell = torch.zeros(2, 2, 4, dtype=torch.float64)
    for x in hidden.unbind(1):
        entering = x @ weights["weight_ih_l0"].T + weights["bias_ih_l0"]
        opening, keeping, new, reading = (entering + state @ weights["weight_hh_l0"].T + weights["bias_hh_l0"]).chunk(
            4, dim=-1
        )
        cell = torch.sigmoid(keeping) * cell + torch.sigmoid(opening) * torch.tanh(new)
        state = torch.sigmoid(reading) * torch.tanh(cell)
        outputs.append(state)
    torch.testing.assert_close(mixer(hidden), torch.stack(outputs, dim=1))


@pytest.mark.parametrize("mixer", [LSTM, RNN])
def test_weights_start_uniform_up_to_one_over_the_root_of_the_width_whatever_the_depth(mixer):
    drawn = []
    for blocks in (1, 16):
        torch.manual_seed(0)
        drawn.append(torch.cat([weight.detach().flatten() for weight in mixer(64, blocks).parameters()]))
    assert torch.equal(*drawn)
    assert 0.99 / 8 < drawn[0].abs().max() <= 1 / 8


def test_operations_are_counted_part_by_part():
    """Width 4, three tokens: 2 a weight of a map, and the LSTM's cell and output."""
    assert RNN(4, 1).flops(3) == 3 * 2 * 2 * 16
    assert LSTM(4, 1).flops(3) == 3 * (2 * 8 * 16 + 4 * 4)
