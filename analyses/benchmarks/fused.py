"""Times the fused operations on CPUs beside what computes them otherwise, one thread, after comparing what they give.

    python analyses/benchmarks/fused.py [--sizes 64x82x4x16 ...] [--repeats 9] [--out FILE.md]

Linear attention, delta rules, RWKV-7's update and Mamba-2's state space are laid beside their products within chunks,
attention, GELU and the norm beside torch's, S4D's convolution beside one matrix a channel. Sizes are prompts x tokens x
heads x numbers of a head; what knows no heads takes as many numbers.
Times are medians of the process's own time, forward without a graph and forward with backward; both must agree with
one another, in the output and in every gradient, to 1e-4 of the largest number.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from report import machine, markdown
from torch import Tensor

from probe.kernels.causal_attention import causal_attention
from probe.kernels.delta_rule import delta_rule
from probe.kernels.diagonal_convolution import LONGEST_TOEPLITZ, diagonal_convolution
from probe.kernels.gelu import gelu
from probe.kernels.rms_norm import rms_norm
from probe.kernels.ssd import ssd
from probe.kernels.wkv7 import wkv7

AGREE = 1e-4
SIZES = ("64x31x8x8", "64x82x8x8", "64x31x4x16", "64x82x4x16", "64x82x4x32", "16x512x4x64", "4x1024x4x128")
Operands = list[Tensor]
Operation = Callable[..., Tensor]


def main() -> int:
    """Times and prints; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=SIZES, help="prompts x tokens x heads x numbers of a head")
    parser.add_argument("--repeats", type=int, default=9, help="runs a median is taken over")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    rows = [
        row
        for size in asked.sizes
        for name, (operation, other, operands) in operations(*map(int, size.split("x"))).items()
        for row in timed(name, size, operation, other, operands, asked.repeats)
    ]
    titles = ["fused / other", "operation", "other", "size", "pass", "fused ms", "other ms"]
    text = f"{machine(1)}, float32\n\n{markdown(titles, rows)}\n"
    print(text)
    if asked.out:
        asked.out.write_text(text)
    return 0


def operations(batch: int, time_: int, heads: int, size: int) -> dict[str, tuple[Operation, str, Operands]]:
    """Returns every operation with its other backend and its operands; short prompts' attention alone."""
    source = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=source)

    rows = (batch, time_, heads, size)
    query, key, value = normal(*rows), F.normalize(normal(*rows), dim=-1), normal(*rows)
    beta, decay = torch.sigmoid(normal(*rows[:3])), -torch.sigmoid(normal(*rows[:3]))
    turned = [tensor.transpose(1, 2) for tensor in (query, key, value, beta, decay)]
    removed = [-0.6 * torch.sigmoid(normal(*rows)), key, value, key, torch.sigmoid(normal(*rows))]
    state_space = [value, normal(*rows[:3]).exp() / 4, -normal(heads).exp(), normal(batch, time_, size)]
    found: dict[str, tuple[Operation, str, Operands]] = {
        "linear attention": (delta_rule, "chunked", turned[:3]),
        "delta rule": (delta_rule, "chunked", turned[:4]),
        "gated delta rule": (delta_rule, "chunked", turned),
        "WKV-7": (wkv7, "chunked", [query, *removed]),
        "Mamba-2's": (ssd, "chunked", [*state_space, normal(batch, time_, size), normal(heads)]),
        "GELU": (gelu, "torch", [value.flatten(2)]),
        "norm": (rms_norm, "torch", [value.flatten(2), normal(heads * size)]),
    }
    if time_ <= LONGEST_TOEPLITZ:
        modes = torch.complex(-normal(heads * size, 16).exp(), 3 * normal(heads * size, 16))
        state = [0.1 * normal(heads * size).exp(), modes, torch.complex(normal(*modes.shape), normal(*modes.shape))]
        found["S4D's"] = (diagonal_convolution, "toeplitz", [value.flatten(2), *state, normal(heads * size)])
    if time_ <= 128 and size % 8 == 0:
        found["attention"] = (causal_attention, "torch", [normal(batch, time_, 3, heads, size)])
    return found


def timed(name: str, size: str, operation: Operation, other: str, operands: Operands, repeats: int) -> list[list[str]]:
    """Returns an operation's rows, one a pass.

    Raises:
        SystemExit: where the two backends differ.
    """
    leaves = [tensor.detach().clone().requires_grad_() for tensor in operands]
    weights = torch.randn(operation(*operands).shape, generator=torch.Generator().manual_seed(1))
    backends = ("cpu", other)

    def forward(backend: str) -> Tensor:
        with torch.no_grad():
            return operation(*leaves, backend=backend)

    def both(backend: str) -> tuple[Tensor, ...]:
        return torch.autograd.grad(operation(*leaves, backend=backend), leaves, weights)

    for one, two in zip(*((forward(backend), *both(backend)) for backend in backends), strict=True):
        if (one - two).abs().max() > AGREE * two.abs().max():
            raise SystemExit(f"{name} of {size} differs between cpu and {other}; nothing is timed.")
    rows = []
    for way, run in (("forward", forward), ("forward + backward", both)):
        spent: dict[str, list[float]] = {backend: [] for backend in backends}
        for _ in range(repeats):
            for backend in backends:
                began = time.process_time()
                run(backend)
                spent[backend].append(time.process_time() - began)
        ours, theirs = (1e3 * statistics.median(spent[backend]) for backend in backends)
        rows.append([f"{ours / theirs:.2f}", name, other, size, way, f"{ours:.2f}", f"{theirs:.2f}"])
    return rows


if __name__ == "__main__":
    sys.exit(main())
