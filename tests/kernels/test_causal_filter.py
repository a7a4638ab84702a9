"""Claims: the matrix product is the written-out sum over earlier tokens, and nothing later enters it."""

import pytest
import torch

from probe.kernels.causal_filter import causal_filter


@pytest.mark.parametrize("time", [1, 2, 7])
def test_it_is_the_written_out_sum(time):
    generator = torch.Generator().manual_seed(0)
    response = torch.randn(3, time, generator=generator, dtype=torch.float64)
    u = torch.randn(2, time, 3, generator=generator, dtype=torch.float64)
    expected = torch.zeros_like(u)
    for t in range(time):
        for s in range(t + 1):
            expected[:, t] += response[:, t - s] * u[:, s]
    torch.testing.assert_close(causal_filter(response, u), expected)


def test_no_output_depends_on_a_later_token_not_even_by_rounding():
    response, u = torch.ones(1, 6), torch.randn(1, 6, 1, generator=torch.Generator().manual_seed(0))
    changed = u.clone()
    changed[:, 4] = 1e20
    moved = causal_filter(response, u) != causal_filter(response, changed)
    assert moved.flatten().tolist() == [False] * 4 + [True] * 2
