"""Times a whole Mamba block on the CPU against Hugging Face's, the plain torch loop and its matrix products alone.

    python analyses/benchmarks/mamba_block.py [--threads 2] [--sizes 256x82 64x22] [--repeats 21] [--out FILE.md]

A block is norm, projections, convolution, scan, gate and residual addition, in float32. Four peers run on the same
weights and inputs: ours on the cpu kernels, ours on the reference kernels, Hugging Face's `MambaModel` of one layer
(its final norm taken out), and the floor: the block's four matrix products and nothing else, each with the two
products that its gradients need when going back. Outputs and all gradients are compared before anything is timed.
The peers take turns, so that noise hits all alike, and medians are printed; ratios of medians come first.

A second table says where our time goes. Each part runs alone, in turn with the block, on the tensors that the block
gives it; what the parts do not account for is the rest: the residual addition, the gradients' sums where a
tensor is used twice, the calls themselves, and what a part is slower within a block than alone.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from unittest import mock

import torch
import torch.nn.functional as F
from report import machine, markdown
from torch import Tensor, nn

from probe import ModelConfig, ResidualModel
from probe.models import mamba, short_convolution

TOLERANCE = 1e-4  # of a tensor's largest number; gradients are float32 sums over thousands of tokens
TARGETS = {("forward", 256): 3.5, ("forward + backward", 256): 3.0}
PARTS = ("products", "scan", "convolution", "norm")

Call = Callable[[], object]


@dataclass(frozen=True)
class Peer:
    """Something to be timed: a function of tensors, of which those that need gradients are known."""

    run: Callable[[], Tensor]
    wanted: list[Tensor]
    repeats: int

    def forward(self) -> Tensor:
        """Runs without recording anything."""
        with torch.no_grad():
            return self.run()

    def forward_and_backward(self) -> list[Tensor]:
        """Returns the output, then the gradients of a fixed weighting of it by every wanted tensor."""
        output = self.run()
        return [output.detach(), *torch.autograd.grad(output, self.wanted, self.weights)]

    @cached_property
    def weights(self) -> Tensor:
        """The gradient that enters going back."""
        output = self.forward()
        return torch.linspace(-1, 1, output.numel()).view_as(output)


LOW_RANK = re.compile("[wag][12]")


def main() -> int:
    """Checks, times and prints; returns the exit code."""
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    ratios, parts = [], []
    for width, tokens in arguments.sizes:
        block, stream = draw(width, tokens, arguments.batch)
        peers = peers_of(block, stream, arguments)
        off = disagreement(peers)
        for name, error in off.items():
            print(f"{name} at width {width}: largest error {error:.1e} of a tensor's largest number", flush=True)
        if not max(off.values()) < TOLERANCE:
            print("A peer disagrees with the reference; nothing was timed.", file=sys.stderr)
            return 1
        for way in ("forward", "forward + backward"):
            ratios.append(compare(peers, products(block, stream, way), way, (width, tokens), arguments.repeats))
            parts.append(break_down(block, stream, peers["cpu"], way, (width, tokens), arguments.repeats))
    titles = ["ours / floor", "target", "reference / ours", "Hugging Face / ours", "width", "tokens", "pass"]
    titles += ["ours ms", "floor ms", "reference ms", "Hugging Face ms"]
    shares = ["products %", "scan %", "convolution %", "norm %", "rest %", "width", "tokens", "pass", "ours ms"]
    text = f"{machine(torch.get_num_threads())}, float32, batch {arguments.batch}\n\n{markdown(titles, ratios)}\n"
    text += f"\nWhere our time goes\n\n{markdown(shares, parts)}\n"
    print(f"\n{text}")
    if arguments.out:
        arguments.out.write_text(text)
    return 0


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--batch", type=int, default=64, help="prompts")
    parser.add_argument("--sizes", type=size, nargs="+", default=[(256, 82), (64, 22)], help="WIDTHxTOKENS")
    parser.add_argument("--repeats", type=int, default=21, help="timed calls of ours and the floor")
    parser.add_argument("--reference-repeats", type=int, default=5, help="of ours on the reference kernels")
    parser.add_argument("--peer-repeats", type=int, default=3, help="of Hugging Face's; 0 leaves it out")
    parser.add_argument("--out", type=Path, help="also write the tables to this file")
    return parser.parse_args()


def size(text: str) -> tuple[int, int]:
    """Reads WIDTHxTOKENS."""
    width, tokens = text.split("x")
    return int(width), int(tokens)


def draw(width: int, tokens: int, batch: int) -> tuple[nn.Module, Tensor]:
    """Returns one block and a stream to run it on."""
    torch.manual_seed(0)
    block = ResidualModel(ModelConfig(layout="M1", dim=1, width=width)).blocks[0]
    return block, torch.randn(batch, tokens, width, requires_grad=True)


def peers_of(block: nn.Module, stream: Tensor, arguments: argparse.Namespace) -> dict[str, Peer]:
    """Returns the block on both kernels and, unless left out, Hugging Face's on the same weights."""
    wanted = [stream, *block.parameters()]

    def on(backend: str) -> Callable[[], Tensor]:
        def run() -> Tensor:
            block.mixer.backend = backend
            result: Tensor = block(stream)
            return result

        return run

    peers = {
        "cpu": Peer(on("cpu"), wanted, arguments.repeats),
        "reference": Peer(on("reference"), wanted, arguments.reference_repeats),
    }
    if arguments.peer_repeats:
        peers["Hugging Face"] = hugging_face(block, stream, arguments.peer_repeats)
    return peers


