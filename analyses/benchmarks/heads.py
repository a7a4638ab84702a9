"""Times fitting a linear head in every cell of a grid, layers by contexts, against loops over the cells.

    python analyses/benchmarks/heads.py [--prompts 8192] [--layers 13] [--contexts 21] [--width 128] [--repeats 3]

All are given the same rows of every cell in memory, drawn so that later layers predict better, in float32 as a stream
is, and must give the same heads before anything is timed: at one fixed penalty, ours and scikit-learn's `Ridge` on
float64 copies must agree. What is timed:

* one penalty: second moments of the whole grid and one solution, against a loop of `Ridge`;
* a path of penalties, chosen by 5-fold cross-validation, against loops of `RidgeCV` over the same folds, which must
  choose the same penalties, one after another and by joblib over all threads; of `RidgeCV` with its closed-form
  leave-one-out errors, a cheaper criterion, for which a fold is not held out; and of himalaya's `RidgeCV`, if it is
  installed. The same penalties are given to all. Ours computes in float64; the loops are given float64 rows, and
  those with leave-one-out errors float32 ones as well, with which they compute in float32.

A loop is timed on `--cells` cells, spread over the grid, and multiplied up: every cell costs it the same. Peers take
turns; ratios of medians come first.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial, reduce
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from joblib import Parallel, delayed
from numpy.typing import NDArray
from report import machine, markdown
from sklearn.linear_model import Ridge, RidgeCV
from torch import Tensor

from probe.heads import Moments, best_penalty, fold_errors, solve_path

FOLDS = 5
TARGET = 20.0
AGREE = 1e-6  # largest difference of weights, of the largest weight
CHOICE = 1e-6  # by how much the error of a penalty may exceed the least: folds may differ by a prompt
ONE, PATH = "ours, one penalty", f"ours, {FOLDS} folds"
Rows = tuple[NDArray[np.floating], NDArray[np.floating]]
Splits = list[tuple[NDArray[np.intp], NDArray[np.intp]]]


class Head(Protocol):
    """What fits one cell."""

    def fit(self, x: NDArray[np.floating], y: NDArray[np.floating]) -> object:
        """Fits it."""


def main() -> int:
    """Checks, times and prints; returns the exit code."""
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    stream, target = draw(arguments)
    penalties = [float(value) for value in np.logspace(-2, 6, arguments.penalties)]
    off = disagreement(stream, target, penalties[len(penalties) // 2])
    print(f"largest difference of weights at one penalty: {off:.1e} of the largest", flush=True)
    if not off < AGREE:
        print("The heads disagree; nothing was timed.", file=sys.stderr)
        return 1
    cells = spread(arguments)
    chosen = [rows_of(stream, target, *cell) for cell in cells]
    up = arguments.layers * arguments.contexts / len(cells)
    double = [(x.astype(np.float64), y.astype(np.float64)) for x, y in chosen]
    cv = splits(arguments.prompts)
    if (wrong := badly_chosen(stream, target, penalties, dict(zip(cells, double, strict=True)), cv)) is not None:
        print(f"The penalties of cell {wrong} disagree; nothing was timed.", file=sys.stderr)
        return 1
    folded, threads = partial(RidgeCV, penalties, cv=cv), arguments.threads
    peers: dict[str, tuple[str, Callable[[], object], float]] = {
        ONE: ("one", lambda: one_penalty(stream, target, penalties[0]), 1.0),
        "Ridge, loop": ("one", lambda: loop(partial(Ridge, penalties[0]), double), up),
        PATH: ("path", lambda: cross_validated(stream, target, penalties), 1.0),
        f"RidgeCV, {FOLDS} folds, loop": ("path", lambda: loop(folded, double), up),
        f"RidgeCV, {FOLDS} folds, joblib": ("path", lambda: by_joblib(folded, double, threads), up),
        "RidgeCV, leave-one-out, loop": ("path", lambda: loop(partial(RidgeCV, penalties), double), up),
        "RidgeCV, leave-one-out, joblib": ("path", lambda: by_joblib(partial(RidgeCV, penalties), double, threads), up),
        "RidgeCV, leave-one-out, loop, float32": ("path", lambda: loop(partial(RidgeCV, penalties), chosen), up),
    }
    if (himalaya := himalaya_head(penalties)) is not None:
        peers[f"himalaya RidgeCV, {FOLDS} folds, loop"] = ("path", lambda: loop(himalaya, double), up)
    runs = in_turns({name: (call, scale) for name, (_, call, scale) in peers.items()}, arguments.repeats)
    rows = []
    for name, (kind, _, _) in peers.items():
        ours = statistics.median(runs[ONE if kind == "one" else PATH])
        seconds = statistics.median(runs[name])
        limit = f"{TARGET:g}" if name.startswith("RidgeCV") and name.endswith("loop") else ""
        spread_of = ", ".join(f"{run:.2f}" for run in runs[name])
        rows.append([f"{seconds / ours:.1f}", limit, name, f"{seconds:.2f}", spread_of])
    grid = f"{arguments.layers} layers x {arguments.contexts} contexts, width {arguments.width}"
    text = f"{machine(arguments.threads)}; {grid}, {arguments.prompts} prompts, {arguments.penalties} penalties; "
    text += f"loops timed on {len(cells)} cells and multiplied up\n\n"
    text += markdown(["times ours", "target", "peer", "s", "runs s"], rows) + "\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text)
    return 0


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--prompts", type=int, default=8192, help="rows of a cell")
    parser.add_argument("--layers", type=int, default=13, help="of the grid")
    parser.add_argument("--contexts", type=int, default=21, help="of the grid")
    parser.add_argument("--width", type=int, default=128, help="of the stream")
    parser.add_argument("--penalties", type=int, default=9, help="of the path")
    parser.add_argument("--cells", type=int, default=13, help="cells on which loops are timed")
    parser.add_argument("--repeats", type=int, default=3, help="runs a median is taken over")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    return parser.parse_args()


def draw(arguments: argparse.Namespace) -> tuple[Tensor, Tensor]:
    """Returns a stream [layer, prompt, context, width] and targets [prompt, context, 1]."""
    generator = torch.Generator().manual_seed(0)
    shape = arguments.layers, arguments.prompts, arguments.contexts, arguments.width
    stream = torch.randn(shape, generator=generator) * torch.linspace(0.1, 3, arguments.width)
    target = torch.randn(arguments.prompts, arguments.contexts, 1, generator=generator)
    for layer in range(arguments.layers):
        stream[layer, :, :, :1] += layer / arguments.layers * target
    return stream, target


def rows_of(stream: Tensor, target: Tensor, layer: int, context: int) -> Rows:
    """Returns a cell's rows as a loop is given them."""
    return stream[layer, :, context].numpy(), target[:, context, 0].numpy()


