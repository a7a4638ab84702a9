"""Tasks by architectures, as a table and as a picture: what our checkpoints have learned, by thresholds of ours.

    python analyses/park_table.py      writes the table of docs/park.md from the records that park_table.ipynb wrote

The table of Park et al. (2024), arXiv:2402.04248, is of larger models; its verdicts are not copied here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import floor, log10
from pathlib import Path
from typing import Any

import pandas as pd
from budget import DRAW, FIGURES, ROOT, Command, measured, untrained_for
from matplotlib.figure import Figure
from park import ARCHITECTURES, Trained, asked, beside, groups, names, usual_size

from probe import Record, evaluate, load_record, make_task
from probe.plots import style, words
from probe.tasks.vector_mqar import VectorMqar

PAGE = ROOT / "docs" / "park.md"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->"
ROWS = {
    "linear": "linear",
    "skewed_linear": "linear, skewed x",
    "sparse_linear": "sparse linear",
    "relu_network": "network",
    "decision_tree": "decision tree",
    "orthogonal_outlier": "orthogonal outliers",
    "many_outlier": "many outliers",
    "sparse_parity": "sparse parity",
    "chain_of_thought": "chain of thought",
    "vector_retrieval": "retrieval",
    "vector_mqar": "multi-query recall",
    "regular_language": "formal languages",
}
"""What to call the tasks, in their order."""
LEARNERS = {"least_squares": "least squares", "masked_least_squares": "least squares, clean pairs", "knn": "neighbours"}
KNOWING = {"regular_language": "automaton", "vector_retrieval": "nearest_key"}
"""Whose answers stand beside those of models where no learner suits the task."""
LENGTHS = {"vector_mqar": "pairs", "vector_retrieval": "pairs", "regular_language": "symbols"}

RATIO, MARGIN, HALF, NEARLY = 1.1, 0.01, 0.5, 0.9
"""Works: the band reaches RATIO times the row's smallest error, or MARGIN above it, and lies below HALF, half of what
guessing errs. Fails: the error is at least NEARLY that of guessing. Between them is a gap."""
WORKS, GAP, FAILS = "works", "gap", "fails"
ABOUT = (
    "tasks and lengths in rows, checkpoints in columns, of several seeds the middle one; 2,048 prompts; no bands. "
    "Numbers: normalised error after all examples (1 = knowing nothing). works: its 95 % band reaches 1.1 times the "
    "least error of the row, or 0.01 above it, and lies below half of what knowing nothing errs; fails: 0.9 or more; "
    "gap: between them"
)
FILL = {WORKS: "#0072b2", GAP: "#f2d08a", FAILS: "#8f3b00"}
INK = {WORKS: "white", GAP: "black", FAILS: "white"}


@dataclass(frozen=True)
class Cell:
    """What an architecture reached on a task: the training seed in the middle.

    Attributes:
        seeds: how many were trained.
    """

    error: float
    seeds: int
    verdict: str


@dataclass(frozen=True)
class Line:
    """A task of the table.

    Attributes:
        about: its dimensions, length and options.
        learner: what a learner, or one who knows the answers, errs on the same prompts; empty where there is none.
    """

    title: str
    about: str
    learner: str
    cells: dict[str, Cell]


def measure(base: str) -> None:
    """Writes the records of a task: one for each set of options, dimension and length with two architectures or more.

    Where no two architectures were trained alike, the record is of the first.
    """
    if DRAW:  # the table is of the records that are there
        return
    found = groups(base)
    several = [group for group in found if len({one.series for one in group}) > 1]
    for group in several or found[:1]:
        _measured(usual_size(group))


def _measured(group: Sequence[Trained]) -> Record:
    first = group[0]
    base, task = first.task.split(":")[0], make_task(first.task, first.dim or 1)
    stand_in = untrained_for(first.task, first.dim or 1, first.context)
    config = asked(group, stand_in, learner=task.references[:1] or ("none",), prompts=2048)
    config = replace(config, index=str(first.context))
    command = beside(evaluate, KNOWING[base]) if base in KNOWING else evaluate
    name = re.sub(r"[^a-z0-9_]+", "-", f"park-table-{first.task}-{first.dim}-{first.context}")
    return measured(name, _at_the_end(command, names(group)), config)


def _at_the_end(command: Command, series: dict[str, str]) -> Command:
    """Returns a command whose records hold the largest context alone, and say what each model is called."""

    def run(config: Any) -> Record:
        record = command(config)
        table = record.table[record.table["context"] == record.table["context"].max()]
        return Record(table, record.provenance | {"series": series})

    return run


def lines(folder: Path = FIGURES) -> list[Line]:
    """Returns the table's lines, in the order of `ROWS`, from the records in a folder."""
    records = [load_record(path) for path in sorted(folder.glob("park-table-*.csv"))]
    found: list[Line] = []
    for base, title in ROWS.items():
        rows = [_line(one) for one in records if _base(one) == base]
        found += rows or [Line(title, "no checkpoint", "", {})]
    return found


