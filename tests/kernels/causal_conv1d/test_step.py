"""Claims: the convolution one step at a time is the convolution of the whole sequence."""

import pytest
import torch

from probe.kernels.causal_conv1d.reference import causal_conv1d
from probe.kernels.causal_conv1d.step import causal_conv1d_step


@pytest.mark.parametrize("taps", [1, 2, 4])
def test_steps_give_the_whole_sequence(taps):
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, 6, 3).double(), torch.randn(3, taps).double(), torch.randn(3).double()
    recent, outputs = torch.zeros(2, taps - 1, 3).double(), []
    for x_t in x.unbind(1):
        y, recent = causal_conv1d_step(x_t, recent, weight, bias)
        outputs.append(y)
    torch.testing.assert_close(torch.stack(outputs, dim=1), causal_conv1d(x, weight, bias))
    assert recent.shape == (2, taps - 1, 3)
