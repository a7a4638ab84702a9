"""The selective scan on CPUs: one fused pass, vectorised over channels, states recomputed in the backward pass.

Compiled by numba on first use and cached, so the user needs no compiler. The equations are those of `reference`.
The forward pass keeps the state at the start of every `SEGMENT` steps; the backward pass recomputes the states of
one segment at a time, so memory stays at a small multiple of the inputs'. Work is dealt out as (prompt, block of
channels) pairs whose partial sums are added in a fixed order: results do not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from probe.errors import ProbeError
from probe.kernels.cpu_math import FASTMATH, LOG2_E, exp2, sigmoid, softplus
from probe.kernels.threads import run_in_threads

# states and decays of one full segment and block take 512 KiB, a usual second-level cache; blocks of 64 channels
# were 10 to 15 % slower at 22 and at 82 tokens, blocks of 256 no faster
SEGMENT = 32
BLOCK = 128


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
    bias = torch.zeros_like(D) if delta_bias is None else delta_bias
    gate = u.new_empty(0) if z is None else z
    tensors = (u, delta, A, B, C, D, gate, bias)
    result: Tensor = _SelectiveScan.apply(*(tensor.float() for tensor in tensors))
    return result.to(u.dtype)


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
        arrays = [t.numpy() for t in (u, delta, decay, B, C, D, z.reshape(-1, time, channels), bias, out, starts)]
        run_in_threads(lambda first, last: _forward(first, last, *arrays), batch * -(-channels // BLOCK))
        if wanted:
            ctx.save_for_backward(u, delta, A, B, C, D, z, bias, starts)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        u, delta, A, B, C, D, z, bias, starts = ctx.saved_tensors
        batch, time, channels = u.shape
        states, blocks = A.shape[1], -(-channels // BLOCK)
        decay = (A.T * LOG2_E.item()).contiguous()
        d_u, d_delta, d_z = torch.empty_like(u), torch.empty_like(u), torch.empty_like(z)
        d_A = u.new_empty(batch, states, channels)
        d_B, d_C = u.new_empty(2, blocks, batch, time, states).unbind(0)
        d_D, d_bias = u.new_zeros(2, batch, channels).unbind(0)
        gated = (-1, time, channels)
        inputs = (gradients[0].contiguous(), u, delta, decay, B, C, D, z.reshape(gated), bias, starts)
        outputs = (d_u, d_delta, d_A, d_B, d_C, d_D, d_z.reshape(gated), d_bias)
        arrays = [t.numpy() for t in (*inputs, *outputs)]
        run_in_threads(lambda first, last: _backward(first, last, *arrays), batch * blocks)
        return d_u, d_delta, d_A.sum(0).T, d_B.sum(0), d_C.sum(0), d_D.sum(0), d_z, d_bias.sum(0)


# Three habits of LLVM and numba shape the loops below, each worth a factor of five: a loop is not vectorised if it
# needs more than eight checks of whether two arrays overlap, so each writes few arrays; nor if an index may be
# negative (it would wrap around), so rows are sliced first and indexed by the loop's own counter; and buffers are
# allocated apart, since two parts of one allocation cannot be told from overlapping ones.


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _steps(u, delta, bias, D, step, drive, y):
    """Fills one row's step = softplus(delta + bias), drive = step u and y = D u."""
    for e in range(len(u)):
        step[e] = softplus(delta[e] + bias[e])
    for e in range(len(u)):
        drive[e] = step[e] * u[e]
        y[e] = D[e] * u[e]


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _forward(first, last, u, delta, decay, B, C, D, z, bias, out, starts):
    time, channels = u.shape[1], u.shape[2]
    n_states, gated, keep = decay.shape[0], z.shape[0] > 0, starts.shape[1] > 0
    blocks = (channels + BLOCK - 1) // BLOCK
    h = np.empty((n_states, BLOCK), np.float32)
    rates = np.empty((n_states, BLOCK), np.float32)
    step = np.empty(BLOCK, np.float32)
    drive = np.empty(BLOCK, np.float32)
    y = np.empty(BLOCK, np.float32)
    for item in range(first, last):
        b, lo = item // blocks, (item % blocks) * BLOCK
        width = min(BLOCK, channels - lo)
        hi = lo + width
        h[:] = np.float32(0)
        rates[:, :width] = decay[:, lo:hi]
        for t in range(time):
            if keep and t % SEGMENT == 0:
                starts[b, t // SEGMENT, :, lo:hi] = h[:, :width]
            _steps(u[b, t, lo:hi], delta[b, t, lo:hi], bias[lo:hi], D[lo:hi], step, drive, y)
            for n in range(n_states):
                b_n, c_n = B[b, t, n], C[b, t, n]
                for e in range(width):
                    state = exp2(step[e] * rates[n, e]) * h[n, e] + b_n * drive[e]
                    h[n, e] = state
                    y[e] += c_n * state
            out_t = out[b, t, lo:hi]
            if gated:
                z_t = z[b, t, lo:hi]
                for e in range(width):
                    out_t[e] = y[e] * z_t[e] * sigmoid(z_t[e])
            else:
                out_t[:] = y[:width]


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _recompute(b_t, c_t, width, rates, h, h_next, a, step, drive, y):
    """Goes one time step forward: fills decays a and states h_next [n, e], adds C h to y."""
    for n in range(rates.shape[0]):
        b_n, c_n = b_t[n], c_t[n]
        for e in range(width):
            a[n, e] = exp2(step[e] * rates[n, e])
        for e in range(width):
            state = a[n, e] * h[n, e] + b_n * drive[e]
            h_next[n, e] = state
            y[e] += c_n * state


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _through_gate(d_out, z, y, d_z, d_y):
    """Fills one row's d_y and d_z from d_out, for out = y silu(z)."""
    for e in range(len(z)):
        d_y[e] = d_out[e] * z[e] * sigmoid(z[e])
    for e in range(len(z)):
        opened = sigmoid(z[e])
        d_z[e] = d_out[e] * y[e] * opened * (np.float32(1) + z[e] * (np.float32(1) - opened))


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _step_back(b_t, c_t, width, h, h_next, a, rates, step, drive, d_y, carry, d_step, d_drive, d_A, d_b, d_c):
    """Goes one time step back: from carry = a_{t+1} dL/dh_{t+1} to a_t dL/dh_t, adding up the gradients."""
    d_h = np.empty(BLOCK, np.float32)
    d_exponent = np.empty(BLOCK, np.float32)
    for n in range(rates.shape[0]):
        b_n, c_n = b_t[n], c_t[n]
        for e in range(width):
            total = carry[n, e] + c_n * d_y[e]
            d_h[e] = total
            carry[n, e] = total * a[n, e]
        sum_b, sum_c = np.float32(0), np.float32(0)
        for e in range(width):
            sum_b += d_h[e] * drive[e]
            sum_c += d_y[e] * h_next[n, e]
        d_b[n], d_c[n] = sum_b, sum_c
        for e in range(width):
            d_drive[e] += b_n * d_h[e]
            d_exponent[e] = carry[n, e] * h[n, e]
        for e in range(width):
            d_step[e] += d_exponent[e] * rates[n, e]
            d_A[n, e] += d_exponent[e] * step[e]


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _row_gradients(u, delta, bias, D, step, d_y, d_step, d_drive, d_u, d_delta, d_bias, d_D):
    """Fills one row's d_u and d_delta and adds to d_bias and d_D."""
    for e in range(len(u)):
        # the decay rates were multiplied by log2(e) for exp2
        d_step[e] = d_step[e] / LOG2_E + d_drive[e] * u[e]
    for e in range(len(u)):
        d_u[e] = d_drive[e] * step[e] + D[e] * d_y[e]
    for e in range(len(u)):
        d_delta[e] = d_step[e] * sigmoid(delta[e] + bias[e])
    for e in range(len(u)):
        d_bias[e] += d_delta[e]
    for e in range(len(u)):
        d_D[e] += d_y[e] * u[e]


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _backward(
    first,
    last,
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
    time, channels = u.shape[1], u.shape[2]
    n_states, gated = decay.shape[0], z.shape[0] > 0
    blocks, segments = (channels + BLOCK - 1) // BLOCK, (time + SEGMENT - 1) // SEGMENT
    h = np.empty((SEGMENT + 1, n_states, BLOCK), np.float32)
    a = np.empty((SEGMENT, n_states, BLOCK), np.float32)
    step = np.empty((SEGMENT, BLOCK), np.float32)
    drive = np.empty((SEGMENT, BLOCK), np.float32)
    y = np.empty((SEGMENT, BLOCK), np.float32)
    d_y = np.empty(BLOCK, np.float32)
    d_step = np.empty(BLOCK, np.float32)
    d_drive = np.empty(BLOCK, np.float32)
    carry = np.empty((n_states, BLOCK), np.float32)
    rates = np.empty((n_states, BLOCK), np.float32)
    d_rates = np.empty((n_states, BLOCK), np.float32)
    for item in range(first, last):
        b, block = item // blocks, item % blocks
        lo = block * BLOCK
        width = min(BLOCK, channels - lo)
        hi = lo + width
        bias_e, D_e = bias[lo:hi], D[lo:hi]
        carry[:] = np.float32(0)
        d_rates[:] = np.float32(0)
        rates[:, :width] = decay[:, lo:hi]
        for segment in range(segments - 1, -1, -1):
            start, stop = segment * SEGMENT, min((segment + 1) * SEGMENT, time)
            h[0, :, :width] = starts[b, segment, :, lo:hi]
            for t in range(start, stop):
                i = t - start
                _steps(u[b, t, lo:hi], delta[b, t, lo:hi], bias_e, D_e, step[i], drive[i], y[i])
                _recompute(B[b, t], C[b, t], width, rates, h[i], h[i + 1], a[i], step[i], drive[i], y[i])
            for t in range(stop - 1, start - 1, -1):
                i = t - start
                if gated:
                    _through_gate(d_out[b, t, lo:hi], z[b, t, lo:hi], y[i], d_z[b, t, lo:hi], d_y)
                else:
                    d_y[:width] = d_out[b, t, lo:hi]
                d_step[:] = np.float32(0)
                d_drive[:] = np.float32(0)
                _step_back(
                    B[b, t], C[b, t], width, h[i], h[i + 1], a[i], rates, step[i], drive[i],
                    d_y, carry, d_step, d_drive, d_rates, d_B[block, b, t], d_C[block, b, t],
                )  # fmt: skip
                _row_gradients(
                    u[b, t, lo:hi], delta[b, t, lo:hi], bias_e, D_e, step[i], d_y, d_step, d_drive,
                    d_u[b, t, lo:hi], d_delta[b, t, lo:hi], d_bias[b, lo:hi], d_D[b, lo:hi],
                )  # fmt: skip
        d_A[b, :, lo:hi] = d_rates[:, :width]
