"""Measures what capturing and fitting cost beyond the bare forward passes over the same prompts.

    python analyses/benchmarks/fit_overhead.py [--layouts M12 "(AF)6"] [--dim 20] [--prompts 8192] [--repeats 3]

Takes an untrained model of width 128 with 12 blocks, all 21 contexts, and the linear head alone. A full run is what
`probe fit` does between loading and scoring: it draws the prompts, captures the stream at every block, adds up the
moments (of the chance line, too), solves for every penalty and chooses one on a quarter as many prompts again. A
bare run passes all these prompts, drawn beforehand, through the model and nothing else, with all of torch's threads in
every operation. A full run takes as many batches at a time as there are threads; beside it stands one that takes
them one by one. All are warmed up, then take turns; ratios are of medians. Before that, captured outputs must equal
bare ones.

A second table says where the time of full runs goes that take their batches one by one, from clocks around the
functions that a run calls; these runs are not the ones that the ratio is taken from.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar
from unittest import mock

import torch
from report import machine, markdown
from torch import Tensor

from probe import FitConfig, ModelConfig, ResidualModel, checkpoints
from probe.capture import NativeModel, capture, hooks
from probe.heads import HEADS, Moments, RidgePath, SelectionErrors
from probe.probing import experiment as experiments
from probe.probing import measure, ridge_fit
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.probing.prepare import prepare
from probe.processes import ALONE
from probe.progress import silent
from probe.randomness import PromptSource, Purpose
from probe.training.presets import ARCHITECTURES

TARGET = 0.7
PARTS = ("forward", "prompts", "copies", "chance", "moments", "solving", "selection")
WARM_UP = 1024  # prompts

P = ParamSpec("P")
T = TypeVar("T")


def main() -> int:
    """Checks, times and prints; returns the exit code."""
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    ratios, parts = [], []
    with tempfile.TemporaryDirectory() as folder:
        for layout in arguments.layouts:
            config = FitConfig(
                ckpt=(str(untrained(layout, Path(folder), arguments)),),
                task="linear",
                head=("linear",),
                prompts=arguments.prompts,
                batch=arguments.batch,
                device="cpu",
            )
            experiment = prepare(config)[0]
            if not same_outputs(experiment, config):
                print(f"At {layout} captured outputs differ from bare ones; nothing was timed.", file=sys.stderr)
                return 1
            ratios.append(compare(experiment, config, arguments.repeats))
            parts.append(break_down(experiment, config, arguments.repeats))
    titles = ["full / bare", "target", "one by one / bare", "layout", "full s", "one by one s", "bare s"]
    titles += ["full runs s", "one by one runs s", "bare runs s"]
    shares = [*(f"{part} %" for part in PARTS), "rest %", "layout", "full s"]
    sizes = f"width {arguments.width}, dim {arguments.dim}, {arguments.context + 1} contexts, "
    sizes += f"{arguments.prompts} + {-(-arguments.prompts // 4)} prompts in batches of {arguments.batch}"
    text = f"{machine(torch.get_num_threads())}; {sizes}\n\n{markdown(titles, ratios)}\n"
    text += f"\nWhere the time of a full run goes\n\n{markdown(shares, parts)}\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text)
    return 0


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--layouts", nargs="+", default=["M12", "(AF)6"], help="blocks as text")
    parser.add_argument("--width", type=int, default=128, help="of the stream")
    parser.add_argument("--dim", type=int, default=20, help="dimension of the inputs")
    parser.add_argument("--context", type=int, default=20, help="the largest; all up to it are fitted")
    parser.add_argument("--prompts", type=int, default=8192, help="to fit on; a quarter as many again select")
    parser.add_argument("--batch", type=int, default=256, help="prompts a forward pass")
    parser.add_argument("--repeats", type=int, default=3, help="runs a median is taken over")
    parser.add_argument("--out", type=Path, help="also write the tables to this file")
    return parser.parse_args()


def untrained(layout: str, folder: Path, arguments: argparse.Namespace) -> Path:
    """Writes a checkpoint of a model as it is drawn and returns its file."""
    family = ARCHITECTURES["mamba" if "M" in layout else "transformer"]
    config = ModelConfig(
        layout=layout,
        dim=arguments.dim,
        width=arguments.width,
        norm=family.norm,
        positions=family.positions,
        slots=2 * arguments.context + 1 if family.positions == "learned" else 0,
    )
    torch.manual_seed(0)
    path = folder / f"untrained-{len(list(folder.iterdir()))}.pt"
    about = {"task": "linear", "context": arguments.context, "seed": 0, "step": 0, "command": ""}
    checkpoints.save(path, ResidualModel(config), about)
    return path


def inputs_of(experiment: Experiment, config: FitConfig) -> list[Tensor]:
    """Draws every batch that a full run draws."""
    purposes: tuple[Purpose, ...] = ("fit", "select")
    return [
        experiment.task.draw(PromptSource(config.seed, purpose, numbers), experiment.longest).inputs
        for purpose in purposes
        for numbers in Pass.of(config).batches(purpose)
    ]


def same_outputs(experiment: Experiment, config: FitConfig) -> bool:
    """Says whether a captured pass predicts what a bare one does, bit for bit."""
    _, prompts, captured = next(experiment.batches(Pass.of(config), "fit"))
    with torch.no_grad():
        bare = experiment.model.run(prompts.inputs)[:, prompts.queries]
    return torch.equal(captured.output, bare)


def compare(experiment: Experiment, config: FitConfig, repeats: int) -> list[str]:
    """Times full and bare runs in turns and returns a row of the first table."""
    inputs = inputs_of(experiment, config)
    full_run(experiment, FitConfig(**{**vars(config), "prompts": min(WARM_UP, config.prompts)}))
    bare_run(experiment, inputs[:2])
    full, single, bare = [], [], []
    for _ in range(repeats):
        bare.append(seconds(lambda: bare_run(experiment, inputs)))
        full.append(seconds(lambda: full_run(experiment, config)))
        with one_by_one():
            single.append(seconds(lambda: full_run(experiment, config)))
    ratios = [f"{statistics.median(series) / statistics.median(bare):.3f}" for series in (full, single)]
    runs = [", ".join(f"{run:.2f}" for run in series) for series in (full, single, bare)]
    medians = [f"{statistics.median(series):.2f}" for series in (full, single, bare)]
    return [ratios[0], f"{TARGET}", ratios[1], experiment.model.description.layout, *medians, *runs]


def one_by_one() -> AbstractContextManager[object]:
    """Returns a context in which batches are not taken side by side."""
    return mock.patch.object(Experiment, "at_a_time", return_value=1)


def full_run(experiment: Experiment, config: FitConfig) -> None:
    """Captures, fits and selects."""
    pass_ = Pass.of(config)
    (target,) = measure.asked_of(experiment, "y", pass_)
    measure._fit(experiment, [HEADS["linear"]()], pass_, [target], silent, ALONE)


@torch.no_grad()
def bare_run(experiment: Experiment, inputs: Sequence[Tensor]) -> None:
    """Passes every batch through the model."""
    for batch in inputs:
        experiment.model.run(batch)


def seconds(call: Callable[[], None]) -> float:
    """Returns how long a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