def spread(arguments: argparse.Namespace) -> list[tuple[int, int]]:
    """Returns cells spread over the grid."""
    count = min(arguments.cells, arguments.layers * arguments.contexts)
    places = np.linspace(0, arguments.layers * arguments.contexts - 1, count).round().astype(int)
    return [(int(place) // arguments.contexts, int(place) % arguments.contexts) for place in places]


def disagreement(stream: Tensor, target: Tensor, penalty: float) -> float:
    """Returns the largest difference of weights between ours and scikit-learn's, in float64, of the largest weight."""
    heads = one_penalty(stream, target, penalty)
    worst = 0.0
    for layer, context in ((0, 0), (stream.shape[0] - 1, stream.shape[2] - 1)):
        x, y = (part.astype(np.float64) for part in rows_of(stream, target, layer, context))
        theirs = Ridge(alpha=penalty, solver="svd").fit(x, y).coef_
        ours = heads[layer, context, :, 0].numpy()
        worst = max(worst, float(np.abs(ours - theirs).max() / np.abs(theirs).max()))
    return worst


def moments_of(stream: Tensor, target: Tensor) -> Moments:
    """Adds up the second moments of the whole grid."""
    layers, _, contexts, width = stream.shape
    moments = Moments((layers, contexts), width, 1)
    for first in range(0, len(target), 256):
        moments.update(stream[:, first : first + 256], target[first : first + 256], None)
    return moments


def one_penalty(stream: Tensor, target: Tensor, penalty: float) -> Tensor:
    """Returns the weights of the whole grid [layer, context, width, 1]."""
    path = solve_path(moments_of(stream, target), [penalty], absolute=True)
    return path.coefficients[..., 0, :]


def cross_validated(stream: Tensor, target: Tensor, penalties: list[float]) -> object:
    """Returns the whole grid's heads, their penalties chosen over folds."""
    size = -(-len(target) // FOLDS)
    folds = [
        moments_of(stream[:, first : first + size], target[first : first + size])
        for first in range(0, len(target), size)
    ]
    path = solve_path(reduce(Moments.merge, folds), penalties, absolute=True)
    return path.choose(best_penalty(fold_errors(folds, penalties, absolute=True)))


def splits(prompts: int) -> Splits:
    """Returns the folds that `cross_validated` makes, as places to fit on and places to judge on."""
    size, places = -(-prompts // FOLDS), np.arange(prompts)
    held = [places[first : first + size] for first in range(0, prompts, size)]
    return [(np.setdiff1d(places, part), part) for part in held]


def badly_chosen(
    stream: Tensor, target: Tensor, penalties: list[float], rows: dict[tuple[int, int], Rows], cv: Splits
) -> tuple[int, int] | None:
    """Returns a cell of which `RidgeCV` chooses a penalty that by our sums errs more than the best, or None."""
    size = len(cv[0][1])
    folds = [
        moments_of(stream[:, first : first + size], target[first : first + size])
        for first in range(0, len(target), size)
    ]
    errors = fold_errors(folds, penalties, absolute=True)
    for (layer, context), (x, y) in rows.items():
        theirs = penalties.index(RidgeCV(penalties, cv=cv).fit(x, y).alpha_)
        found = errors[:, layer, context]
        if not found[theirs] <= (1 + CHOICE) * found.min():
            return layer, context
    return None


def loop(head: Callable[[], Head], rows: list[Rows]) -> list[object]:
    """Fits cell after cell."""
    return [head().fit(x, y) for x, y in rows]


def by_joblib(head: Callable[[], Head], rows: list[Rows], threads: int) -> object:
    """Fits cells side by side."""
    return Parallel(n_jobs=threads)(delayed(head().fit)(x, y) for x, y in rows)


def himalaya_head(penalties: list[float]) -> Callable[[], Head] | None:
    """Returns himalaya's, or None without it."""
    try:
        from himalaya.ridge import RidgeCV as Himalaya
    except ImportError:
        return None
    return partial(Himalaya, alphas=penalties, cv=FOLDS, fit_intercept=True)


def in_turns(peers: dict[str, tuple[Callable[[], object], float]], repeats: int) -> dict[str, list[float]]:
    """Runs all in turns and returns the seconds of each, multiplied up."""
    runs: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(repeats):
        for name, (call, scale) in peers.items():
            began = time.perf_counter()
            call()
            runs[name].append(scale * (time.perf_counter() - began))
    return runs


if __name__ == "__main__":
    sys.exit(main())
