"""Times whole sequence mixers on the CPU over sequence lengths: Mamba, Mamba-2, RWKV-4 and S4D, beside their peers.

    python analyses/benchmarks/sequence_mixers.py [--lengths 32 128 512 2048 8192] [--tokens 8192] [--out FILE.md]

One norm, mixer and residual of each kind, in float32, as many prompts as make up `--tokens`, down to one. Peers
have the same weights and inputs, and outputs and gradients by every weight are compared before anything is timed.
They are Hugging Face's models of one layer (for RWKV-4 with its feed-forward block, which ours then has too), and
mambapy's Mamba with its parallel scan, if it is installed. S4D, whose kernel is a convolution, has no peer that is
installed as a package: beside it stands its own recurrence, step by step. A peer whose pass takes more than
`--patience` seconds is not asked about longer sequences.

Peers take turns; times are medians of at least three passes; ratios to ours come first.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from mamba_block import Peer, disagreement
from report import machine, markdown
from torch import Tensor, nn

from probe import ModelConfig, ResidualModel

AGREE = 1e-3  # of a tensor's largest number; gradients are float32 sums over thousands of tokens
CALLS = 3
SECONDS = 2.0  # a quick pass is repeated for so long

Peers = dict[str, Peer]


def main() -> int:
    """Checks, times and prints; returns the exit code."""
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    rows: list[list[str]] = []
    for kind, build in MIXERS.items():
        given_up: set[tuple[str, str]] = set()
        for length in arguments.lengths:
            batch = max(1, arguments.tokens // length)
            peers = build(torch.randn(batch, length, arguments.width, requires_grad=True))
            off = disagreement({"reference": peers["ours"], **peers}) if length <= arguments.checked else {}
            if off and not max(off.values()) < AGREE:
                print(f"{kind} at {length}: {off}: a peer disagrees; nothing was timed.", file=sys.stderr)
                return 1
            for way in ("forward", "forward + backward"):
                asked = {name: peer for name, peer in peers.items() if (name, way) not in given_up}
                spent = in_turns(asked, way)
                given_up |= {(name, way) for name, seconds in spent.items() if seconds > arguments.patience}
                for name, seconds in spent.items():
                    ratio = "" if name == "ours" else f"{seconds / spent['ours']:.1f}"
                    rows.append([ratio, kind, name, way, str(length), str(batch), f"{1e3 * seconds:.1f}"])
            print(f"{kind} at {length} done", file=sys.stderr, flush=True)
    text = f"{machine(arguments.threads)}, float32, width {arguments.width}\n\n"
    text += markdown(["times ours", "mixer", "peer", "pass", "length", "prompts", "ms"], rows) + "\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text)
    return 0


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--width", type=int, default=64, help="of the stream")
    parser.add_argument("--lengths", type=int, nargs="+", default=[32, 128, 512, 2048, 8192], help="of a sequence")
    parser.add_argument("--tokens", type=int, default=8192, help="of all prompts together")
    parser.add_argument("--checked", type=int, default=512, help="the longest at which gradients are compared")
    parser.add_argument("--patience", type=float, default=20.0, help="seconds of a pass after which a peer is left out")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    return parser.parse_args()


def mamba(stream: Tensor) -> Peers:
    """Returns ours, Hugging Face's and mambapy's Mamba block."""
    from mamba_block import hugging_face

    block = drawn("M1", stream)
    peers = {"ours": ours(block, stream), "Hugging Face": hugging_face(block, stream, CALLS)}
    try:
        from mambapy.mamba import MambaConfig, ResidualBlock
    except ImportError:
        return peers
    theirs = ResidualBlock(MambaConfig(d_model=stream.shape[-1], n_layers=1))
    theirs.load_state_dict(block.state_dict())
    return peers | {"mambapy": same_names(block, theirs, lambda: theirs(stream), stream)}


def mamba2(stream: Tensor) -> Peers:
    """Returns ours and Hugging Face's Mamba-2 block."""
    from transformers import Mamba2Config, Mamba2Model

    block, width = drawn("D1", stream), stream.shape[-1]
    heads = block.mixer.A_log.numel()
    states = (block.mixer.conv1d.weight.shape[0] - 2 * width) // 2
    model = Mamba2Model(
        Mamba2Config(
            vocab_size=2,
            hidden_size=width,
            num_hidden_layers=1,
            state_size=states,
            num_heads=heads,
            head_dim=2 * width // heads,
            n_groups=1,
            chunk_size=64,
        )
    )
    model.layers[0].load_state_dict(block.state_dict())
    model.norm_f = nn.Identity()
    run = lambda: model(inputs_embeds=stream, use_cache=False).last_hidden_state  # noqa: E731
    return {"ours": ours(block, stream), "Hugging Face": same_names(block, model.layers[0], run, stream)}


