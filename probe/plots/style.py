"""What every picture shares: how records are read into series, the look of a page, and saving it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from math import ceil, floor, log10
from typing import Any, Literal

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from probe.errors import ProbeError, suggest
from probe.plots import canvas, words
from probe.plots.canvas import PAGE, Canvas, OneAxes, Page
from probe.records import Record, with_dtypes

Numbers = NDArray[np.float64]
Line = Literal["-", "--", "-.", ":", ""] | tuple[float, tuple[float, ...]]

# Four of Okabe and Ito (2008), told apart by colour-blind readers, and two darker ones for their orange and their light
# blue: a line has a contrast of 3 with the page at least (Web Content Accessibility Guidelines 2.1, 1.4.11).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#703A16", "#3296FA")
# further hues of Tol's muted scheme, for a second set of things in one picture: one colour has one meaning
SECOND = ("#332288", "#882255", "#117733", "#AA4499", "#999933", "#41A293")
MARKERS = ("o", "s", "^", "D", "v", "P")
GREY = "#777777"
HEAD_LINES: dict[str, Line] = {"linear": "-", "normed": "-.", "lens": "--", "calibrated": ":"}
OTHER_LINE: Line = "-."
NAMES = {
    "linear": "linear head",
    "normed": "linear head after the norm",
    "calibrated": "calibrated lens",
    "chance_calibrated": "chance, calibrated",
    "knn": "nearest neighbours",
    "gd": "gradient descent",
    "gd_plus_plus": "GD++",
    "gd_per_block": "GD, a rate a block",
    "gd_shared_rates": "GD, shared rates",
    "gd_plus_plus_per_block": "GD++, a rate a block",
    "preconditioned_gd": "preconditioned GD",
    "recency_gd": "GD, late examples more",
    "causal_gd": "causal GD",
    "online_gd": "online GD",
    "newton": "Newton",
    "lasso": "Lasso",
    "power_least_squares:power=2": "least squares on squares",
    "power_least_squares:power=3": "least squares on cubes",
}

ERROR_LABEL = words.UNITS["predicting zero"]
X_LABELS = {
    "layer": "layer (0 = read-in)",
    "depth": "depth (layer / number of blocks)",
    "parameters": "share of parameters up to the layer",
    "flops": "share of FLOPs up to the layer",
}
NEEDED = {
    "fit": {"model", "layer", "context", "target", "head", "error", "low", "high"},
    "train": {"model", "step", "loss"},
}
TITLE = 120
"""Letters of a title, or of what a legend says."""

TALLEST = 1 / 3
"""Of a picture's height, that a legend beside it may take."""

STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": [words.FONT],
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.labelsize": 7.5,
    "legend.fontsize": 7.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "ytick.minor.size": 1.5,
    "ytick.minor.width": 0.4,
    "lines.linewidth": 1.3,
    "lines.markersize": 3.5,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "legend.columnspacing": 1.4,
    "legend.borderaxespad": 0.2,
    "figure.dpi": 150,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,  # text stays text that an editor can change
    "svg.fonttype": "none",
    "svg.hashsalt": "probe",  # identifiers, and so the file, repeat from run to run
}


@dataclass(frozen=True)
class View:
    """Says what a picture shows; a field left empty takes the picture's own default."""

    x: Literal["layer", "depth", "parameters", "flops"] | None = None
    """The axis that layers are laid along."""
    context: int | None = None
    """The number of examples in context; by default the largest that every model has."""
    heads: tuple[str, ...] = ()
    """The heads drawn."""
    layers: tuple[int, ...] = ()
    """The layers drawn."""
    target: str | None = None
    """The target that heads were asked for; by default all of them, or y where a picture shows one."""
    title: str | None = None
    """A line above the picture."""
    columns: Literal[1, 2] | None = None
    """How many columns of a paper the picture spans."""
    ax: Axes | SubFigure | Figure | None = None
    """Where to draw: axes, for a picture of one panel, or a figure or subfigure; by default a page of its own."""


USUAL = View()


@dataclass(frozen=True, eq=False)
class Series:
    """One model of one record, with the look it keeps throughout a picture."""

    label: str
    colour: str
    marker: str
    table: pd.DataFrame
    about: dict[str, Any]

    @property
    def blocks(self) -> int:
        """Returns the number of blocks, which is the last layer."""
        last = self.about.get("blocks") or self.table["layer"].max()
        return 0 if pd.isna(last) else int(last)

    def rows(self, head: str, context: int | None = None) -> pd.DataFrame:
        """Returns a head's rows with an error, by layer and context."""
        table = self.table[(self.table["head"] == head) & self.table["error"].notna()]
        table = table if context is None else table[table["context"] == context]
        return table.sort_values(["layer", "context"])

    def positions(self, x: str, layers: Iterable[int]) -> Numbers:
        """Returns where layers lie along the x axis asked for."""
        at = np.asarray(list(layers), dtype=np.int64)
        if x in ("layer", "depth"):
            return at / (self.blocks if x == "depth" else 1)
        total = self.about.get(f"cumulative_{x}")
        if not total or len(total) <= at.max(initial=0):
            raise ProbeError(f"The record of {self.label} counts no {x} by layer. Draw it against depth instead.")
        return np.asarray(total, dtype=np.float64)[at] / float(total[-1])