def hugging_face(block: nn.Module, stream: Tensor, repeats: int) -> Peer:
    """Returns `MambaModel` of one layer with the block's weights and no final norm."""
    from transformers import MambaConfig, MambaModel

    model = MambaModel(MambaConfig(vocab_size=1, hidden_size=stream.shape[-1], num_hidden_layers=1))
    model.layers[0].load_state_dict(block.state_dict())
    model.norm_f = nn.Identity()
    own = dict(model.layers[0].named_parameters())
    wanted = [stream, *(own[name] for name, _ in block.named_parameters())]
    return Peer(lambda: model(inputs_embeds=stream, use_cache=False).last_hidden_state, wanted, repeats)


def disagreement(peers: dict[str, Peer]) -> dict[str, float]:
    """Returns each peer's largest error in the output and all gradients, against the reference."""
    want = peers["reference"].forward_and_backward()
    return {
        name: max(
            float((got - true).abs().max() / true.abs().max())
            for got, true in zip(peer.forward_and_backward(), want, strict=True)
        )
        for name, peer in peers.items()
        if name != "reference"
    }


def products(block: nn.Module, stream: Tensor, way: str) -> Call:
    """Returns a call of the block's matrix products alone: one each, and two more each going back."""
    weights = matrices(block.mixer)
    rows = stream.shape[0] * stream.shape[1]
    inputs = [torch.randn(rows, weight.shape[1]) for weight in weights]
    gradients = [torch.randn(rows, weight.shape[0]) for weight in weights]

    def call() -> None:
        for weight, x in zip(weights, inputs, strict=True):
            F.linear(x, weight)
        if way != "forward":
            for weight, x, gradient in zip(weights, inputs, gradients, strict=True):
                gradient @ weight
                gradient.T @ x

    return call


def matrices(mixer: nn.Module) -> list[Tensor]:
    """Returns the matrices that multiply a mixer's rows, [outputs, inputs]: linear maps', and RWKV-7's of low rank."""
    low_rank = [p.detach().T for name, p in mixer.named_parameters() if LOW_RANK.fullmatch(name)]
    return [m.weight.detach() for m in mixer.modules() if isinstance(m, nn.Linear)] + low_rank


def compare(peers: dict[str, Peer], floor: Call, way: str, shape: tuple[int, int], repeats: int) -> list[str]:
    """Times the peers and the floor in turns and returns a row of the first table."""
    calls = {name: (in_direction(peer, way), peer.repeats) for name, peer in peers.items()}
    spent = in_turns({"cpu": calls.pop("cpu"), "floor": (floor, repeats), **calls})
    ours, other = spent["cpu"], spent.get("Hugging Face")
    return [
        f"{ours / spent['floor']:.2f}",
        f"{TARGETS[way, shape[0]]}" if (way, shape[0]) in TARGETS else "",
        f"{spent['reference'] / ours:.1f}",
        f"{other / ours:.1f}" if other else "",
        *map(str, shape),
        way,
        *(f"{1e3 * spent[name]:.2f}" for name in ("cpu", "floor", "reference")),
        f"{1e3 * other:.2f}" if other else "",
    ]


def break_down(
    block: nn.Module, stream: Tensor, ours: Peer, way: str, shape: tuple[int, int], repeats: int
) -> list[str]:
    """Times the block and each part alone in turns and returns a row of the second table."""
    calls = {name: in_direction(part, way) for name, part in parts_of(block, stream).items()}
    calls |= {"products": products(block, stream, way), "whole": in_direction(ours, way)}
    spent = in_turns({name: (call, repeats) for name, call in calls.items()})
    shares = [spent[name] / spent["whole"] for name in PARTS]
    cells = [f"{100 * share:.0f}" for share in (*shares, 1 - sum(shares))]
    return [*cells, *map(str, shape), way, f"{1e3 * spent['whole']:.2f}"]


def parts_of(block: nn.Module, stream: Tensor) -> dict[str, Peer]:
    """Returns the scan, the convolution and the norm, each on what the block gives it."""
    block.mixer.backend = "cpu"
    parts = {}
    places = {"scan": (mamba, "selective_scan"), "convolution": (short_convolution, "causal_conv1d")}
    for part, (module, name) in places.items():
        kernel = getattr(module, name)
        with mock.patch.object(module, name, wraps=kernel) as spy:
            block(stream)
        given = [tensor.detach().requires_grad_() for tensor in spy.call_args.args]
        parts[part] = Peer(bound(kernel, given), given, 0)
    parts["norm"] = Peer(lambda: block.norm(stream), [stream, *block.norm.parameters()], 0)
    return parts


def bound(kernel: Callable[..., Tensor], given: Sequence[Tensor]) -> Callable[[], Tensor]:
    """Returns a call of a kernel on the given tensors by the cpu backend."""
    return lambda: kernel(*given, backend="cpu")


def in_direction(peer: Peer, way: str) -> Call:
    """Returns the call that a row of a table is about."""
    return peer.forward if way == "forward" else peer.forward_and_backward


def in_turns(calls: dict[str, tuple[Call, int]]) -> dict[str, float]:
    """Returns each call's median seconds over its repeats, spread evenly over rounds in which all take turns."""
    rounds = max(repeats for _, repeats in calls.values())
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for call, _ in calls.values():
        call()
    for turn in range(rounds):
        for name, (call, repeats) in calls.items():
            if turn * repeats % rounds < repeats:
                began = time.perf_counter()
                call()
                spent[name].append(time.perf_counter() - began)
    return {name: statistics.median(seconds) for name, seconds in spent.items()}


if __name__ == "__main__":
    sys.exit(main())