def rwkv4(stream: Tensor) -> Peers:
    """Returns ours and Hugging Face's RWKV-4 layer, time and channel mixing."""
    from transformers import RwkvConfig, RwkvModel

    torch.manual_seed(0)
    blocks = ResidualModel(ModelConfig(layout="(RC)1", dim=1, width=stream.shape[-1], norm="layer")).blocks
    shaken(blocks)
    # one layer alone cannot be drawn there: its first weights divide by the layers but one
    config = RwkvConfig(vocab_size=2, hidden_size=stream.shape[-1], num_hidden_layers=2, rescale_every=0)
    model = RwkvModel(config)
    del model.blocks[1:]
    layer = model.blocks[0]
    layer.pre_ln, model.ln_out = nn.Identity(), nn.Identity()
    pairs = ((blocks[0], layer.ln1, layer.attention), (blocks[1], layer.ln2, layer.feed_forward))
    for block, norm, mixer in pairs:
        norm.load_state_dict(block.norm.state_dict())
        mixer.load_state_dict(block.mixer.state_dict())
    wanted = [parameter for block, _, _ in pairs for parameter in block.parameters()]
    theirs = [
        dict(part.named_parameters())[name]
        for block, norm, mixer in pairs
        for part, of in ((norm, block.norm), (mixer, block.mixer))
        for name, _ in of.named_parameters()
    ]
    own = [
        parameter for block, _, _ in pairs for of in (block.norm, block.mixer) for _, parameter in of.named_parameters()
    ]
    assert len(own) == len(wanted)
    run = lambda: model(inputs_embeds=stream, use_cache=False).last_hidden_state  # noqa: E731
    return {
        "ours": Peer(lambda: blocks[1](blocks[0](stream)), [stream, *own], CALLS),
        "Hugging Face": Peer(run, [stream, *theirs], CALLS),
    }


def s4d(stream: Tensor) -> Peers:
    """Returns our S4D by its convolution, and by its recurrence."""
    block = drawn("S1", stream)

    def recurrent() -> Tensor:
        normed, state, outputs = block.norm(stream), block.mixer.start(len(stream)), []
        for place in range(stream.shape[1]):
            output, state = block.mixer.step(normed[:, place], state)
            outputs.append(output)
        return stream + torch.stack(outputs, dim=1)

    return {"ours": ours(block, stream), "its recurrence": Peer(recurrent, [stream, *block.parameters()], CALLS)}


def drawn(layout: str, stream: Tensor, heads: int = 8) -> nn.Module:
    """Returns one block with weights as uneven as after training."""
    torch.manual_seed(0)
    config = ModelConfig(layout=layout, dim=1, width=stream.shape[-1], attention_heads=heads)
    block: nn.Module = ResidualModel(config).blocks[0]
    return shaken(block)


@torch.no_grad()
def shaken(module: nn.Module) -> nn.Module:
    """Adds a little noise to every parameter."""
    for parameter in module.parameters():
        parameter.add_(0.02 * torch.randn_like(parameter))
    return module


def ours(block: nn.Module, stream: Tensor) -> Peer:
    """Returns our block as a peer."""
    return Peer(lambda: block(stream), [stream, *block.parameters()], CALLS)


def same_names(block: nn.Module, theirs: nn.Module, run: Callable[[], Tensor], stream: Tensor) -> Peer:
    """Returns a peer whose parameters have our names."""
    named = dict(theirs.named_parameters())
    return Peer(run, [stream, *(named[name] for name, _ in block.named_parameters())], CALLS)


MIXERS: dict[str, Callable[[Tensor], Peers]] = {"Mamba": mamba, "Mamba-2": mamba2, "RWKV-4": rwkv4, "S4D": s4d}


def in_turns(peers: Peers, way: str) -> dict[str, float]:
    """Runs all in turns, once untimed, and returns each one's median seconds."""
    calls = {name: peer.forward if way == "forward" else peer.forward_and_backward for name, peer in peers.items()}
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for round_ in turns(spent):
        for name, call in calls.items():
            if round_ > CALLS and sum(spent[name]) > SECONDS:
                continue
            began = time.perf_counter()
            call()
            if round_:
                spent[name].append(time.perf_counter() - began)
    return {name: statistics.median(seconds) for name, seconds in spent.items()}


def turns(spent: dict[str, list[float]]) -> Iterator[int]:
    """Counts the rounds until every peer has had its time."""
    number = 0
    while number <= CALLS or any(sum(seconds) < SECONDS for seconds in spent.values()):
        yield number
        number += 1


if __name__ == "__main__":
    sys.exit(main())
