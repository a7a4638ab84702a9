"""Measures the peak memory of heads on recurrent states at a long context, and of keeping every state.

    python analyses/benchmarks/state_memory.py [--tokens 8192] [--every 16] [--sequences 1] [--out FILE.md]

The model is a Mamba of transformers with the sizes of the released 130M one (24 blocks, width 768, 50,280 symbols) and
random weights, which take as much memory as trained ones. Ours reads h_t of every block after every so many tokens
through 256 random projections, and fits ridge heads for the next symbol's embedding on them, in a process of its own
whose peak the system reports. Keeping every state is what a hook that saves h_t at every step does: layers x batch x
time x inner width x states x 4 bytes. It is run as well, at a length that this machine holds, to see that the
formula is right.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from report import machine, markdown

LIMIT = 2 * 10**9
"""Bytes that heads on states at 8,192 tokens may take."""
PEER = (2048, 64)
"""Tokens and sequences of the case that is told of the naive way."""


def main() -> int:
    """Measures and prints; returns the exit code."""
    arguments = parse()
    if arguments.work:
        work(arguments)
        return 0
    base, _ = peak(["--work", "none"], arguments)
    rows = []
    for tokens in sorted({arguments.tokens // 8, arguments.tokens}):
        most, seconds = peak(["--work", "ours", "--at", str(tokens)], arguments)
        rows.append(row("ours, heads fitted", tokens, 1, most, base, naive(arguments, tokens, 1), seconds))
        held = most <= LIMIT
    for tokens in arguments.naive:
        most, seconds = peak(["--work", "naive", "--at", str(tokens)], arguments)
        rows.append(row("every state kept", tokens, 1, most, base, naive(arguments, tokens, 1), seconds))
    for tokens, batch in ((arguments.tokens, 1), PEER):
        rows.append(
            row("every state kept, by the formula", tokens, batch, None, base, naive(arguments, tokens, batch), 0)
        )
    titles = ["way", "tokens", "sequences at a time", "peak MB", "of it beside model and libraries", "formula MB", "s"]
    said = f"Mamba, {arguments.blocks} blocks, width {arguments.width}, {arguments.symbols} symbols, float32"
    limit = f"limit at {arguments.tokens} tokens: {LIMIT // 10**6} MB, {'kept' if held else 'BROKEN'}"
    text = f"{machine()}; {said}; {limit}\n\n{markdown(titles, rows)}\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text)
    return 0 if held else 1


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=8192, help="of a sequence")
    parser.add_argument("--every", type=int, default=16, help="tokens from one that is read to the next")
    parser.add_argument("--sequences", type=int, default=1, help="sequences that heads are fitted on")
    parser.add_argument("--naive", type=int, nargs="*", default=[128], help="lengths at which every state is kept")
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--blocks", type=int, default=24)
    parser.add_argument("--symbols", type=int, default=50280)
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    parser.add_argument("--work", choices=["none", "ours", "naive"], help=argparse.SUPPRESS)
    parser.add_argument("--at", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def naive(arguments: argparse.Namespace, tokens: int, batch: int) -> int:
    """Returns the bytes of every state of every block at every token."""
    return arguments.blocks * batch * tokens * 2 * arguments.width * 16 * 4


def row(way: str, tokens: int, batch: int, most: int | None, base: int, formula: int, seconds: float) -> list[str]:
    """Returns a row of the table."""
    measured = ["", ""] if most is None else [f"{most / 1e6:,.0f}", f"{(most - base) / 1e6:,.0f}"]
    took = "" if most is None else f"{seconds:.0f}"
    return [way, f"{tokens:,}", str(batch), *measured, f"{formula / 1e6:,.0f}", took]


def peak(work: Sequence[str], arguments: argparse.Namespace) -> tuple[int, float]:
    """Runs this script for one piece of work and returns the most bytes it held, and its seconds.

    A process's peak counts what its parent held when it was started, so this one imports nothing large.
    """
    sizes = [f"--{name}={getattr(arguments, name)}" for name in ("every", "sequences", "width", "blocks", "symbols")]
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, __file__, *work, *sizes], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return used.ru_maxrss * (1 if sys.platform == "darwin" else 1024), time.perf_counter() - began


def work(arguments: argparse.Namespace) -> None:
    """Builds the model and does one piece of work, in a process of its own."""
    import torch
    from transformers import MambaConfig, MambaForCausalLM

    import probe

    torch.manual_seed(0)
    sizes = {"hidden_size": arguments.width, "num_hidden_layers": arguments.blocks, "vocab_size": arguments.symbols}
    model = MambaForCausalLM(MambaConfig(**sizes)).eval()
    stream = probe.HuggingFaceModel(model)
    if arguments.work == "naive":
        keep_all(stream, arguments)
    if arguments.work == "ours":
        fit(stream, arguments)


def fit(stream: object, arguments: argparse.Namespace) -> None:
    """Fits ridge heads on the states of every block, the tokens that are read being the rows."""
    import torch

    from probe.capture.sites import Narrow, capture_site
    from probe.heads import Moments, solve_path

    narrow = Narrow(0, 256)
    tokens = list(range(arguments.every - 1, arguments.at - 1, arguments.every))
    table = stream.model.get_input_embeddings().weight[:, :16]  # type: ignore[attr-defined]
    moments = None
    for number in range(arguments.sequences):
        source = torch.Generator().manual_seed(number)
        symbols = torch.randint(arguments.symbols, (1, arguments.at), generator=source)
        found = capture_site(stream, symbols, tokens, "state", narrow=narrow)  # type: ignore[arg-type]
        rows = found.values.transpose(1, 2)
        if moments is None:
            moments = Moments((len(rows), 1), rows.shape[-1], table.shape[1])
        target = table[symbols[0, [token + 1 for token in tokens]]].detach()
        moments.update(rows, target[:, None])
    assert moments is not None, "no sequence was asked for"
    solve_path(moments)


def keep_all(stream: object, arguments: argparse.Namespace) -> None:
    """Keeps the state of every block after every token, as a hook that saves them all does."""
    import torch

    from probe.capture.sites import capture_site

    symbols = torch.randint(arguments.symbols, (1, arguments.at))
    capture_site(stream, symbols, list(range(arguments.at)), "state", widest=0)  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
