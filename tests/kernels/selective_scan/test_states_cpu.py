"""Claims: the fused pass has the reference's states after any tokens; what it cannot take goes token by token."""

import pytest
import torch

from probe.kernels.selective_scan.reference import selective_scan_states as reference
from probe.kernels.selective_scan.states import fused, selective_scan_states


def draw(batch=3, time=23, channels=24, states=16):
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(shape, generator=generator)

    step = torch.nn.functional.softplus(normal(batch, time, channels) - 1)
    return normal(batch, time, channels), step, -normal(channels, states).exp(), normal(batch, time, states)


def exact(u, step, A, B):
    """Every state, in double precision; the reference takes the step before softplus."""
    u, step, A, B = (tensor.double() for tensor in (u, step, A, B))
    return reference(u, step.expm1().log(), A, B, B, torch.zeros(len(A), dtype=torch.float64))[1]


@pytest.mark.parametrize("tokens", [[0], [22], [0, 1, 2], [3, 7, 8, 21], list(range(23)), []])
@pytest.mark.parametrize("states", [16, 32])
def test_they_are_the_references_after_any_tokens(tokens, states):
    given = draw(states=states)
    assert fused(*given)
    found, wanted = selective_scan_states(*given, tokens), exact(*given)[:, tokens]
    assert found.shape == wanted.shape
    assert not len(tokens) or (found - wanted).abs().max() <= 1e-6 * wanted.abs().max()


@pytest.mark.parametrize("change", ["double", "few states", "growing", "learned"])
def test_what_the_fused_pass_cannot_take_goes_token_by_token(change):
    u, step, A, B = draw(states=5 if change == "few states" else 16)
    if change == "double":
        u, step, A, B = u.double(), step.double(), A.double(), B.double()
    if change == "growing":
        A = A.clone()
        A[0, 0] = 0.01
    if change == "learned":
        u.requires_grad_()
    assert not fused(u, step, A, B)
    found, wanted = selective_scan_states(u, step, A, B, [4, 22]), exact(u.detach(), step, A, B)[:, [4, 22]]
    assert (found - wanted).abs().max() <= 1e-6 * wanted.abs().max()
    assert found.requires_grad == (change == "learned")


def test_threads_change_no_bit():
    given, threads = draw(), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = selective_scan_states(*given, [5, 22])
        torch.set_num_threads(3)
        shared = selective_scan_states(*given, [5, 22])
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(alone, shared)
