"""The states of the selective scan after some tokens on CPUs: one fused pass, `LANES` states of a channel side by side.

Compiled by numba on first use and cached. Each prompt is an item of work of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from probe.kernels.cpu_math import LOG2_E
from probe.kernels.lanes import LANES, exp2, fma, load, spread, spread_from, store
from probe.kernels.threads import run_in_threads


@torch.no_grad()
def selective_scan_states(
    u: Float[Tensor, "batch time channels"],
    step: Float[Tensor, "batch time channels"],
    A: Float[Tensor, "channels state"],
    B: Float[Tensor, "batch time state"],
    tokens: Sequence[int],
) -> Float[Tensor, "batch token channels state"]:
    """Returns h_t after each of the tokens: what `reference.selective_scan_states` returns there, to rounding.

    Everything is float32 on the CPU, and no state grows; see `probe.kernels.selective_scan.states.fused`.

    Args:
        step: the step size, after bias and softplus.
        tokens: ascending, each once.
    """
    batch, time, channels = u.shape
    places = np.full(time, -1, np.intp)
    places[list(tokens)] = np.arange(len(tokens))
    out = u.new_empty(batch, len(tokens), *A.shape)
    given = (u, step, A * LOG2_E.item(), B, out)
    arrays = [tensor.contiguous().numpy().reshape(-1) for tensor in given]
    sizes = (max(tokens, default=-1) + 1, time, channels, A.shape[1], len(tokens))
    run_in_threads(lambda first, last: _states(first, last, *sizes, places, *arrays), batch)
    return out


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _states(first, last, until, time, channels, states, asked, places, u, step, decay, B, out):
    for b in range(first, last):
        for e in range(channels):
            for n in range(0, states, LANES):
                rate, state = load(decay, e * states + n), spread(np.float32(0))
                for t in range(until):
                    token = b * time + t
                    step_t = spread_from(step, token * channels + e)
                    driven = step_t * spread_from(u, token * channels + e) * load(B, token * states + n)
                    state = fma(exp2(step_t * rate), state, driven)
                    if places[t] >= 0:
                        store(out, ((b * asked + places[t]) * channels + e) * states + n, state)
