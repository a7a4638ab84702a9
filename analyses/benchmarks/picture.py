"""Draws the benchmarks' tables as one picture: how many times longer others take than we do.

python analyses/benchmarks/picture.py [--out figures/benchmarks.png]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from probe.plots import save_figure, style

HERE = Path(__file__).parent
BOTH = "forward + backward"


def main() -> None:
    """Reads the tables and draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=HERE.parent.parent / "figures" / "benchmarks.png", help="the picture"
    )
    arguments = parser.parse_args()
    with style.page():
        figure: Figure = style.new_figure(2, 4.6, None)
        upper, lower = figure.subfigures(2, 1)
        top, bottom = upper.subplots(1, 2), lower.subplots(1, 2)
        capturing(top[0])
        heads(top[1])
        mixers(bottom[0], "Mamba", ("Hugging Face", "mambapy"))
        mixers(bottom[1], None, ("Hugging Face",))
        save_figure(figure, arguments.out)


def table(name: str) -> pd.DataFrame:
    """Returns the first table of a benchmark."""
    lines = (HERE / f"{name}.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return pd.DataFrame(rows[2:], columns=rows[0])


def capturing(panel: Axes) -> None:
    """Draws the memory of a captured pass beyond a bare one: their times differ by less than they vary."""
    rows = table("capture")
    peers = [peer for peer in dict.fromkeys(rows["peer"]) if peer != "bare"][::-1]
    for number, (model, label) in enumerate({"mamba": "Mamba of ours", "gpt2": "GPT-2 of transformers"}.items()):
        own = rows[rows["model"] == model].set_index("peer")["peak MiB"].astype(float)
        kept = own.drop("bare") - own["bare"]
        height = [peers.index(str(peer)) + 0.12 - 0.24 * number for peer in kept.index]
        panel.plot(kept, height, style.MARKERS[number], color=style.COLOURS[number], label=label)
    panel.set_yticks(range(len(peers)), peers)
    panel.set(xlabel="MiB beyond a bare pass", title="Capturing every block: memory", xlim=(0, 45))
    panel.legend(loc="upper right")


def heads(panel: Axes) -> None:
    """Draws what loops over the cells take."""
    rows = table("heads")
    rows = rows[~rows["peer"].str.startswith("ours")][::-1].reset_index(drop=True)
    ratio = rows["times ours"].astype(float)
    panel.plot(ratio, rows.index, style.MARKERS[0], color=style.COLOURS[0])
    for place, value in enumerate(ratio):
        panel.annotate(
            f"{value:.0f}" if value >= 10 else f"{value:.1f}", (value, place), (5, -2.5), textcoords="offset points"
        )
    panel.axvline(1, color=style.GREY, linewidth=0.8)
    panel.set_yticks(rows.index, rows["peer"])
    panel.set(xscale="log", xlim=(0.8, 1500), xlabel="time relative to ours", title="Heads of a grid: time")
    plain(panel.xaxis)


def mixers(panel: Axes, only: str | None, peers: tuple[str, ...]) -> None:
    """Draws forward and backward passes over lengths, of one kind of mixer or of all others."""
    rows = table("sequence_mixers")
    rows = rows[(rows["pass"] == BOTH) & rows["peer"].isin(peers)]
    rows = rows[rows["mixer"] == only] if only else rows[rows["mixer"] != "Mamba"]
    for number, ((mixer, peer), own) in enumerate(rows.groupby(["mixer", "peer"], sort=False)):
        label = peer if only else f"{mixer}, {peer}"
        length, ratio = own["length"].astype(int), own["times ours"].astype(float)
        panel.plot(length, ratio, marker=style.MARKERS[number], color=style.COLOURS[number], label=label)
    panel.axhline(1, color=style.GREY, linewidth=0.8)
    panel.set(xscale="log", yscale="log", xlabel="tokens of a sequence", ylabel="time relative to ours")
    panel.set_title(f"{only or 'Mamba-2 and RWKV-4'}: time, forward and backward")
    panel.set_xticks([32, 128, 512, 2048, 8192], ["32", "128", "512", "2,048", "8,192"])
    panel.xaxis.set_minor_locator(NullLocator())
    plain(panel.yaxis)
    panel.legend(loc="upper right" if only else "upper left")


def plain(axis: object) -> None:
    """Writes a logarithmic axis in plain numbers."""
    axis.set_major_locator(LogLocator())  # type: ignore[attr-defined]
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))  # type: ignore[attr-defined]
    axis.set_minor_locator(NullLocator())  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
