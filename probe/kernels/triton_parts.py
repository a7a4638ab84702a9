"""Parts that the Triton kernels share: checks of their operands, loads of rows, and elementary functions.

Under ``TRITON_INTERPRET=1``, set before the import, all of it runs on CPU tensors.
"""

# Triton has no types, and a kernel's arguments are pointers
# mypy: disable-error-code="import-untyped, untyped-decorator, no-untyped-def"

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.runtime.interpreter import InterpretedFunction

from probe.errors import ProbeError

LOG2_E: tl.constexpr = tl.constexpr(1.4426950408889634)


def refuse_unfit(tensors: list[Tensor]) -> None:
    """Raises a ProbeError for a dtype other than 32 or 16 bits, for a place other than a GPU, for endless prompts."""
    for tensor in tensors:
        if tensor.dtype not in (torch.float32, torch.bfloat16, torch.float16):
            raise ProbeError(
                f"The triton kernel was given {tensor.dtype}; it needs float32, bfloat16 or float16. "
                "Convert the tensors, or use --kernel reference."
            )
        if tensor.device.type != "cuda" and not isinstance(rows, InterpretedFunction):
            raise ProbeError(
                f"The triton kernel was given tensors on {tensor.device}; it needs them on a GPU. "
                "Move them there, or use --kernel auto."
            )
        # offsets inside one prompt are 32-bit, which saves registers
        if tensor.dim() == 3 and tensor.shape[1] * max(tensor.stride(1), tensor.shape[2]) >= 2**31:
            raise ProbeError(
                f"The triton kernel was given prompts of {tensor.shape[1]} by {tensor.shape[2]} numbers; it "
                "needs fewer than 2^31 numbers a prompt. Shorten them, or use --kernel reference."
            )


def dense(x: Tensor) -> Tensor:
    """Returns x, copied only if neighbours in its last dimension are not neighbours in memory."""
    return x if x.stride(-1) == 1 else x.contiguous()


def steps(x: Tensor | None) -> tuple[int, int]:
    """Returns the distance in memory from one prompt to the next, and from one time step to the next."""
    return (0, 0) if x is None else (x.stride(0), x.stride(1))


@triton.jit
def rows(pointer, stride, start, time, columns, width, GROUP: tl.constexpr):
    """Loads GROUP rows of a [time, columns] matrix as float32, zeros where there are none."""
    loaded = ()
    for i in tl.static_range(GROUP):
        # a width of 0, not a second mask: the interpreter cannot join a mask to a single truth value
        inside = columns < tl.where(start + i < time, width, 0)
        row = tl.load(pointer + ((start + i) * stride + columns), inside, other=0.0)
        loaded = loaded + (row.to(tl.float32),)  # type: ignore[assignment]
    return loaded


@triton.jit
def softplus(x):
    """Returns log(1 + exp(x)) and its derivative, accurate to rounding for small and large x."""
    e = tl.exp2(-tl.abs(x) * LOG2_E)
    # log(1 + e) = 2 atanh(r); 1 + e alone would round away most of a small step size
    r = e / (2.0 + e)
    s = r * r
    series = 1.0 / 7.0 + s * (1.0 / 9.0 + s * (1.0 / 11.0 + s * (1.0 / 13.0)))
    series = 1.0 + s * (1.0 / 3.0 + s * (1.0 / 5.0 + s * series))
    return tl.maximum(x, 0.0) + 2.0 * r * series, tl.where(x >= 0, 1.0, e) / (1.0 + e)


@triton.jit
def sigmoid(x):
    """Returns 1 / (1 + exp(-x))."""
    e = tl.exp2(-tl.abs(x) * LOG2_E)
    return tl.where(x >= 0, 1.0, e) / (1.0 + e)
