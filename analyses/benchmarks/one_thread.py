"""Times the selective scan, whole mixers and training steps on one CPU thread against matrix products.

    python analyses/benchmarks/one_thread.py [--channels 128 512] [--tokens 82] [--repeats 41] [--out FILE.md]

The scan, with all that its call does, is counted in floating-point operations of a product of two 1,024 x 1,024
matrices on the same thread, a state update: what the product could have done meanwhile. Each mixer, with its norm and
residual addition, is timed against its own matrix products (`--width`, batch 64): those of its linear maps, of low
rank or not, one each forward and two more each going back. A training step is that of `probe train`, batch 64.

What is counted is the process's own time: no other work of the machine, beyond what that takes of the caches.
Everything takes turns; times are medians, beside which the least is given for the scan and the steps.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from mamba_block import Call, Peer, products
from report import machine, markdown
from sequence_mixers import drawn
from torch import Tensor

from probe import TrainConfig
from probe.kernels.selective_scan import selective_scan
from probe.tasks import make
from probe.training.plan import RunSettings, make_plan
from probe.training.run import start
from probe.training.step import take_step

SIZE = 1024
STATES = 16
BATCH = 64
WAYS = ("forward", "forward + backward")
MIXERS = {
    "Mamba": "M1",
    "Mamba-2": "D1",
    "RWKV-4, time": "R1",
    "RWKV-7, time": "V1",
    "DeltaNet": "E1",
    "Gated DeltaNet": "G1",
    "S4D": "S1",
    "S4D-Mamba": "T1",
    "attention": "A1",
}


def main() -> int:
    """Times and prints; returns the exit code."""
    arguments = parse()
    torch.set_num_threads(1)
    scans = [row for channels in arguments.channels for row in scan_rows(channels, arguments)]
    mixers = [row for name, layout in MIXERS.items() for row in mixer_rows(name, layout, arguments)]
    steps = [step_row(arch, arguments.repeats) for arch in ("mamba", "transformer")]
    text = f"{machine(1)}, float32, batch {BATCH}, {arguments.tokens} tokens\n\n"
    titles = ["operations an update, median", "least", "scan", "channels", "ns an update", "product GFLOP/s"]
    text += markdown(titles, scans)
    text += f"\n\nMixers of width {arguments.width}, {arguments.heads} heads\n\n"
    text += markdown(["ours / products", "mixer", "pass", "ours ms", "products ms"], mixers)
    text += "\n\nTraining steps\n\n" + markdown(["ms, median", "least", "model"], steps) + "\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text)
    return 0


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, nargs="+", default=[128, 512], help="of the scan")
    parser.add_argument("--tokens", type=int, default=82, help="of a prompt")
    parser.add_argument("--width", type=int, default=64, help="of the mixers")
    parser.add_argument("--heads", type=int, default=4, help="of the mixers, as many as the laptop's")
    parser.add_argument("--repeats", type=int, default=41, help="turns")
    parser.add_argument("--out", type=Path, help="also write the tables to this file")
    return parser.parse_args()


def scan_rows(channels: int, arguments: argparse.Namespace) -> list[list[str]]:
    """Returns a row for each way through the scan."""
    torch.manual_seed(0)
    of_channels, of_states = (BATCH, arguments.tokens, channels), (BATCH, arguments.tokens, STATES)
    rates = -torch.arange(1.0, STATES + 1).repeat(channels, 1)
    shapes = (of_channels, of_channels, of_states, of_states, (channels,), of_channels)
    u, delta, b, c, d, z = (torch.randn(shape) for shape in shapes)
    tensors = [tensor.requires_grad_() for tensor in (u, delta, rates, b, c, d, z, torch.randn(channels) - 4)]
    peer = Peer(lambda: selective_scan(*tensors), tensors, 1)
    one, other = torch.randn(2, SIZE, SIZE).unbind(0)
    ways: dict[str, Call] = dict(zip(WAYS, (peer.forward, peer.forward_and_backward), strict=True))
    spent = in_turns({"product": lambda: one @ other, **ways}, arguments.repeats)
    rate = 2 * SIZE**3 / statistics.median(spent["product"])
    updates = u.numel() * STATES
    rows = []
    for way in WAYS:
        middle, least = statistics.median(spent[way]) / updates, min(spent[way]) / updates
        shown = [f"{middle * rate:.0f}", f"{least * 2 * SIZE**3 / min(spent['product']):.0f}"]
        rows.append([*shown, way, str(channels), f"{1e9 * middle:.2f}", f"{rate / 1e9:.0f}"])
    return rows


def mixer_rows(name: str, layout: str, arguments: argparse.Namespace) -> list[list[str]]:
    """Returns a row for each way through a mixer."""
    stream = torch.randn(BATCH, arguments.tokens, arguments.width, requires_grad=True)
    block = drawn(layout, stream, arguments.heads)
    peer = Peer(lambda: output_of(block, stream), [stream, *block.parameters()], 1)
    rows = []
    for way, ours in zip(WAYS, (peer.forward, peer.forward_and_backward), strict=True):
        spent = in_turns({"products": products(block, stream, way), "ours": ours}, arguments.repeats)
        mine, least = statistics.median(spent["ours"]), statistics.median(spent["products"])
        rows.append([f"{mine / least:.1f}", name, way, f"{1e3 * mine:.2f}", f"{1e3 * least:.2f}"])
    return rows


def step_row(arch: str, repeats: int) -> list[str]:
    """Returns the row of a model's training step."""
    plan = make_plan(TrainConfig(out="unused.pt", task="linear", arch=arch, batch=BATCH, curriculum=False))
    run = start(plan, torch.device("cpu"), RunSettings(device="cpu"), "")
    task = make(plan.task, plan.dim)
    spent = in_turns({arch: lambda: take_step(run, plan, task)}, repeats)[arch]
    return [f"{1e3 * statistics.median(spent):.0f}", f"{1e3 * min(spent):.0f}", arch]


def output_of(block: torch.nn.Module, stream: Tensor) -> Tensor:
    """Returns a block's output."""
    output: Tensor = block(stream)
    return output


def in_turns(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Runs all in turns, once untimed, and returns the process's seconds of every call."""
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for round_ in range(repeats + 1):
        for name, call in calls.items():
            began = time.process_time()
            call()
            if round_:
                spent[name].append(time.process_time() - began)
    return spent


if __name__ == "__main__":
    sys.exit(main())