def check_view(view: View, picture: str, *used: str) -> None:
    """Raises where a view asks for what this picture has no use of."""
    for field in fields(view):
        ignored = field.name not in (*used, "title", "columns")
        if ignored and getattr(view, field.name) != field.default:
            raise ProbeError(f"{field.name} was given, but {picture} has no use of it. Leave it out.")
    if view.x is not None and view.x not in X_LABELS:
        raise ProbeError(f"No axis is called {view.x!r}. {suggest(view.x, list(X_LABELS))}Axes: {', '.join(X_LABELS)}.")


def read_series(records: Sequence[Record], kind: str, picture: str, target: str | None = None) -> list[Series]:
    """Returns every model of every record, each under a label of its own.

    Args:
        kind: the kind of record the picture is drawn from, "fit" or "train".
    """
    if not records:
        raise ProbeError(f"No record was given, but {picture} needs one at least. Give the .csv of probe {kind}.")
    found: list[tuple[str, Record, pd.DataFrame]] = []
    known = read_targets(records) if kind == "fit" else []
    chosen = _one_target(known, target)
    for record in records:
        if not NEEDED[kind] <= set(record.table.columns) or record.table.empty:
            given = record.provenance.get("kind", "another kind")
            raise ProbeError(f"A record of {given} was given, but {picture} needs one of {kind}. Give its .csv.")
        for model, table in with_dtypes(record.table).groupby("model", sort=False):
            rows = _of_target(table, chosen) if kind == "fit" else table
            if kind == "fit" and rows.duplicated(["layer", "context", "head"]).any():
                raise ProbeError(f"{model} has several errors at one layer, context and head. Keep one of each.")
            found.append((str(model), record, rows))
    labels = _labels([(model, record) for model, record, _ in found])
    return [
        Series(
            label=label,
            colour=COLOURS[i % len(COLOURS)],
            marker=MARKERS[(i + i // len(COLOURS)) % len(MARKERS)],
            table=table,
            about=dict((record.provenance.get("models") or {}).get(model) or {}),
        )
        for i, (label, (model, record, table)) in enumerate(zip(labels, found, strict=True))
    ]


def read_targets(records: Sequence[Record]) -> list[str]:
    """Returns the targets that records have rows of, in their order."""
    columns = [record.table["target"].dropna() for record in records if "target" in record.table.columns]
    return [str(name) for name in dict.fromkeys(name for column in columns for name in column)]


def choose_targets(records: Sequence[Record], asked: str | None) -> list[str]:
    """Returns the targets to draw, a panel each: the one asked for, or all."""
    known = read_targets(records)
    return [_one_target(known, asked)] if asked is not None or not known else known


def _one_target(known: Sequence[str], target: str | None) -> str:
    """Returns the target asked for, or y, or the first: errors of several have different units."""
    if target is not None and known and target not in known:
        hint = suggest(target, list(known))
        raise ProbeError(f"No row has the target {target}. {hint}Targets: {', '.join(known)}.")
    return target or ("y" if "y" in known or not known else known[0])


def _of_target(table: pd.DataFrame, target: str) -> pd.DataFrame:
    rows: pd.DataFrame = table[(table["target"] == target) | table["target"].isna()]
    return rows


def _labels(found: Sequence[tuple[str, Record]]) -> list[str]:
    """Returns the models' names, told apart by task, then by number, where two records share one."""
    labels: list[str] = []
    names = [model for model, _ in found]
    for model, record in found:
        task = words.setting(record, "task")
        label = f"{words.text(model)}, {words.text(task)}" if names.count(model) > 1 and task else words.text(model)
        same = sum(other == label or other.startswith(f"{label} [") for other in labels)
        labels.append(f"{label} [{same + 1}]" if same else label)
    return labels


def choose_heads(series: Sequence[Series], asked: Sequence[str], usual: Iterable[str]) -> list[str]:
    """Returns the heads to draw: those asked for, or the usual ones that are there."""
    present = pd.concat([one.table.loc[one.table["layer"].notna(), "head"] for one in series])
    known = [str(name) for name in present.unique() if name != "model"]
    for name in asked:
        if name not in known:
            hint = suggest(name, known)
            raise ProbeError(f"No row has the head {name}. {hint}Heads: {', '.join(known) or 'none'}.")
    chosen = list(asked) or [name for name in usual if name in known] or known
    if not chosen:
        raise ProbeError("The record has no head at any layer to draw. Give a record of probe fit.")
    return chosen


def choose_context(series: Sequence[Series], heads: Sequence[str], asked: int | None) -> int:
    """Returns the context to draw: the one asked for, or the largest that every model has."""
    each = [{int(n) for head in heads for n in one.rows(head)["context"].dropna().unique()} for one in series]
    shared = sorted(set.intersection(*[one for one in each if one] or [set()]))
    if not shared:
        raise ProbeError("The models share no context with an error to draw. Fit them at the same contexts.")
    if asked is not None and asked not in shared:
        raise ProbeError(f"Not every model has context {asked}. Contexts: {', '.join(map(str, shared))}.")
    return shared[-1] if asked is None else asked


def choose_x(series: Sequence[Series], asked: str | None) -> str:
    """Returns the axis layers are laid along: depth as soon as block numbers differ."""
    return asked or ("layer" if len({one.blocks for one in series}) == 1 else "depth")


@contextmanager
def page() -> Iterator[None]:
    """Sets the look while a picture is made or saved, and puts the reader's own settings back."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)  # type: ignore[arg-type]
        yield


def new_figure(columns: int, height: float, title: str | None) -> Figure:
    """Returns an empty figure that spans columns of a paper; height in inches, before a legend beneath it."""
    figure = Page(figsize=(PAGE[columns], height), layout="constrained")
    if title:
        figure.suptitle(words.text(title, 200), fontsize=8.5)
    return figure


def name(head: str) -> str:
    """Returns a head or a learner in words."""
    return NAMES.get(head) or words.text(head.replace("_", " "))


def count(number: int, noun: str) -> str:
    """Returns a number of things in words."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def key_line(label: str, colour: str = GREY, line: Line = "-", marker: str = "") -> Line2D:
    """Returns an entry of a legend."""
    return Line2D([], [], color=colour, linestyle=line, marker=marker, label=words.text(label, TITLE))


def key_model(one: Series) -> Line2D:
    """Returns a model's entry of a legend."""
    return key_line(f"{one.label} ({count(one.blocks, 'block')})", one.colour, marker=one.marker)


def key_band() -> Patch:
    """Returns the entry for every band."""
    return Patch(facecolor=GREY, alpha=0.3, linewidth=0, label="95 % band, by prompt")


def draw_band(axes: Axes, x: Numbers, low: pd.Series[float], high: pd.Series[float], colour: str) -> None:
    """Fills between two bounds, if every point has both."""
    if len(x) and low.notna().all() and high.notna().all():
        axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)


def add_legend(figure: Canvas, handles: Sequence[Artist], beside: bool = True) -> None:
    """Sets the legend where it covers no data: beside wide axes if slim, else beneath on a taller page.

    In axes or a figure of the reader's own it stands where there is room, and nothing grows.
    """
    entries = list(handles)
    if isinstance(figure, OneAxes):
        figure.own.legend(handles=entries)
        return
    if beside and canvas.width(figure) > PAGE[1]:
        right = figure.legend(handles=entries, loc="outside right upper")
        size = right.get_window_extent()
        if size.width <= 0.3 * figure.bbox.width and size.height <= TALLEST * figure.bbox.height:
            return
        right.remove()
    # smaller letters before a single column, which would be as high as the panels
    for across, letters in ((4, 7.0), (3, 7.0), (2, 7.0), (2, 5.5), (1, 7.0)):
        beneath = figure.legend(handles=entries, loc="outside lower center", ncols=across, fontsize=letters)
        size = beneath.get_window_extent()
        if size.width <= 0.97 * figure.bbox.width or across == 1:
            break
        beneath.remove()
    if isinstance(figure, Page):
        figure.set_figheight(figure.get_figheight() + size.height / figure.dpi)


def whole_numbers(axes: Axes) -> None:
    """Sets the ticks of a horizontal axis at whole numbers that are easy to count in."""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True))


