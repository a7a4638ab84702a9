"""The states of the selective scan after some tokens alone, in memory that does not grow with the tokens between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module

import torch
from jaxtyping import Float
from torch import Tensor

from probe.kernels.selective_scan.reference import next_state

NUMBERS = 2**21
"""Numbers that are held at a time for a stretch of tokens: a batch of them, times channels, times states."""


def selective_scan_states_at(
    u: Float[Tensor, "batch time channels"],
    step: Float[Tensor, "batch time channels"],
    A: Float[Tensor, "channels state"],
    B: Float[Tensor, "batch time state"],
    tokens: Sequence[int],
) -> Iterator[Float[Tensor, "batch channels state"]]:
    """Yields h_t after each of the tokens: what `reference.selective_scan_states` returns there, to rounding.

    From one token q to a later one p the recurrence is, with elapsed time E_t, the sum of the steps up to t,

        h_p = exp((E_p - E_q) A) h_q + sum over s in q+1..p of exp((E_p - E_s) A) step_s B_s u_s,

    which is summed a stretch at a time; no exponent is positive. Differentiable.

    Args:
        step: the step size, after bias and softplus.
        tokens: ascending, each once.
    """
    state = u.new_zeros(len(u), *A.shape)
    stretch = max(1, NUMBERS // state.numel())
    first = 0
    for token in tokens:
        for start in range(first, token + 1, stretch):
            part = slice(start, min(start + stretch, token + 1))
            elapsed = step[:, part].cumsum(1)
            since = (elapsed[:, -1:] - elapsed).unsqueeze(-1)
            driven = (step[:, part] * u[:, part]).unsqueeze(-1) * B[:, part].unsqueeze(-2)
            state = torch.exp(elapsed[:, -1].unsqueeze(-1) * A) * state + (torch.exp(since * A) * driven).sum(1)
        first = token + 1
        yield state


def selective_scan_states(
    u: Float[Tensor, "batch time channels"],
    step: Float[Tensor, "batch time channels"],
    A: Float[Tensor, "channels state"],
    B: Float[Tensor, "batch time state"],
    tokens: Sequence[int],
) -> Float[Tensor, "batch token channels state"]:
    """Returns h_t after each of the tokens, by the fused pass where it can take them, else token by token.

    Args:
        step: the step size, after bias and softplus.
        tokens: ascending, each once.
    """
    if fused(u, step, A, B):
        found: Tensor = import_module("probe.kernels.selective_scan.states_cpu").selective_scan_states(
            u, step, A, B, tokens
        )
        return found
    return torch.stack(list(selective_scan_states_in_steps(u, step, A, B, tokens)), dim=1)


def fused(u: Tensor, step: Tensor, A: Tensor, B: Tensor) -> bool:
    """Whether the fused pass can take these: float32 on a CPU, sixteens of states, none growing, none to be learned."""
    given = (u, step, A, B)
    learned = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in given)
    single = all(tensor.device.type == "cpu" and tensor.dtype == torch.float32 for tensor in given)
    return single and not learned and A.shape[1] % 16 == 0 and not bool((A > 0).any())


def selective_scan_states_in_steps(
    u: Float[Tensor, "batch time channels"],
    step: Float[Tensor, "batch time channels"],
    A: Float[Tensor, "channels state"],
    B: Float[Tensor, "batch time state"],
    tokens: Sequence[int],
) -> Iterator[Float[Tensor, "batch channels state"]]:
    """Yields what `reference.selective_scan_states` returns at each of the tokens, to the bit, token by token.

    Holds the running state alone, which for short sequences stays in the processor's cache.

    Args:
        step: the step size, after bias and softplus.
        tokens: ascending, each once.
    """
    state, first = u.new_zeros(len(u), *A.shape), 0
    for token in tokens:
        for now in range(first, token + 1):
            state = next_state(u[:, now], step[:, now], A, B[:, now], state)
        first = token + 1
        yield state
