"""Kept steps of two trainings, alike but for their blocks, and the picture of the claim's rungs by step.

    kept="0,25,50,100,150,200,300,400,600,800,1000,1200"
    alike="--positions none --no-curriculum --width 32 --task skewed_linear --dim 5 --context 15 --batch 32 --steps 1200
           --warmup 120 --lr 3e-3 --keep $kept --threads 1 --device cpu"
    probe train --layout JM4 --norm rms $alike --out runs/through-mamba.pt
    probe train --layout "J(AF)4" --norm layer --attention-heads 2 $alike --out runs/through-transformer.pt

The folders of kept steps stand in checkpoints/. J joins x and y to one token.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from budget import ROOT
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from probe import Record
from probe.plots import style, words

SHOWN = ("decodable", "used", "closed loop")
"""The rungs that the claim needs, from the lowest."""
LOOKS = {"holds": ("#56B4E9", "+"), "undecided": ("#DDDDDD", "?"), "fails": ("#E69F00", "-")}
"""Colour and mark of an outcome."""


def steps_of(training: str, chosen: Sequence[int] = ()) -> tuple[str, ...]:
    """Returns the paths of the kept steps of a training, by step.

    Args:
        chosen: the steps; all of them unless given.
    """
    found = sorted((ROOT / "checkpoints" / f"{training}-steps").glob("*.pt"))
    steps = {path: int(path.stem.rpartition("-")[2]) for path in found}
    return tuple(os.path.relpath(path) for path, step in steps.items() if not chosen or step in chosen)


def begun(record: Record, head: str, threshold: float) -> pd.DataFrame:
    """Returns the first kept step at which a head errs at most a threshold, layers down and trainings across."""
    told: Mapping[str, Any] = record.provenance["models"]
    table = record.table[(record.table["head"] == head) & (record.table["error"] <= threshold)]
    table = table[table["context"] == record.table["context"].max()]
    names = table["model"].str.rpartition("-step-")
    steps = table["model"].map({name: one["step"] for name, one in told.items()})
    first = table.assign(training=names[0], step=steps).groupby(["layer", "training"])["step"].min()
    return first.unstack().astype("Int64")


def outcomes(record: Record) -> pd.DataFrame:
    """Returns the outcome of each rung that the claim needs, rungs down and steps across, of one training's claims."""
    models = record.provenance["models"]
    found = {
        int(models[name]["step"]): {rung["name"]: rung["outcome"] for rung in one["rungs"]}
        for name, one in record.provenance["verdicts"].items()
    }
    return pd.DataFrame(found).loc[list(SHOWN)].sort_index(axis=1)


def ladder(records: Mapping[str, Record]) -> Figure:
    """Draws the outcome of each rung by step, a panel a training; a rung is reached where all up to it hold.

    Args:
        records: of claims, by what the training is called.
    """
    with style.page():
        figure = style.new_figure(2, 1.7, None)
        panels = figure.subplots(1, len(records), sharey=True)
        for axes, (name, record) in zip(panels, records.items(), strict=True):
            found = outcomes(record)
            for across, step in enumerate(found.columns):
                for up, rung in enumerate(SHOWN):
                    colour, mark = LOOKS[str(found.loc[rung, step])]
                    axes.add_patch(Rectangle((across - 0.5, up - 0.5), 1, 1, facecolor=colour, edgecolor="white"))
                    axes.text(across, up, mark, ha="center", va="center", fontsize=9, color="black")
            axes.set_xlim(-0.5, len(found.columns) - 0.5)
            axes.set_ylim(-0.5, len(SHOWN) - 0.5)
            axes.set_xticks(range(len(found.columns)), [str(step) for step in found.columns])
            axes.set_yticks(range(len(SHOWN)), SHOWN)
            axes.tick_params(length=0)
            axes.set_xlabel("training step")
            axes.set_title(name)
            axes.spines[:].set_visible(False)
        panels[0].set_ylabel("rung of the claim")
        words.head_line(
            figure, None, words.about(list(records.values()), "no bands: outcomes are judged on 95 % bands")
        )
        said = {"undecided": "undecided, or not tested"}
        handles = [
            Patch(facecolor=colour, label=f"{mark}  {said.get(outcome, outcome)}")
            for outcome, (colour, mark) in LOOKS.items()
        ]
        style.add_legend(figure, handles, beside=False)
    return figure
