"""Measures how the time and the peak memory of `probe fit` grow with prompts, layers, width and context.

    python analyses/benchmarks/growth.py [--axes prompts blocks width context] [--repeats 1] [--out FILE.md]
    python analyses/benchmarks/growth.py --drawn growth.md --picture FILE.png       draws a table that was written

An untrained Mamba of 4 blocks, width 32, 3 dimensions and 10 examples is fitted on 2,048 prompts; then
one of these at a time grows. Every run is a process of its own, start-up included; the system reports its peak.
Growth is told beside the smallest run of the axis: memory must stay as it is while prompts grow, and time must not
outgrow the work, which is the product of prompts, blocks and tokens, and the square of the width.

The picture draws both against each axis, beside lines of proportional growth.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from report import machine, markdown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BASE = {"prompts": 2048, "blocks": 4, "width": 32, "context": 10}
AXES = {
    "prompts": [1_000, 10_000, 100_000, 1_000_000],
    "blocks": [4, 8, 16, 32],
    "width": [32, 64, 128, 256],
    "context": [40, 160, 640, 2_560, 10_000],
}
FEWER = {"context": {"prompts": 128}}
"""What the base is changed to along an axis, so that its longest run ends."""
SCORE = 64
Run = tuple[float, int]
"""Seconds and bytes."""


def main() -> None:
    """Measures, prints and draws."""
    arguments = parse()
    if arguments.untrained:
        write_untrained(*arguments.untrained)
        return
    if arguments.drawn:
        draw(written(arguments.drawn), arguments.picture)
        return
    rows, points = [], []
    for axis in arguments.axes:
        first: Run | None = None
        for value in AXES[axis][: arguments.most]:
            runs = [measured(BASE | FEWER.get(axis, {}) | {axis: value}) for _ in range(arguments.repeats)]
            seconds, held = statistics.median(run[0] for run in runs), statistics.median(run[1] for run in runs)
            first = first or (seconds, int(held))
            growth = f"{seconds / first[0]:.2f}", f"{held / first[1]:.2f}", f"{value / AXES[axis][0]:g}"
            rows.append([*growth, axis, str(value), f"{seconds:.1f}", f"{held / 2**20:.0f}"])
            points.append((axis, value, seconds, held))
            print(rows[-1], file=sys.stderr, flush=True)
    titles = ["time / first", "memory / first", "axis / first", "axis", "value", "s", "peak MiB"]
    settings = ", ".join(f"{name} {value}" for name, value in BASE.items())
    text = f"{machine()}; mamba, {settings}, {SCORE} score prompts\n\n{markdown(titles, rows)}\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text)
    if arguments.picture:
        draw(points, arguments.picture)


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--axes", nargs="+", choices=list(AXES), default=list(AXES), help="what grows")
    parser.add_argument("--most", type=int, default=9, help="values of an axis, from the smallest")
    parser.add_argument("--repeats", type=int, default=1, help="processes a median is taken over")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    parser.add_argument("--picture", type=Path, help="and the picture to this one")
    parser.add_argument("--drawn", type=Path, help="draw this table instead of measuring")
    parser.add_argument("--untrained", nargs=4, help=argparse.SUPPRESS)
    return parser.parse_args()


def written(table: Path) -> list[tuple[str, int, float, float]]:
    """Returns the points of a table: axis, value, seconds and bytes."""
    rows = [line.strip("|").split("|") for line in table.read_text().splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in row] for row in rows]
    return [(row[3], int(row[4]), float(row[5]), float(row[6]) * 2**20) for row in cells]


def measured(settings: dict[str, int]) -> Run:
    """Fits heads on a model of these sizes in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = str(Path(folder) / "model.pt")
        # a process of its own: this one must stay small
        sizes = [str(settings[name]) for name in ("blocks", "width", "context")]
        subprocess.run([sys.executable, __file__, "--untrained", checkpoint, *sizes], check=True)
        fit = ["--ckpt", checkpoint, "--task", "linear", "--prompts", str(settings["prompts"]), "--score", str(SCORE)]
        return run(["fit", *fit, "--context", str(settings["context"]), "--batch", "64", "--out", f"{folder}/fit"])


def write_untrained(path: str, blocks: str, width: str, context: str) -> None:
    """Writes a checkpoint of a Mamba as it is drawn."""
    import torch

    from probe import ModelConfig, ResidualModel
    from probe.checkpoints import save

    torch.manual_seed(0)
    model = ResidualModel(ModelConfig(layout=f"M{blocks}", dim=3, width=int(width)))
    save(path, model, {"task": "linear", "context": int(context), "seed": 0, "step": 0, "command": ""})


def run(arguments: list[str]) -> Run:
    """Runs a command of probe that must succeed and returns what it took.

    A process's peak counts what its parent held when it was started, so this one imports nothing large.
    """
    began = time.perf_counter()
    command = [sys.executable, "-m", "probe", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return time.perf_counter() - began, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def short(value: int) -> str:
    """Writes a number in thousands or millions."""
    return next(f"{value / unit:g}{name}" for unit, name in ((10**6, "M"), (10**3, "k"), (1, "")) if value >= unit)


def picture(points: list[tuple[str, int, float, float]]) -> Figure:
    """Draws seconds and memory against every axis."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    from probe.plots import style, words

    axes = list(dict.fromkeys(point[0] for point in points))
    with style.page():
        figure = style.new_figure(2, 3.8, None)
        panels = figure.subplots(2, len(axes), squeeze=False, sharey="row")
        for row, (label, place, scale) in enumerate((("time, s", 2, 1.0), ("peak memory, MiB", 3, 2.0**20))):
            all_values = [point[place] / scale for point in points]
            panels[row, 0].set_ylabel(label)
            for panel, axis in zip(panels[row], axes, strict=True):
                x = [point[1] for point in points if point[0] == axis]
                y = [point[place] / scale for point in points if point[0] == axis]
                panel.plot(x, y, marker="o", color=style.COLOURS[0])
                panel.plot(x, [y[0] * value / x[0] for value in x], color=style.GREY, linestyle=":")
                panel.set(xscale="log", yscale="log", ylim=(min(all_values) / 2, max(all_values) * 3))
                panel.set_xlabel({"context": "examples"}.get(axis, axis) if row else "")
                every = 1 if len(x) <= 4 else 2  # names of neighbours would touch
                panel.set_xticks(x, ["" if number % every else short(value) for number, value in enumerate(x)])
                panel.xaxis.set_minor_locator(NullLocator())
                panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
                panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
                panel.yaxis.set_minor_locator(NullLocator())
        sizes = f"{BASE['blocks']} blocks, width {BASE['width']}, {BASE['context']} examples"
        told = f"task linear; mamba, untrained; {BASE['prompts']:,} prompts; {sizes}, but for what a panel names"
        words.head_line(figure, None, f"{told}; one run a point, no bands")
        measured = style.key_line("measured", style.COLOURS[0], marker="o")
        style.add_legend(figure, [measured, style.key_line("in proportion", style.GREY, ":")], beside=False)
    return figure


def draw(points: list[tuple[str, int, float, float]], path: Path) -> None:
    """Writes the picture."""
    from probe.plots import save_figure

    save_figure(picture(points), path)


if __name__ == "__main__":
    main()
