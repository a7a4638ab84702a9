"""The selective scan on CPUs: one fused pass, channels side by side, states recomputed in the backward pass.

Compiled by numba on first use and cached, so the user needs no compiler. The equations are those of `reference`.
A segment of `SEGMENT` steps of `LANES` channels is gone through state by state, so that the state stays in a
register and what all states share in the first-level cache. The forward pass keeps the states at the start of every
segment; the backward pass recomputes one segment at a time, so memory stays at a small multiple of the inputs'. Work
is dealt out as (prompt, block of channels) pairs whose partial sums are added in a fixed order: results do not depend
on the number of threads.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numba
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from probe.errors import ProbeError
from probe.kernels.cpu_math import LOG2_E
from probe.kernels.lanes import (
    LANES,
    buffer,
    exp2,
    fetch,
    fma,
    load,
    sigmoid,
    softplus,
    spread,
    spread_from,
    store,
    total,
)
from probe.kernels.selective_scan.reference import selective_scan as by_the_equations
from probe.kernels.threads import run_in_threads

# segments of 16 and 64 steps and blocks of 128 channels were no faster at 22 and at 82 tokens
SEGMENT = 32
BLOCK = 256

# what is held of a step of a segment, side by side: arrays of their own would come to lie a multiple of 4 KiB apart,
# where a processor takes a number just stored in one for the number to be loaded from another, and waits
STEP, DRIVE, Y, D_Y, D_STEP, D_DRIVE, H, DECAY = range(0, 8 * LANES, LANES)
STRIDE = 9 * LANES


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
) -> Tensor:
    """Runs the scan; see `probe.kernels.selective_scan` for the arguments.

    Computes in float32; half-precision tensors are converted on the way in and out.

    Raises:
        ProbeError: for float64 tensors or tensors that are not on the CPU.
    """
    if u.device.type != "cpu" or u.dtype == torch.float64:
        raise ProbeError(
            f"The cpu kernel was given {u.dtype} on {u.device}; it needs float32 on the CPU. Use --kernel reference."
        )
    if bool((A > 0).any()):
        # states that grow leave the range that the kernel's exp2 is written for
        return by_the_equations(u, delta, A, B, C, D, z, delta_bias)
    bias = torch.zeros_like(D) if delta_bias is None else delta_bias
    gate = u.new_empty(0) if z is None else z
    tensors = (u, delta, A, B, C, D, gate, bias)
    missing = -u.shape[-1] % LANES
    result: Tensor = _SelectiveScan.apply(*_widened((tensor.float() for tensor in tensors), missing))
    return result[..., : u.shape[-1]].to(u.dtype)


def _widened(tensors: Iterable[Tensor], missing: int) -> tuple[Tensor, ...]:
    """Returns the scan's tensors with channels of zeros appended, which read nothing and write nothing."""
    u, delta, A, B, C, D, z, bias = tensors
    if not missing:
        return u, delta, A, B, C, D, z, bias
    u, delta, D, bias = (F.pad(tensor, (0, missing)) for tensor in (u, delta, D, bias))
    return u, delta, F.pad(A, (0, 0, 0, missing)), B, C, D, F.pad(z, (0, missing)) if z.numel() else z, bias


