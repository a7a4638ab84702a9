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

from probe.plots import save_figure, style, words
from probe.plots.rows import panel_key

HERE = Path(__file__).parent
BOTH = "forward + backward"
MODELS = {"mamba": "Mamba of ours", "gpt2": "GPT-2 of transformers"}
LOOKS = {
    "Mamba of ours": (style.COLOURS[0], "o"),
    "GPT-2 of transformers": (style.COLOURS[1], "s"),
    "Mamba, Hugging Face": (style.COLOURS[3], "D"),
    "Mamba, mambapy": (style.COLOURS[4], "v"),
    "Mamba-2, Hugging Face": (style.COLOURS[2], "^"),
    "RWKV-4, Hugging Face": (style.COLOURS[5], "P"),
}
"""Colour and marker of what is timed; one stands for one thing."""


def main() -> None:
    """Reads the tables and draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=HERE.parent.parent / "figures" / "benchmarks.png", help="the picture"
    )
    arguments = parser.parse_args()
    save_figure(picture(), arguments.out)


def picture() -> Figure:
    """Returns the picture of the tables."""
    with style.page():
        figure = style.new_figure(2, 5.2, None)
        upper, lower = figure.subfigures(2, 1)
        top, bottom = upper.subplots(1, 2), lower.subplots(1, 2)
        capturing(top[0])
        heads(top[1])
        mixers(bottom[0], True)
        mixers(bottom[1], False)
        style.share_limits(bottom)
        for panel in bottom:
            plain(panel.yaxis)
        words.head_line(figure, None, about())
    return figure


def table(name: str) -> pd.DataFrame:
    """Returns the first table of a benchmark."""
    lines = (HERE / f"{name}.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return pd.DataFrame(rows[2:], columns=rows[0])


def about() -> str:
    """Returns what was measured, as the tables themselves tell it."""
    told = {name: (HERE / f"{name}.md").read_text().splitlines()[0] for name in ("capture", "heads", "sequence_mixers")}
    machine, _, capture = told["capture"].partition("; ")
    heads = told["heads"].partition("; ")[2]
    mixer = told["sequence_mixers"].partition("cpu, ")[2]
    return f"{machine}; capturing: {capture}; heads: {heads}; mixers: {mixer}; no bands"


def capturing(panel: Axes) -> None:
    """Draws the memory of a captured pass beyond a bare one: their times differ by less than they vary."""
    rows = table("capture")
    peers = [peer for peer in dict.fromkeys(rows["peer"]) if peer != "bare"][::-1]
    for number, (model, label) in enumerate(MODELS.items()):
        own = rows[rows["model"] == model].set_index("peer")["peak MiB"].astype(float)
        kept = own.drop("bare") - own["bare"]
        height = [peers.index(str(peer)) + 0.12 - 0.24 * number for peer in kept.index]
        panel.plot(kept, height, LOOKS[label][1], color=LOOKS[label][0], label=label)
    panel.set_yticks(range(len(peers)), peers)
    panel.set(xlabel="MiB beyond a bare pass", title="Capturing every block: memory", xlim=(0, 45))
    panel_key(panel, panel.get_lines(), 2)


def heads(panel: Axes) -> None:
    """Draws what loops over the cells take."""
    rows = table("heads")
    rows = rows[~rows["peer"].str.startswith("ours")][::-1].reset_index(drop=True)
    ratio = rows["times ours"].astype(float)
    panel.plot(ratio, rows.index, "X", color="black")
    for place, value in enumerate(ratio):
        panel.annotate(
            f"{value:.0f}" if value >= 10 else f"{value:.1f}", (value, place), (5, -2.5), textcoords="offset points"
        )
    panel.axvline(1, color=style.GREY, linewidth=0.8)
    panel.set_yticks(rows.index, rows["peer"])
    panel.set(xscale="log", xlim=(0.8, 1500), xlabel="time relative to ours", title="Heads of a grid: time")
    plain(panel.xaxis)


def mixers(panel: Axes, mamba: bool) -> None:
    """Draws forward and backward passes over lengths, of Mamba or of all others."""
    rows = table("sequence_mixers")
    rows = rows[(rows["pass"] == BOTH) & ((rows["mixer"] == "Mamba") == mamba)]
    rows = rows.assign(label=rows["mixer"] + ", " + rows["peer"])
    for label, (colour, marker) in LOOKS.items():
        own = rows[rows["label"] == label]
        if own.empty:
            continue
        length, ratio = own["length"].astype(int), own["times ours"].astype(float)
        panel.plot(length, ratio, marker=marker, color=colour, label=label)
    panel.axhline(1, color=style.GREY, linewidth=0.8)
    panel.set(xscale="log", yscale="log", xlabel="tokens of a sequence", ylabel="time relative to ours")
    panel.set_title(f"{'Mamba' if mamba else 'Mamba-2 and RWKV-4'}: time, forward and backward")
    panel.set_xticks([32, 128, 512, 2048, 8192], ["32", "128", "512", "2,048", "8,192"])
    panel.xaxis.set_minor_locator(NullLocator())
    panel_key(panel, [line for line in panel.get_lines() if line.get_label() in LOOKS], 2)


def plain(axis: object) -> None:
    """Writes a logarithmic axis in plain numbers."""
    axis.set_major_locator(LogLocator())  # type: ignore[attr-defined]
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))  # type: ignore[attr-defined]
    axis.set_minor_locator(NullLocator())  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