def log_errors(axes: Axes, bottom: float, top: float) -> None:
    """Makes y a log axis of errors between two limits."""
    axes.set_yscale("log", nonpositive="clip")
    axes.set_ylim(bottom, top)
    log_ticks(axes)


def share_limits(panels: Sequence[Axes]) -> None:
    """Gives panels that are compared one range of y, which holds what each of them shows."""
    ends = [axes.get_ylim() for axes in panels]
    for axes in panels:
        bottom, top = min(low for low, _ in ends), max(high for _, high in ends)
        if axes.get_yscale() == "log":
            log_errors(axes, bottom, top)  # whose ticks are chosen anew
            axes.yaxis.set_minor_formatter(NullFormatter())
        else:
            axes.set_ylim(bottom, top)


def log_ticks(axes: Axes) -> None:
    """Sets ticks and grid of a log axis; within a decade or two powers of ten would be one or none."""
    bottom, top = axes.get_ylim()
    low, high = min(bottom, top), max(bottom, top)
    powers = floor(log10(high)) - ceil(log10(low)) + 1
    if high / low < 30 or powers < 2:
        axes.yaxis.set_major_locator(FixedLocator(near_ticks(low, high)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(True, axis="y", which="major")


def near_ticks(low: float, high: float) -> list[float]:
    """Returns at least two round numbers within a small positive range, at most eight."""
    decades = range(floor(log10(low)) - 1, ceil(log10(high)) + 1)
    for parts in ((1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)):
        ticks = [part * 10.0**decade for decade in decades for part in parts]
        found = [tick for tick in ticks if low <= tick <= high]
        if len(found) >= 3:
            return found
    evenly = MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [round(float(tick), 12) for tick in evenly if low <= tick <= high and tick > 0]
