"""The selective scan on GPUs: one fused Triton kernel forward and one backward, states in registers.

The equations are those of `reference` (Gu and Dao, 2023, arXiv:2312.00752, algorithm 2), in float32 whatever
the tensors' dtype. A program walks through the time steps of one prompt for one block of channels. The
forward pass reads each activation once and keeps the state at the start of every `SEGMENT` steps. The
backward pass takes the segments from last to first: it runs through a segment noting a state every few steps
in a scratch buffer, then goes back through it, recomputing those few steps at a time. Sums over channels (for
B and C) and over prompts (for A, D and the bias) are written as partial sums and added up in a fixed order:
results repeat bit for bit.

Under ``TRITON_INTERPRET=1``, set before the import, the same kernels run on CPU tensors.
"""

# Triton has no types, and a kernel's arguments are pointers
# mypy: disable-error-code="import-untyped, untyped-decorator, no-untyped-def"

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from probe.kernels.triton_parts import LOG2_E, dense, refuse_unfit, rows, sigmoid, softplus, steps

SEGMENT = 32
# steps unrolled together, so that their loads overlap; both divide SEGMENT. Going back, the states and decays
# of a group stay in registers: three steps of them no longer fit
GROUP_FORWARD = 4
GROUP_BACKWARD = 2
# programs that keep a large GPU busy, about one a scheduler; with fewer, blocks of channels get smaller
ENOUGH_PROGRAMS = 512


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

    Computes in float32 on float32, bfloat16 or float16 tensors, which may differ in dtype; y has u's, a
    gradient that of its tensor.

    Raises:
        ProbeError: for float64 tensors, or tensors that are not on a GPU (nor, interpreted, on the CPU).
    """
    tensors = (u, delta, A, B, C, D, z, delta_bias)
    refuse_unfit([tensor for tensor in tensors if tensor is not None])
    if torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors):
        y: Tensor = _SelectiveScan.apply(*tensors)  # type: ignore[no-untyped-call]
        return y
    return _forward(u, delta, A, B, C, D, z, delta_bias, keep=False)[0]


class _SelectiveScan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        u: Tensor,
        delta: Tensor,
        A: Tensor,
        B: Tensor,
        C: Tensor,
        D: Tensor,
        z: Tensor | None,
        bias: Tensor | None,
    ) -> Tensor:
        y, starts = _forward(u, delta, A, B, C, D, z, bias, keep=True)
        ctx.save_for_backward(u, delta, A, B, C, D, z, bias, starts)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor | None, ...]:
        return _backward(d_y, *ctx.saved_tensors)


def _forward(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    z: Tensor | None,
    bias: Tensor | None,
    *,
    keep: bool,
) -> tuple[Tensor, Tensor | None]:
    """Returns y and, where asked to, the states at the start of each segment but the first."""
    prompts, time, channels = u.shape
    states = A.shape[1]
    y = torch.empty(u.shape, dtype=u.dtype, device=u.device)
    starts = None
    if keep:
        size = (prompts, (time - 1) // SEGMENT, states, channels)
        starts = torch.empty(size, dtype=torch.float32, device=u.device)
    state, block, warps = _tile(prompts, channels, states)
    u, delta, B, C = dense(u), dense(delta), dense(B), dense(C)
    z, bias = None if z is None else dense(z), None if bias is None else dense(bias)
    with torch.cuda.device_of(u):  # type: ignore[no-untyped-call]
        _forward_kernel[(prompts * triton.cdiv(channels, block),)](
            u, delta, A.T.contiguous(), B, C, dense(D), z, bias, y, starts,
            *steps(u), *steps(delta), *steps(B), *steps(C), *steps(z), time, channels, states,
            STATE=state, BLOCK=block, SEGMENT=SEGMENT, GROUP=GROUP_FORWARD,
            num_warps=warps, enable_fp_fusion=True,
        )  # fmt: skip
    return y, starts


def _backward(
    d_y: Tensor,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    z: Tensor | None,
    bias: Tensor | None,
    starts: Tensor,
) -> tuple[Tensor | None, ...]:
    """Returns the gradients of u, delta, A, B, C, D, z and the bias."""
    prompts, time, channels = u.shape
    states = A.shape[1]
    state, block, warps = _tile(prompts, channels, states)
    blocks = triton.cdiv(channels, block)
    d_u, d_delta = (torch.empty(x.shape, dtype=x.dtype, device=x.device) for x in (u, delta))
    d_z = None if z is None else torch.empty(z.shape, dtype=z.dtype, device=z.device)
    d_BC = starts.new_empty(2, blocks, prompts, time, states)
    d_parameters = starts.new_empty(prompts, states + 2, channels)
    scratch = starts.new_empty(prompts * blocks, SEGMENT // GROUP_BACKWARD, state, block)
    u, delta, B, C = dense(u), dense(delta), dense(B), dense(C)
    z, bias = None if z is None else dense(z), None if bias is None else dense(bias)
    with torch.cuda.device_of(u):  # type: ignore[no-untyped-call]
        _backward_kernel[(prompts * blocks,)](
            d_y.contiguous(), u, delta, A.T.contiguous(), B, C, dense(D), z, bias,
            starts, scratch, d_u, d_delta, d_z, d_BC, d_parameters,
            *steps(u), *steps(delta), *steps(B), *steps(C), *steps(z), time, channels, states, prompts,
            STATE=state, BLOCK=block, SEGMENT=SEGMENT, GROUP=GROUP_BACKWARD,
            num_warps=warps, enable_fp_fusion=True,
        )  # fmt: skip
    d_B, d_C = d_BC.sum(1).unbind(0)
    sums = d_parameters.sum(0)
    return (
        d_u,
        d_delta,
        sums[:states].T.to(A.dtype),
        d_B.to(B.dtype),
        d_C.to(C.dtype),
        sums[states].to(D.dtype),
        d_z,
        None if bias is None else sums[states + 1].to(bias.dtype),
    )


def _tile(prompts: int, channels: int, states: int) -> tuple[int, int, int]:
    """Returns a program's padded state size, its channels and its warps, for 16 numbers of state a thread."""
    state = int(triton.next_power_of_2(states))
    block = next((size for size in (32, 16) if prompts * triton.cdiv(channels, size) >= ENOUGH_PROGRAMS), 8)
    block = max(8, min(block, 512 // state))
    return state, block, max(1, state * block // 512)


@triton.jit
def _parameters(A, D, bias, c, n, channels, states):
    """Loads A log2(e) [STATE, BLOCK], D and the bias [BLOCK], zeros where there are none."""
    inside = (n < states)[:, None] & (c < channels)[None, :]
    # A lies [states, channels] here: the other way round it would force a second layout on the states
    decay = tl.load(A + n[:, None] * channels + c[None, :], inside, other=0.0).to(tl.float32) * LOG2_E
    skip = tl.load(D + c, c < channels, other=0.0).to(tl.float32)
    shift = tl.zeros_like(skip)
    if bias is not None:
        shift = tl.load(bias + c, c < channels, other=0.0).to(tl.float32)
    return decay, skip, shift


@triton.jit
def _advance(h, step, u, b, decay):
    """Goes one time step on: h and decay [STATE, BLOCK], step and u [BLOCK], b [STATE]."""
    return tl.exp2(step[None, :] * decay) * h + (step * u)[None, :] * b[:, None]


@triton.jit
def _forward_kernel(
    u, delta, A, B, C, D, z, bias, y, starts,
    u_prompt, u_time, delta_prompt, delta_time, B_prompt, B_time, C_prompt, C_time, z_prompt, z_time,
    time, channels, states,
    STATE: tl.constexpr, BLOCK: tl.constexpr, SEGMENT: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    blocks = tl.cdiv(channels, BLOCK)
    prompt = (tl.program_id(0) // blocks).to(tl.int64)
    c = (tl.program_id(0) % blocks) * BLOCK + tl.arange(0, BLOCK)
    n = tl.arange(0, STATE)
    in_c, in_n = c < channels, n < states
    decay, skip, shift = _parameters(A, D, bias, c, n, channels, states)
    u += prompt * u_prompt
    delta += prompt * delta_prompt
    B += prompt * B_prompt
    C += prompt * C_prompt
    y += prompt * time * channels
    if z is not None:
        z += prompt * z_prompt
    if starts is not None:
        starts += prompt * ((time - 1) // SEGMENT) * states * channels

    h = tl.zeros([STATE, BLOCK], tl.float32)
    start = 0
    # while, not range: triton 3.6 cannot interpret a range with a run-time bound under numpy 2.4
    while start < time:
        if starts is not None:  # noqa: SIM102 (settled when compiled, the next when run)
            if (start > 0) & (start % SEGMENT == 0):
                tl.store(starts + n[:, None] * channels + c[None, :], h, in_n[:, None] & in_c[None, :])
                starts += states * channels
        us = rows(u, u_time, start, time, c, channels, GROUP)
        deltas = rows(delta, delta_time, start, time, c, channels, GROUP)
        bs = rows(B, B_time, start, time, n, states, GROUP)
        cs = rows(C, C_time, start, time, n, states, GROUP)
        if z is not None:
            zs = rows(z, z_time, start, time, c, channels, GROUP)
        for i in tl.static_range(GROUP):
            step, _ = softplus(deltas[i] + shift)
            h = _advance(h, step, us[i], bs[i], decay)
            out = tl.sum(h * cs[i][:, None], axis=0) + skip * us[i]
            if z is not None:
                out *= zs[i] * sigmoid(zs[i])
            tl.store(y + ((start + i) * channels + c), out, c < tl.where(start + i < time, channels, 0))
        start += GROUP


@triton.jit
def _backward_kernel(
    d_y, u, delta, A, B, C, D, z, bias, starts, scratch, d_u, d_delta, d_z, d_BC, d_parameters,
    u_prompt, u_time, delta_prompt, delta_time, B_prompt, B_time, C_prompt, C_time, z_prompt, z_time,
    time, channels, states, prompts,
    STATE: tl.constexpr, BLOCK: tl.constexpr, SEGMENT: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    blocks = tl.cdiv(channels, BLOCK)
    prompt = (tl.program_id(0) // blocks).to(tl.int64)
    block = tl.program_id(0) % blocks
    c = block * BLOCK + tl.arange(0, BLOCK)
    n = tl.arange(0, STATE)
    in_c, in_n = c < channels, n < states
    tile, in_tile = n[:, None] * channels + c[None, :], in_n[:, None] & in_c[None, :]
    decay, skip, shift = _parameters(A, D, bias, c, n, channels, states)
    u += prompt * u_prompt
    delta += prompt * delta_prompt
    B += prompt * B_prompt
    C += prompt * C_prompt
    d_y += prompt * time * channels
    d_u += prompt * time * channels
    d_delta += prompt * time * channels
    if z is not None:
        z += prompt * z_prompt
        d_z += prompt * time * channels
    d_B = d_BC + (block * prompts + prompt) * time * states
    d_C = d_B + (blocks * prompts + tl.zeros_like(prompt)) * time * states
    starts += prompt * ((time - 1) // SEGMENT) * states * channels
    scratch += tl.program_id(0).to(tl.int64) * (SEGMENT // GROUP * STATE * BLOCK)
    corner = n[:, None] * BLOCK + tl.arange(0, BLOCK)[None, :]

    carry = tl.zeros([STATE, BLOCK], tl.float32)  # a_{t+1} dL/dh_{t+1}
    sum_A = tl.zeros([STATE, BLOCK], tl.float32)
    sum_D = tl.zeros([BLOCK], tl.float32)
    sum_bias = tl.zeros([BLOCK], tl.float32)
    segment = (time - 1) // SEGMENT
    while segment >= 0:
        first = segment * SEGMENT
        stop = tl.minimum(first + SEGMENT, time)
        before = starts + (segment - 1).to(tl.int64) * states * channels
        known = (n < tl.where(segment > 0, states, 0))[:, None] & in_c[None, :]
        h = tl.load(before + tile, known, other=0.0)
        start = first
        while start < stop:
            tl.store(scratch + ((start - first) // GROUP * STATE * BLOCK + corner), h)
            us = rows(u, u_time, start, time, c, channels, GROUP)
            deltas = rows(delta, delta_time, start, time, c, channels, GROUP)
            bs = rows(B, B_time, start, time, n, states, GROUP)
            for i in tl.static_range(GROUP):
                step, _ = softplus(deltas[i] + shift)
                h = _advance(h, step, us[i], bs[i], decay)
            start += GROUP
        tl.debug_barrier()
        while start > first:
            start -= GROUP
            us = rows(u, u_time, start, time, c, channels, GROUP)
            deltas = rows(delta, delta_time, start, time, c, channels, GROUP)
            bs = rows(B, B_time, start, time, n, states, GROUP)
            cs = rows(C, C_time, start, time, n, states, GROUP)
            d_ys = rows(d_y, channels, start, time, c, channels, GROUP)
            if z is not None:
                zs = rows(z, z_time, start, time, c, channels, GROUP)
            hs = (tl.load(scratch + ((start - first) // GROUP * STATE * BLOCK + corner)),)
            for i in tl.static_range(GROUP):
                step, _ = softplus(deltas[i] + shift)
                hs = hs + (_advance(hs[i], step, us[i], bs[i], decay),)  # type: ignore[assignment]
            for i in tl.static_range(GROUP - 1, -1, -1):
                inside = start + i < time
                in_row, in_column = c < tl.where(inside, channels, 0), n < tl.where(inside, states, 0)
                row, column = (start + i) * channels + c, (start + i) * states + n
                step, slope = softplus(deltas[i] + shift)
                d_out = d_ys[i]
                if z is not None:
                    opened = sigmoid(zs[i])
                    out = tl.sum(hs[i + 1] * cs[i][:, None], axis=0) + skip * us[i]
                    d_gate = d_out * out * opened * (1.0 + zs[i] * (1.0 - opened))
                    tl.store(d_z + row, d_gate, in_row)
                    d_out *= zs[i] * opened
                drive = step * us[i]
                d_h = carry + d_out[None, :] * cs[i][:, None]
                carry = tl.exp2(step[None, :] * decay) * d_h
                d_exponent = carry * hs[i]
                d_drive = tl.sum(d_h * bs[i][:, None], axis=0)
                # decay is A log2(e)
                d_step = tl.sum(d_exponent * decay, axis=0) * (1.0 / LOG2_E) + d_drive * us[i]
                d_step *= slope
                sum_A += d_exponent * step[None, :]
                sum_D += d_out * us[i]
                sum_bias += d_step
                tl.store(d_u + row, d_drive * step + d_out * skip, in_row)
                tl.store(d_delta + row, d_step, in_row)
                tl.store(d_B + column, tl.sum(d_h * drive[None, :], axis=1), in_column)
                tl.store(d_C + column, tl.sum(hs[i + 1] * d_out[None, :], axis=1), in_column)
        tl.debug_barrier()
        segment -= 1
    d_parameters += prompt * (states + 2) * channels
    tl.store(d_parameters + tile, sum_A, in_tile)
    tl.store(d_parameters + (states * channels + c), sum_D, in_c)
    tl.store(d_parameters + ((states + 1) * channels + c), sum_bias, in_c)