class Clock:
    """Adds up the seconds spent in each part; what an inner part takes is not counted to the outer one."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._inner = [0.0]

    def around(self, part: str, function: Callable[P, T]) -> Callable[P, T]:
        """Returns the function with its time counted to a part."""

        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            began = time.perf_counter()
            self._inner.append(0.0)
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.perf_counter() - began
                self.seconds[part] += spent - self._inner.pop()
                self._inner[-1] += spent

        return call


def break_down(experiment: Experiment, config: FitConfig, repeats: int) -> list[str]:
    """Runs with clocks around the parts and returns a row of the second table, of medians."""
    shares, totals = [], []
    for _ in range(repeats):
        clock = Clock()
        with one_by_one(), clocks(clock, type(experiment.task)):
            total = seconds(lambda: full_run(experiment, config))
        spent = [clock.seconds[part] for part in PARTS]
        shares.append([100 * part / total for part in (*spent, total - sum(spent))])
        totals.append(total)
    cells = [f"{statistics.median(column):.1f}" for column in zip(*shares, strict=True)]
    return [*cells, experiment.model.description.layout, f"{statistics.median(totals):.2f}"]


@contextmanager
def clocks(clock: Clock, task: type) -> Iterator[None]:
    """Puts clocks around everything that a run calls while the body runs."""
    observe, update = hooks.observe, Moments.update

    def watch(places: Sequence[hooks.Place], see: Callable[[int, Tensor], None]) -> object:
        return observe(places, clock.around("copies", see))

    def add(
        moments: Moments, stream: Tensor, target: Tensor, counted: Tensor | None = None, weights: Tensor | None = None
    ) -> None:
        part = "chance" if moments.grid[0] == 1 else "moments"  # the chance line's stream has one layer
        clock.around(part, update)(moments, stream, target, counted, weights)

    places: list[tuple[object, str, object]] = [
        (NativeModel, "run", clock.around("forward", NativeModel.run)),
        (hooks, "observe", watch),
        (task, "draw", clock.around("prompts", task.draw)),
        (experiments, "PromptSource", clock.around("prompts", PromptSource)),
        (experiments, "capture", clock.around("copies", capture)),
        (measure, "noise", clock.around("chance", measure.noise)),
        (Moments, "update", add),
        (ridge_fit, "solve_path", clock.around("solving", ridge_fit.solve_path)),
        (SelectionErrors, "update", clock.around("selection", SelectionErrors.update)),
        (RidgePath, "choose", clock.around("selection", RidgePath.choose)),
    ]
    with ExitStack() as stack:
        for owner, name, replacement in places:
            stack.enter_context(mock.patch.object(owner, name, replacement))
        yield


if __name__ == "__main__":
    sys.exit(main())