class _SelectiveScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> Tensor:
        u, delta, A, B, C, D, z, bias = (tensor.detach().contiguous() for tensor in tensors)
        batch, time, channels = u.shape
        states = A.shape[1]
        wanted = any(ctx.needs_input_grad)
        starts = u.new_empty(batch, -(-time // SEGMENT) if wanted else 0, states, channels)
        out = torch.empty_like(u)
        decay = (A.T * LOG2_E.item()).contiguous()
        arrays = [t.numpy().reshape(-1) for t in (u, delta, decay, B, C, D, z, bias, out, starts)]
        sizes = (time, channels, states)
        run_in_threads(lambda first, last: _forward(first, last, *sizes, *arrays), batch * -(-channels // BLOCK))
        if wanted:
            ctx.save_for_backward(u, delta, A, B, C, D, z, bias, starts)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        u, delta, A, B, C, D, z, bias, starts = ctx.saved_tensors
        batch, time, channels = u.shape
        states, blocks = A.shape[1], -(-channels // BLOCK)
        decay = (A.T * LOG2_E.item()).contiguous()
        d_u, d_delta, d_z = torch.empty_like(u), torch.empty_like(u), torch.empty_like(z)
        d_A = u.new_zeros(batch, states, channels)
        d_B, d_C = u.new_empty(2, blocks, batch, time, states).unbind(0)
        d_D, d_bias = u.new_zeros(2, batch, channels).unbind(0)
        inputs = (gradients[0].contiguous(), u, delta, decay, B, C, D, z, bias, starts)
        outputs = (d_u, d_delta, d_A, d_B, d_C, d_D, d_z, d_bias)
        arrays = [t.numpy().reshape(-1) for t in (*inputs, *outputs)]
        sizes = (batch, time, channels, states)
        run_in_threads(lambda first, last: _backward(first, last, *sizes, *arrays), batch * blocks)
        return d_u, d_delta, d_A.sum(0).T, d_B.sum(0), d_C.sum(0), d_D.sum(0), d_z, d_bias.sum(0)


# In what follows `row` is where a step's channels start in an array of [batch, time, channels], and `e` where the
# lanes' channels start in one of [channels]; buffers of a segment are [step, lane].


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _enter(row, e, at, u, delta, bias, D, held):
    """Holds one step's step = softplus(delta + bias), drive = step u and y = D u."""
    u_e = load(u, row + e)
    step_e = softplus(load(delta, row + e) + load(bias, e))
    store(held, at + STEP, step_e)
    store(held, at + DRIVE, step_e * u_e)
    store(held, at + Y, load(D, e) * u_e)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _forward(first, last, time, channels, states, u, delta, decay, B, C, D, z, bias, out, starts):
    gated, keep = len(z) > 0, len(starts) > 0
    blocks, segments = (channels + BLOCK - 1) // BLOCK, (time + SEGMENT - 1) // SEGMENT
    h = buffer(states * BLOCK)
    held = buffer(SEGMENT * STRIDE)
    for item in range(first, last):
        b, low = item // blocks, (item % blocks) * BLOCK
        high = min(low + BLOCK, channels)
        h[:] = np.float32(0)
        for segment in range(segments):
            start = b * time + segment * SEGMENT
            length = min(SEGMENT, time - segment * SEGMENT)
            for e in range(low, high, LANES):
                for i in range(length):
                    row = (start + i) * channels
                    _enter(row, e, i * STRIDE, u, delta, bias, D, held)
                    row += e + LANES
                    for array in (u, delta, z):
                        fetch(array, row)
                for n in range(states):
                    place = n * BLOCK + e - low
                    state, rate = load(h, place), load(decay, n * channels + e)
                    if keep:
                        store(starts, ((b * segments + segment) * states + n) * channels + e, state)
                    for i in range(length):
                        at, now = i * STRIDE, (start + i) * states + n
                        state = fma(
                            exp2(load(held, at + STEP) * rate), state, spread_from(B, now) * load(held, at + DRIVE)
                        )
                        store(held, at + Y, fma(spread_from(C, now), state, load(held, at + Y)))
                    store(h, place, state)
                for i in range(length):
                    row, y_e = (start + i) * channels + e, load(held, i * STRIDE + Y)
                    if gated:
                        z_e = load(z, row)
                        y_e = y_e * z_e * sigmoid(z_e)
                    store(out, row, y_e)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _forth_and_back(states, n, start, length, state, carry, rate, B, C, held, d_bc):
    """Goes through a segment of one state forwards, adding to y, then backwards, adding to the other gradients.

    Returns a_t dL/dh_t of the segment's first step, given (carry) that of the step after its last, and dL/drate.
    """
    for i in range(length):
        at, now = i * STRIDE, (start + i) * states + n
        decay = exp2(load(held, at + STEP) * rate)
        store(held, at + H, state)
        store(held, at + DECAY, decay)
        state = fma(decay, state, spread_from(B, now) * load(held, at + DRIVE))
        store(held, at + Y, fma(spread_from(C, now), state, load(held, at + Y)))
    d_rate = spread(np.float32(0))
    for back in range(length):
        i = length - 1 - back
        at, now, sums = i * STRIDE, (start + i) * states + n, (n * SEGMENT + i) * 2 * LANES
        d_y_e, a_e, before = load(held, at + D_Y), load(held, at + DECAY), load(held, at + H)
        store(d_bc, sums + LANES, load(d_bc, sums + LANES) + d_y_e * state)
        read = spread_from(C, now) * d_y_e
        d_h = carry + read
        carry = fma(a_e, carry, a_e * read)
        store(d_bc, sums, load(d_bc, sums) + d_h * load(held, at + DRIVE))
        store(held, at + D_DRIVE, load(held, at + D_DRIVE) + spread_from(B, now) * d_h)
        d_exponent = carry * before
        store(held, at + D_STEP, load(held, at + D_STEP) + d_exponent * rate)
        d_rate = d_rate + d_exponent * load(held, at + STEP)
        state = before
    return carry, d_rate


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _backward(
    first,
    last,
    batch,
    time,
    channels,
    states,
    d_out,
    u,
    delta,
    decay,
    B,
    C,
    D,
    z,
    bias,
    starts,
    d_u,
    d_delta,
    d_A,
    d_B,
    d_C,
    d_D,
    d_z,
    d_bias,
):
    gated, none = len(z) > 0, spread(np.float32(0))
    blocks, segments = (channels + BLOCK - 1) // BLOCK, (time + SEGMENT - 1) // SEGMENT
    carries = buffer(states * BLOCK)
    held = buffer(SEGMENT * STRIDE)
    d_bc = buffer(2 * SEGMENT * states * LANES)
    for item in range(first, last):
        b, block = item // blocks, item % blocks
        low = block * BLOCK
        high = min(low + BLOCK, channels)
        carries[:] = np.float32(0)
        for segment in range(segments - 1, -1, -1):
            start = b * time + segment * SEGMENT
            length = min(SEGMENT, time - segment * SEGMENT)
            d_bc[:] = np.float32(0)
            for e in range(low, high, LANES):
                for i in range(length):
                    row, at = (start + i) * channels, i * STRIDE
                    _enter(row, e, at, u, delta, bias, D, held)
                    d_y_e = load(d_out, row + e)
                    if gated:
                        z_e = load(z, row + e)
                        d_y_e = d_y_e * z_e * sigmoid(z_e)
                    store(held, at + D_Y, d_y_e)
                    store(held, at + D_STEP, none)
                    store(held, at + D_DRIVE, none)
                    row += e + LANES
                    for array in (u, delta, d_out, d_u, d_delta, z, d_z):
                        fetch(array, row)
                for n in range(states):
                    place, rate_place = n * BLOCK + e - low, n * channels + e
                    state = load(starts, (b * segments + segment) * states * channels + rate_place)
                    carry, rate = load(carries, place), load(decay, rate_place)
                    carry, d_rate = _forth_and_back(states, n, start, length, state, carry, rate, B, C, held, d_bc)
                    store(carries, place, carry)
                    place = b * states * channels + rate_place
                    store(d_A, place, load(d_A, place) + d_rate)
                bias_e, D_e, sum_D, sum_bias = load(bias, e), load(D, e), none, none
                for i in range(length):
                    row, at = (start + i) * channels + e, i * STRIDE
                    u_e, d_y_e, d_drive_e = load(u, row), load(held, at + D_Y), load(held, at + D_DRIVE)
                    if gated:
                        z_e = load(z, row)
                        opened, one = sigmoid(z_e), spread(np.float32(1))
                        inner = opened * (one + z_e * (one - opened))
                        store(d_z, row, load(d_out, row) * load(held, at + Y) * inner)
                    # the decay rates were multiplied by log2(e) for exp2
                    d_step_e = load(held, at + D_STEP) * spread(np.float32(1) / LOG2_E) + d_drive_e * u_e
                    d_delta_e = d_step_e * sigmoid(load(delta, row) + bias_e)
                    store(d_u, row, d_drive_e * load(held, at + STEP) + D_e * d_y_e)
                    store(d_delta, row, d_delta_e)
                    sum_bias = sum_bias + d_delta_e
                    sum_D = sum_D + d_y_e * u_e
                store(d_bias, b * channels + e, load(d_bias, b * channels + e) + sum_bias)
                store(d_D, b * channels + e, load(d_D, b * channels + e) + sum_D)
            for n in range(states):
                for i in range(length):
                    sums, into = (n * SEGMENT + i) * 2 * LANES, (block * batch * time + start + i) * states + n
                    d_B[into] = total(load(d_bc, sums))
                    d_C[into] = total(load(d_bc, sums + LANES))
