"""Measures the peak memory of one training step with the cpu kernels against the plain torch loop.

    python analyses/benchmarks/training_memory.py [--threads 2] [--sizes M8:64x31 M4:256x82] [--repeats 3]

Each number comes from a process of its own, the kernels taking turns: it trains a tiny model for a step, so that
libraries are loaded and kernels compiled, notes the memory it holds, trains the model in question for one step
(forward, backward, clipping, Adam) and reports how far its peak rose. Losses and gradient norms of both kernels must
agree, parameter by parameter, or nothing is printed.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from report import machine, markdown

KERNELS = ("cpu", "reference")
TARGET = 0.25
TOLERANCE = 1e-4  # relative, of losses and each parameter's gradient norm


@dataclass(frozen=True)
class Size:
    """What is trained for one step."""

    layout: str
    width: int
    tokens: int
    batch: int

    @classmethod
    def read(cls, text: str, batch: int) -> Size:
        """Reads LAYOUT:WIDTHxTOKENS."""
        layout, _, sizes = text.partition(":")
        width, tokens = sizes.split("x")
        return cls(layout, int(width), int(tokens), batch)


@dataclass(frozen=True)
class Step:
    """What one step did: its loss and each parameter's gradient norm, and the bytes its peak rose."""

    results: list[float]
    growth: int


def main() -> int:
    """Measures and prints; returns the exit code."""
    arguments = parse()
    if arguments.child:
        print(json.dumps(vars(measure(Size.read(arguments.sizes[0], arguments.batch), arguments))))
        return 0
    rows = []
    for text in arguments.sizes:
        steps: dict[str, list[Step]] = {kernel: [] for kernel in KERNELS}
        for _ in range(arguments.repeats):
            for kernel in KERNELS:
                steps[kernel].append(in_a_process(text, kernel, arguments))
        pairs = zip(steps["cpu"][0].results, steps["reference"][0].results, strict=True)
        off = max(abs(ours / loop - 1) for ours, loop in pairs)
        if not off < TOLERANCE:
            print(f"At {text} the kernels disagree by {off:.0e}.", file=sys.stderr)
            return 1
        rows.append(row(steps, Size.read(text, arguments.batch), off))
    titles = ["cpu / reference", "target", "layout", "width", "tokens", "batch", "cpu MiB", "reference MiB"]
    table = markdown([*titles, "disagreement"], rows)
    text = f"{machine(arguments.threads)}, float32\n\nPeak memory of a training step\n\n{table}\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text)
    return 0


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--batch", type=int, default=64, help="prompts a step")
    parser.add_argument("--sizes", nargs="+", default=["M8:64x31", "M4:256x82"], metavar="LAYOUT:WIDTHxTOKENS")
    parser.add_argument("--repeats", type=int, default=3, help="processes a median is taken over")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    parser.add_argument("--child", choices=KERNELS, help=argparse.SUPPRESS)
    return parser.parse_args()


def in_a_process(size: str, kernel: str, arguments: argparse.Namespace) -> Step:
    """Measures one step in a fresh process."""
    flags = ["--sizes", size, "--threads", str(arguments.threads), "--batch", str(arguments.batch)]
    command = [sys.executable, __file__, "--child", kernel, *flags]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Step(**json.loads(done.stdout))


def measure(size: Size, arguments: argparse.Namespace) -> Step:
    """Trains a tiny model for a step, then the one in question, and returns what that step did."""
    import torch

    torch.set_num_threads(arguments.threads)
    train_step(Size(size.layout, 16, 5, 2), arguments.child)
    before = held()
    results = train_step(size, arguments.child)
    return Step(results, peak() - before)


def train_step(size: Size, kernel: str) -> list[float]:
    """Builds a model, trains it for one step and returns the loss and each parameter's gradient norm."""
    import torch

    from probe import ModelConfig, ResidualModel

    torch.manual_seed(0)
    model = ResidualModel(ModelConfig(layout=size.layout, dim=5, width=size.width))
    model.use_kernel(kernel)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    inputs = torch.randn(size.batch, size.tokens, 5)
    loss = (model(inputs)[..., 0] - inputs.sum(-1)).square().mean()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    norms = [parameter.grad.double().norm() for parameter in model.parameters()]
    return [value.item() for value in (loss, *norms)]


def held() -> int:
    """Returns the bytes this process holds; where the system does not say, the most it ever held."""
    pages = Path("/proc/self/statm")
    if not pages.is_file():
        return peak()
    return int(pages.read_text().split()[1]) * resource.getpagesize()


def peak() -> int:
    """Returns the most bytes this process ever held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def row(steps: dict[str, list[Step]], size: Size, off: float) -> list[str]:
    """Returns a row of the table."""
    ours, loop = (statistics.median(step.growth for step in steps[kernel]) for kernel in KERNELS)
    cells = [f"{ours / loop:.3f}", f"{TARGET}", size.layout, *map(str, (size.width, size.tokens, size.batch))]
    return [*cells, f"{ours / 2**20:.0f}", f"{loop / 2**20:.0f}", f"{off:.0e}"]


if __name__ == "__main__":
    sys.exit(main())
