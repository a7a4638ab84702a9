"""What a reader finds in a picture: its words, tick labels, legends and sizes; and how all of figures/ are drawn.

python tests/standing.py FILE.json      writes what is found in every picture that analyses/ draw from their records
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Text

ROOT = Path(__file__).parent.parent
ANALYSES = ROOT / "analyses"
FIGURES = ROOT / "figures"


@dataclass(frozen=True)
class Picture:
    """What is found in a picture.

    Attributes:
        texts: all that is written, with line breaks as spaces.
        ticks: the axes with fewer than two tick labels, by panel.
        legend: the height of the highest legend, as a share of the picture's.
        looks: entries of legends by how their lines look.
        width: in inches.
        letters: the smallest size of letters, in points.
        ranges: quantities that panels lay along y in different ranges, each with those ranges.
    """

    texts: str
    ticks: list[str]
    legend: float
    looks: dict[str, list[str]]
    width: float
    letters: float
    ranges: dict[str, list[str]]


def found_in(figure: Figure) -> Picture:
    """Returns what is found in a picture, laid out as it is saved."""
    figure.canvas.draw()
    legends = figure.findobj(Legend)
    written = [one for one in figure.findobj(Text) if one.get_visible() and one.get_text().strip()]
    return Picture(
        texts=texts(figure),
        ticks=[
            f"{axes.get_title('left')} {axis}: {count}"
            for axes in figure.axes
            if axes.axison and axes.get_visible()
            for axis, count in ticks(axes)
            if count < 2
        ],
        legend=max((one.get_window_extent().height / figure.bbox.height for one in legends), default=0.0),
        looks=looks(legends),
        width=float(figure.get_figwidth()),
        letters=min(one.get_fontsize() for one in written),
        ranges={name: kinds for name, kinds in ranges(figure).items() if len(kinds) > 1},
    )


def texts(figure: Figure) -> str:
    """Returns all that is written in a picture, with line breaks as spaces."""
    found = [one.get_text() for one in figure.findobj(Text) if one.get_visible()]
    return re.sub(r"\s+", " ", " | ".join(found))


def ticks(axes: Axes) -> list[tuple[str, int]]:
    """Returns how many tick labels within its range each axis of a panel shows; one without any is shared."""
    found = []
    for place, axis in enumerate((axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        slack = 1e-6 * (high - low)
        labels = [one for which in ("major", "minor") for one in axis.get_ticklabels(which=which)]
        shown = [one for one in labels if one.get_text() and low - slack <= one.get_position()[place] <= high + slack]
        if any(one.get_visible() for one in labels):
            found.append(("xy"[place], len(shown)))
    return found


def ranges(figure: Figure) -> dict[str, list[str]]:
    """Returns the ranges of y by what is laid along it; a panel without a label shows what the one at its left does.

    Axes of names, maps and colours are of no quantity.
    """
    found: dict[str, list[str]] = {}
    label = ""
    panels = [axes for axes in figure.axes if axes.axison and axes.get_visible()]
    for axes in sorted(panels, key=lambda one: (-round(one.get_position().y0, 2), one.get_position().x0)):
        label = re.sub(r"\s+", " ", axes.get_ylabel()) or label
        names = [one.get_text().replace("mathdefault", "") for one in axes.get_yticklabels()]
        if axes.images or axes.findobj(QuadMesh) or any(re.search("[a-z]{2}", name) for name in names):
            continue
        low, high = axes.get_ylim()
        known = found.setdefault(f"{label} ({axes.get_yscale()})", [])
        if (said := f"{low:.3g} to {high:.3g}") not in known:
            known.append(said)
    return found


def looks(legends: list[Legend]) -> dict[str, list[str]]:
    """Returns the entries of all legends by colour, marker and line."""
    found: dict[str, list[str]] = {}
    for legend in legends:
        for handle, label in zip(legend.legend_handles, legend.get_texts(), strict=True):
            unseen = {"None", ""}
            if not isinstance(handle, Line2D) or {handle.get_linestyle(), handle.get_marker()} <= unseen:
                continue
            marker = handle.get_marker() or "None"
            fill = "" if marker == "None" else to_hex(handle.get_markerfacecolor())
            dashes = handle._dash_pattern  # type: ignore[attr-defined]  # by which two dashed lines are told apart
            look = f"{to_hex(handle.get_color())} {marker} {fill} {dashes} {handle.get_linewidth():g}"
            entries = found.setdefault(look, [])
            if label.get_text() not in entries:
                entries.append(label.get_text())
    return found


def of_analyses() -> dict[str, Picture]:
    """Returns what is found in every picture that scripts and notebooks draw, from their records alone."""
    sys.path.insert(0, str(ANALYSES))
    import budget
    import redraw
    import run

    found = {name: found_in(drawn()) for name, drawn in redraw.figures().items()}

    def draw(figure: Figure, name: str) -> Figure:
        found[name] = found_in(figure)
        return figure

    budget.draw = draw
    for notebook in sorted(ANALYSES.glob("*.ipynb")):
        run.run(notebook)
    return found


def main(out: str) -> None:
    """Writes what is found."""
    file = Path(out).resolve()
    os.environ["PROBE_BUDGET"] = "draw"
    file.write_text(json.dumps({name: asdict(one) for name, one in of_analyses().items()}), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
