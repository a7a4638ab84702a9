"""Times capturing the stream at every layer against other ways to the same tensors, and measures their memory.

    python analyses/benchmarks/capture.py [--batch 64] [--tokens 41] [--width 128] [--blocks 12] [--repeats 15]

One pass over one batch, all layers, on two models drawn at random: a Mamba of our own, and a GPT-2 of `transformers`.
Kept are the tokens that a probe reads, every second one; those who keep all tokens by design keep all, as their users
would. Before anything is timed every peer's stream must equal ours: bit for bit, or, where a library runs another code
for the same model, within 1e-5 of its largest number.

* bare: the forward pass alone.
* ours: `probe.capture.capture`, which copies the tokens asked for into one tensor.
* plain hooks: a forward hook a block that keeps what passes, all tokens, stacked afterwards.
* nnsight: its traces, by `probe.capture.nnsight.capture_by_path`.
* TransformerLens (GPT-2 only): `run_with_cache` of a bridge, filtered to the residual stream.
* hidden states (GPT-2 only): `output_hidden_states=True`, whose last entry is after the final norm.

Peers take turns; times are medians, ratios to the bare pass first. Memory is the peak of tensors alive above what the
model and inputs hold, counted by torch's profiler of CPU memory in a pass of its own.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import torch
from report import machine, markdown
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from probe import ModelConfig, NativeModel, ResidualModel
from probe.capture import ModuleModel, StreamModel, capture
from probe.capture.hooks import Place

AGREE = 1e-5
Peer = Callable[[], object]
Stream = Callable[[object], Tensor]
"""What a peer returns, as [layer, batch, token, width] at the tokens kept."""


def main() -> int:
    """Checks, times and prints; returns the exit code."""
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    rows = []
    for name, peers in (("mamba", mamba_peers(arguments)), ("gpt2", gpt2_peers(arguments))):
        wrong = differing(peers)
        if wrong:
            print(f"{name}: {', '.join(wrong)} captured another stream than ours; nothing was timed.", file=sys.stderr)
            return 1
        times = in_turns({peer: call for peer, (call, _) in peers.items()}, arguments.repeats)
        bare = statistics.median(times["bare"])
        for peer, (call, _) in peers.items():
            seconds = statistics.median(times[peer])
            row = [f"{seconds / bare:.2f}", name, peer, f"{1e3 * seconds:.1f}", f"{peak(call) / 2**20:.1f}"]
            rows.append([*row, f"{1e3 * min(times[peer]):.1f} to {1e3 * max(times[peer]):.1f}"])
    sizes = f"{arguments.blocks} blocks, width {arguments.width}, {arguments.batch} x {arguments.tokens} tokens"
    text = f"{machine(arguments.threads)}; {sizes}; medians of {arguments.repeats}\n\n"
    text += markdown(["times bare", "model", "peer", "ms", "peak MiB", "runs ms"], rows) + "\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text)
    return 0


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--batch", type=int, default=64, help="prompts of the pass")
    parser.add_argument("--tokens", type=int, default=41, help="of a prompt")
    parser.add_argument("--width", type=int, default=128, help="of the stream")
    parser.add_argument("--blocks", type=int, default=12, help="of either model")
    parser.add_argument("--repeats", type=int, default=15, help="passes a median is taken over")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    return parser.parse_args()


def mamba_peers(arguments: argparse.Namespace) -> dict[str, tuple[Peer, Stream | None]]:
    """Returns every way to the stream of a Mamba of ours, and how its result is read."""
    torch.manual_seed(0)
    config = ModelConfig(layout=f"M{arguments.blocks}", dim=5, width=arguments.width)
    model = NativeModel(ResidualModel(config).eval().requires_grad_(False))
    inputs = torch.randn(arguments.batch, arguments.tokens, 5)
    kept = torch.arange(0, arguments.tokens, 2)
    paths = ["blocks.0:input", *(f"blocks.{i}" for i in range(arguments.blocks))]
    return common(model, inputs, kept) | nnsight_peer(model.model, inputs, paths, kept)


def gpt2_peers(arguments: argparse.Namespace) -> dict[str, tuple[Peer, Stream | None]]:
    """Returns the same of a GPT-2 of transformers."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        n_embd=arguments.width, n_layer=arguments.blocks, n_head=4, n_positions=arguments.tokens, vocab_size=512
    )
    module = GPT2LMHeadModel(config).eval().requires_grad_(False)
    paths = ["transformer.h.0:input", *(f"transformer.h.{i}" for i in range(arguments.blocks))]
    model = ModuleModel(module, paths, lambda stream: module.lm_head(module.transformer.ln_f(stream)), symbols=512)
    inputs = torch.randint(512, (arguments.batch, arguments.tokens))
    kept = torch.arange(0, arguments.tokens, 2)
    peers = common(model, inputs, kept) | nnsight_peer(module, inputs, paths, kept)
    return peers | lens_peer(module, inputs, kept) | hidden_peer(module, inputs, kept)