def _base(record: Record) -> str:
    return str(record.provenance["config"]["task"]).split(":")[0]


def _line(record: Record) -> Line:
    table, base, text = record.table, _base(record), record.provenance["config"]["task"]
    series = record.provenance["series"]
    own = table[table["head"] == "model"].assign(series=lambda rows: rows["model"].map(series))
    best, least = float(own["error"].min()), _least(table)
    cells = {}
    for name in (name for name in ARCHITECTURES.values() if (own["series"] == name).any()):
        seeds = own[own["series"] == name].sort_values("error")
        middle = seeds.iloc[(len(seeds) - 1) // 2]
        error, low, high = (float(middle[column]) for column in ("error", "low", "high"))
        cells[name] = Cell(error, len(seeds), verdict(error, low, high, best, least))
    first = next(iter(record.provenance["models"].values()))
    options = text.partition(":")[2].replace(",", ", ")
    size = f"{first['dim']} dimensions, " if base != "regular_language" else ""
    last, task = int(table["context"].max()), make_task(text, first["dim"] or 1)
    if isinstance(task, VectorMqar):
        last += 1 - task.queries  # the pairs that are shown; a context counts repeated ones too
    about = f"{size}{last} {LENGTHS.get(base, 'examples')}"
    return Line(ROWS[base], f"{about}, {options}" if options else about, _learner(table), cells)


def _least(table: pd.DataFrame) -> float:
    """Returns the error of one who knows the automaton, below which nobody comes; 0 elsewhere."""
    known = table[table["head"] == "automaton"]
    return float(known["error"].iloc[0]) if len(known) else 0.0


def _learner(table: pd.DataFrame) -> str:
    others = table[table["head"] != "model"]
    if others.empty:
        return ""
    name = str(others["head"].iloc[0])
    return f"{LEARNERS.get(name, name.replace('_', ' '))} {shown(float(others['error'].iloc[0]))}"


def verdict(error: float, low: float, high: float, best: float, least: float = 0.0) -> str:
    """Returns whether a model works, falls short or fails.

    Args:
        error: the model's, with its band's ends `low` and `high`.
        best: the smallest error of the row.
        least: the error that nobody can go below; between it and 1 lies the half that has to be passed.
    """
    if error >= NEARLY:
        return FAILS
    near = low <= max(RATIO * best, best + MARGIN)
    return WORKS if near and high <= least + HALF * (1 - least) else GAP


def shown(error: float) -> str:
    """Returns an error to two digits, and to four places at most."""
    if error < 0.00005:
        return "0.0000"
    return f"{error:.{min(max(1 - floor(log10(error)), 2), 4)}f}"


def columns(table: Sequence[Line]) -> list[str]:
    """Returns the architectures of a table, in their order."""
    return [name for name in ARCHITECTURES.values() if any(name in line.cells for line in table)]


def markdown(table: Sequence[Line]) -> str:
    """Returns the page's table."""
    kinds = columns(table)
    head = ["task", *kinds, "beside"]
    rows = [head, ["---"] * len(head)]
    for line in table:
        cells = [_cell(line.cells[name]) if name in line.cells else "" for name in kinds]
        rows.append([f"{line.title} ({line.about})", *cells, line.learner])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _cell(cell: Cell) -> str:
    seeds = f", {cell.seeds} seeds" if cell.seeds > 1 else ""
    return f"{cell.verdict} ({shown(cell.error)}{seeds})"


def picture(table: Sequence[Line]) -> Figure:
    """Returns the table as a picture: a colour and a word for each verdict, the error beneath."""
    kinds = columns(table)
    with style.page():
        figure = style.new_figure(2, 0.34 * len(table) + 1.1, None)
        axes = figure.subplots()
        for down, line in enumerate(table):
            for across, name in enumerate(kinds):
                cell = line.cells.get(name)
                _box(axes, across, down, cell)
        axes.set_xlim(-0.5, len(kinds) - 0.5)
        axes.set_ylim(len(table) - 0.5, -0.5)
        axes.set_xticks(range(len(kinds)), kinds, fontsize=6.5, rotation=45, ha="left", rotation_mode="anchor")
        axes.set_yticks(range(len(table)), [f"{line.title}\n{line.about}" for line in table], fontsize=6)
        axes.tick_params(length=0, labeltop=True, labelbottom=False)
        axes.spines[:].set_visible(False)
        words.head_line(figure, None, ABOUT)
    return figure


def _box(axes: Any, across: int, down: int, cell: Cell | None) -> None:
    if cell is None:
        axes.text(across, down, "not\ntrained", ha="center", va="center", fontsize=5.5, color="#767676")
        return
    axes.bar(across, 0.92, 0.94, bottom=down - 0.46, color=FILL[cell.verdict], linewidth=0)
    text = f"{cell.verdict}\n{shown(cell.error)}"
    axes.text(across, down, text, ha="center", va="center", fontsize=6, color=INK[cell.verdict])


def main() -> None:
    """Writes the table into the page."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}{markdown(lines(ROOT / 'figures'))}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
