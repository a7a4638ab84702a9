"""Architectures that were trained alike at rates of one search: what three seeds a side of each come to beside Mamba's.

    python analyses/alike.py

draws figures/alike.png and writes the table in docs/comparing-architectures.md, from figures/compare-alike-*.csv, of

    python analyses/rates.py skewed --plan runs/alike.csv        and skewed-whole likewise
    probe sweep runs/alike.csv --out runs/alike --jobs 2
    probe compare --ckpt mamba-alike-seed{0,1,2}.pt NAME-alike-seed{0,1,2}.pt --task skewed_linear --tuned rate \
        --prompts 2048 --score 1024 --out figures/compare-alike-NAME
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from probe import load_record
from probe.plots import save_figure, style, words
from probe.plots.canvas import canvas, whole
from probe.records import Record

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "comparing-architectures.md"
MARKS = re.compile(r"(<!-- alike -->\n)(.*?)(<!-- end of alike -->)", re.DOTALL)
SIDE = re.compile(r"(.*)-alike-seed\d+")
NAMES = {
    "gated-deltanet": "gated_deltanet",
    "linear-attention": "linear_attention",
    "s4-mamba": "s4_mamba",
    "transformer-none": "transformer without positions",
    "standard-hybrid": "standard_hybrid",
    "without-selection": "mamba without selection",
    "without-convolution": "mamba without convolution",
    "without-gate": "mamba without gate",
    "constant-delta": "mamba, constant delta",
    "constant-B": "mamba, constant B",
    "constant-C": "mamba, constant C",
}
"""What architectures are called, where their files are called otherwise."""
REACHED = 0.1
"""The error whose depth the table tells."""


@dataclass(frozen=True)
class Side:
    """The trainings of one architecture.

    Args:
        errors: the models' own at the largest context, a training each.
        depths: the share of blocks at which linear heads first reach an error of 0.1, nan where none does.
        ratio: of the geometric means of its errors and Mamba's, with the ends of its band over seeds.
    """

    name: str
    errors: tuple[float, ...]
    depths: tuple[float, ...]
    ratio: tuple[float, float, float]


def records() -> list[Record]:
    """Returns the comparisons that figures/ holds."""
    return [load_record(path.with_suffix("")) for path in sorted((ROOT / "figures").glob("compare-alike-*.csv"))]


def sides(found: Sequence[Record]) -> list[Side]:
    """Returns Mamba, and every architecture that was compared with it, those that err least first."""
    made: dict[str, Side] = {}
    for record in found:
        pairs = record.table[record.table["band"] == "prompts"]
        names = list(dict.fromkeys(match[1] for one in record.provenance["models"] if (match := SIDE.fullmatch(one))))
        seeds = record.table[(record.table["band"] == "seeds") & (record.table["quantity"] == "own")]
        last = seeds.loc[seeds["context"].idxmax()]
        reference, other = names
        # the table tells Mamba's errors over the other's
        ratio = (1 / last["ratio"], 1 / last["high"], 1 / last["low"])
        made.setdefault(reference, Side(reference, *_measured(pairs, reference), (1.0, 1.0, 1.0)))
        made[other] = Side(NAMES.get(other, other), *_measured(pairs, other), ratio)
    return sorted(made.values(), key=lambda side: side.ratio[0])


def _measured(pairs: pd.DataFrame, name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns every training's own error at the largest context, and the depth at which its heads reach an error."""
    both = (("model", "error", "depth"), ("other", "other_error", "other_depth"))
    errors: dict[str, float] = {}
    depths: dict[str, float] = {}
    own = pairs[(pairs["quantity"] == "own") & (pairs["context"] == pairs["context"].max())]
    reach = pairs[(pairs["quantity"] == "reach") & (pairs["threshold"] == REACHED)]
    for side, error, depth in both:
        for row in own[own[side].str.startswith(f"{name}-alike-")].to_dict("records"):
            errors[str(row[side])] = float(row[error])
        for row in reach[reach[side].str.startswith(f"{name}-alike-")].to_dict("records"):
            depths[str(row[side])] = float(row[depth])
    return tuple(errors[one] for one in sorted(errors)), tuple(depths[one] for one in sorted(depths))


def picture(found: Sequence[Record]) -> Figure:
    """Returns the errors of every training, and the ratios to Mamba's with their bands over seeds, a row a side."""
    told = sides(found)
    with style.page():
        figure = canvas(None, 2, 0.5 + 0.22 * len(told))
        left, right = figure.subplots(1, 2, sharey=True)
        for row, side in enumerate(told):
            left.plot(
                side.errors, [row] * len(side.errors), linestyle="", marker="o", markersize=4, color=style.SECOND[0]
            )
            middle, low, high = side.ratio
            right.plot([low, high], [row, row], color="black", linewidth=1.2)
            right.plot([middle], [row], marker="s", markersize=4, color="black")
        left.set_yticks(range(len(told)), [side.name for side in told])
        left.invert_yaxis()
        for axes, label in ((left, words.error_label([words.unit(found[0])])), (right, "error over Mamba's")):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_xlabel(label)
            axes.grid(True, axis="x")
        right.axvline(1.0, color=style.GREY, linewidth=0.8, zorder=1)
        prompts = pd.Series([found[0].provenance["prompts"]["score"]], dtype="float64")
        band = "points: a training each; bands (bars): 95 % over three seeds a side (Welch), of geometric means"
        task = str(found[0].provenance["config"]["task"])
        models = [str(name) for record in found for name in record.provenance["models"]]
        words.head_line(figure, None, words.told([task], models, prompts, f"at 15 examples; {band}"))
    return whole(figure)


def markdown(found: Sequence[Record]) -> str:
    """Returns the page's table, a row a side."""
    lines = [
        "| architecture | error at 15 examples | over Mamba's, 95 % band over seeds | heads reach 0.1 at |",
        "| --- | --- | --- | --- |",
    ]
    for side in sides(found):
        errors = ", ".join(f"{error:.3f}" for error in side.errors)
        ratio = "1" if side.ratio[1] == side.ratio[2] else "{:.2f} ({:.2f} to {:.2f})".format(*side.ratio)
        depths = ", ".join("never" if depth != depth else f"{depth:.2f}" for depth in side.depths)
        lines.append(f"| {side.name} | {errors} | {ratio} | {depths} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Draws the picture and writes the table."""
    found = records()
    save_figure(picture(found), ROOT / "figures" / "alike.png")
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(MARKS.sub(lambda marks: f"{marks[1]}{markdown(found)}{marks[3]}", text), encoding="utf-8")


if __name__ == "__main__":
    main()