def common(model: StreamModel, inputs: Tensor, kept: Tensor) -> dict[str, tuple[Peer, Stream | None]]:
    """Returns the peers that every model has."""
    return {
        "bare": (lambda: model.run(inputs), None),
        "ours": (lambda: capture(model, inputs, kept).stream, lambda found: found),  # type: ignore[return-value]
        "plain hooks": (lambda: by_hooks(model.places, lambda: model.run(inputs)), lambda found: found[:, :, kept]),  # type: ignore[index]
    }


def by_hooks(places: list[Place], run: Peer) -> Tensor:
    """Returns every layer's stream at all tokens, by hooks as anyone would write them."""
    seen: list[Tensor] = []
    first, *blocks = places
    hooks = [first.module.register_forward_pre_hook(lambda _, given: seen.append(given[0]))]

    def see(_: nn.Module, given: object, found: object) -> None:
        seen.append(found[0] if isinstance(found, tuple) else found)  # type: ignore[arg-type]

    hooks += [place.module.register_forward_hook(see) for place in blocks]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack(seen)


def nnsight_peer(
    module: nn.Module, inputs: Tensor, paths: list[str], kept: Tensor
) -> dict[str, tuple[Peer, Stream | None]]:
    """Returns nnsight's way, if it is installed."""
    try:
        import nnsight
    except ImportError:
        return {}
    from probe.capture.nnsight import capture_by_path

    traced = nnsight.NNsight(module)
    return {
        "nnsight": (
            lambda: capture_by_path(traced, inputs, paths),
            lambda found: torch.stack(list(found.values()))[:, :, kept],  # type: ignore[attr-defined]
        )
    }


def lens_peer(module: nn.Module, inputs: Tensor, kept: Tensor) -> dict[str, tuple[Peer, Stream | None]]:
    """Returns TransformerLens' way over the same module, if it is installed."""
    try:
        from transformer_lens.model_bridge import TransformerBridge
    except ImportError:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        module.save_pretrained(folder)  # type: ignore[operator]
        bridge = TransformerBridge.boot_transformers(folder)

    def names(name: str) -> bool:
        return name.endswith("hook_resid_post") or name == "blocks.0.hook_resid_pre"

    def stream(found: object) -> Tensor:
        _, cache = found  # type: ignore[misc]
        layers = [cache["blocks.0.hook_resid_pre"], *(value for name, value in cache.items() if "post" in name)]
        return torch.stack(layers)[:, :, kept]

    return {"TransformerLens": (lambda: bridge.run_with_cache(inputs, names_filter=names), stream)}


def hidden_peer(module: nn.Module, inputs: Tensor, kept: Tensor) -> dict[str, tuple[Peer, Stream | None]]:
    """Returns the way by hidden states."""
    return {
        "hidden states": (
            lambda: module(inputs, output_hidden_states=True).hidden_states,
            # the last entry is after the final norm: one layer is not to be had this way
            lambda found: torch.stack(list(found)[:-1])[:, :, kept],  # type: ignore[call-overload]
        )
    }


@torch.no_grad()
def differing(peers: dict[str, tuple[Peer, Stream | None]]) -> list[str]:
    """Returns the peers whose stream is not ours, layer for layer."""
    ours = peers["ours"][0]()
    assert isinstance(ours, Tensor)
    wrong = []
    for name, (call, stream) in peers.items():
        if stream is not None:
            theirs = stream(call())
            if not (theirs - ours[: len(theirs)]).abs().max() <= AGREE * ours.abs().max():
                wrong.append(name)
    return wrong


@torch.no_grad()
def in_turns(peers: dict[str, Peer], repeats: int) -> dict[str, list[float]]:
    """Runs all in turns, once untimed, and returns the seconds of each."""
    runs: dict[str, list[float]] = {name: [] for name in peers}
    for repeat in range(repeats + 1):
        for name, call in peers.items():
            began = time.perf_counter()
            call()
            if repeat:
                runs[name].append(time.perf_counter() - began)
    return runs


@torch.no_grad()
def peak(call: Peer) -> int:
    """Returns the largest number of bytes alive at once during a call, above what was alive before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        kept = call()
    del kept
    # as they happened: `profiler.events()` adds what is allocated to the operator that asked for it
    events = profiler.profiler.kineto_results.events()  # type: ignore[union-attr]
    changes = [
        event.nbytes() for event in sorted(events, key=lambda event: event.start_ns()) if event.name() == "[memory]"
    ]
    return max(accumulate(changes, initial=0))


if __name__ == "__main__":
    sys.exit(main())
