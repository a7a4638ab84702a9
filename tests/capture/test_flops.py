"""Claims: operations are counted to each place, also where torch would run them as one; nothing is left changed."""

import pytest
import torch
from torch import nn

from probe.capture import Place
from probe.capture.flops import count_flops

WIDTH, TIME = 8, 6


def first(value):
    return value[0] if isinstance(value, tuple) else value


def counted(layer):
    """The operations before a layer, which stands behind a linear one, and after it."""
    layer = layer.eval()
    places = [Place("in", layer, "input", first), Place("out", layer, "output", first)]
    return count_flops(nn.Sequential(nn.Linear(3, WIDTH), layer), torch.ones(1, TIME, 3), places)


READ_IN = 2 * TIME * 3 * WIDTH
PRODUCT = 2 * TIME * WIDTH * WIDTH
ATTENTION = 4 * PRODUCT + 4 * TIME * TIME * WIDTH  # scores and their use, causal or not


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Linear(WIDTH, WIDTH), PRODUCT),
        (nn.RNN(WIDTH, WIDTH, batch_first=True), 2 * PRODUCT),
        (nn.GRU(WIDTH, WIDTH, batch_first=True), 6 * PRODUCT),
        (nn.LSTM(WIDTH, WIDTH, batch_first=True), 8 * PRODUCT),
        (nn.TransformerEncoderLayer(WIDTH, 2, WIDTH, batch_first=True), ATTENTION + 2 * PRODUCT),
    ],
    ids=["linear", "rnn", "gru", "lstm", "encoder"],
)
def test_operations_are_those_of_the_formula(layer, expected):
    assert counted(layer) == [READ_IN, READ_IN + expected]


def settings():
    attention = (torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled())
    return torch.backends.mha.get_fastpath_enabled(), attention, torch.is_grad_enabled()


def test_torchs_settings_are_what_they_were():
    before = settings()
    counted(nn.Linear(WIDTH, WIDTH))
    with pytest.raises(RuntimeError):
        counted(nn.Linear(1, 1))
    assert settings() == before
