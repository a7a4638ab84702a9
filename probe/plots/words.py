"""Text in a picture: foreign text made harmless, units in words, and the line that says what a picture shows."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any

import pandas as pd
from matplotlib.font_manager import findfont, get_font

from probe.plots import canvas
from probe.plots.canvas import Canvas, OneAxes, Page
from probe.records import Record
from probe.records.counted import Counted, counted
from probe.records.reading import read_at
from probe.text import label

FONT = "DejaVu Sans"
"""What text is set in; every matplotlib brings it."""
NARROW = 4.0
"""Inches below which a legend stands beneath a picture and not beside it."""
LONGEST = 60
"""Letters of a foreign text that a picture shows."""
UNITS = {
    "predicting zero": "normalised error (1 = predicting zero)",
    "knowing nothing": "wrong answers (1 = knowing nothing)",
}
"""The label of an axis of errors, by what an error of 1 is."""
ZERO, GUESS = UNITS
GUESSED = ("hidden_markov", "induction", "linear_classification", "regular_language", "sparse_parity", "token_mqar")
"""Tasks of signs and symbols: what older records, which do not tell their units, must be read by."""
PAIRS = {
    "en_es": "English to Spanish",
    "en_fr": "English to French",
    "es_en": "Spanish to English",
    "fr_en": "French to English",
    "en_it": "English to Italian",
    "it_en": "Italian to English",
    "prev_letter": "previous letter",
    "identity": "the task's identity",
}
"""Tasks of word pairs, where their names are abbreviations."""
LETTERS = "X, y: the inputs and answers of a prompt's examples, w: its function's weights"
POINTWISE = "bands: 95 % by prompt, each point's own"


def text(foreign: object, most: int = LONGEST) -> str:
    """Returns a text from a record as a picture shows it: bounded, no formula, and "?" for what the font has not.

    Every name, title and label that a record brings passes through here; what has passed comes out as it went in.
    """
    known = "".join(letter if ord(letter) in _letters() else "?" for letter in label(foreign, most))
    return f" {known}" if known.startswith("_") else known  # legends leave out what begins with an underscore


@cache
def _letters() -> frozenset[int]:
    """Returns the letters that the font has."""
    return frozenset(get_font(findfont(FONT)).get_charmap())


def pairs(task: object) -> str:
    """Returns a task of word pairs in words."""
    return PAIRS.get(str(task)) or text(str(task).replace("_", " "))


def setting(record: Record, name: str) -> Any:
    """Returns a setting of the command that made a record, None where it tells none."""
    config = record.provenance.get("config")  # a dataclass until the record is saved
    return config.get(name) if isinstance(config, Mapping) else getattr(config, name, None)


def unit(record: Record, target: str = "y") -> str:
    """Returns the meaning of an error of 1 in a record's rows of a target."""
    units = record.provenance.get("units")
    if isinstance(units, Mapping) and target in units:
        return text(units[target])
    task = str(setting(record, "task") or "").partition(":")[0]
    return GUESS if target == "y" and task in GUESSED else ZERO


def contexts(records: Sequence[Record]) -> Counted:
    """Returns the words for the contexts of records that are drawn together, those of all where they differ."""
    found = list(dict.fromkeys(counted(record) for record in records))
    if len(found) == 1:
        return found[0]
    return Counted(*(" or ".join(getattr(one, part.name) for one in found) for part in fields(Counted)))


def error_label(units: Sequence[str]) -> str:
    """Returns the label of an axis of errors whose 1 means this, or these."""
    found = list(dict.fromkeys(units))
    if len(found) == 1:
        return UNITS.get(found[0], f"normalised error (1 = {found[0]})")
    return f"normalised error (1 = {' or '.join(found)})"


def about(records: Sequence[Record], band: str, prompts: pd.Series[Any] | None = None) -> str:
    """Returns a line that names task, checkpoints, prompts that errors were measured on, what heads read, and bands.

    Args:
        band: what the bands are, in words.
        prompts: the numbers of prompts of the rows that are drawn; by default those of all rows.
    """
    # a record of a training has its task beside its settings
    tasks = [str(task) for one in records if (task := setting(one, "task") or one.provenance.get("task"))]
    models = [str(name) for record in records for name in record.provenance.get("models") or _trained(record)]
    columns = [record.table["prompts"] for record in records if "prompts" in record.table.columns]
    counts = pd.concat(columns) if prompts is None and columns else prompts
    read = [one for record in records if (one := read_at(record))]
    return told(tasks, models, counts, "; ".join([*dict.fromkeys(text(one, 120) for one in read), band]))


def _trained(record: Record) -> list[str]:
    """Returns the models of a record of trainings, which describes none."""
    return list(record.table["model"].dropna().unique()) if record.provenance.get("kind") == "train" else []


def told(tasks: Iterable[str], models: Iterable[str], counts: pd.Series[Any] | None, band: str) -> str:
    """Returns the line of tasks, checkpoints, prompts and bands; what is named twice is told once."""
    named, known = list(dict.fromkeys(models)), list(dict.fromkeys(tasks))
    parts = [f"task{'s' if len(known) > 1 else ''} {', '.join(text(task, 40) for task in known)}"] if known else []
    if named:
        few = ", ".join(text(name, 40) for name in named)
        parts.append(few if len(named) <= 4 else f"{len(named)} checkpoints")
    numbers = pd.Series([], dtype="float64") if counts is None else pd.to_numeric(counts).dropna()
    if len(numbers):
        low, high = int(numbers.min()), int(numbers.max())
        parts.append(f"{low:,} prompts" if low == high else f"{low:,} to {high:,} prompts")
    return "; ".join([*parts, band])


def head_line(figure: Canvas, title: str | None, line: str) -> None:
    """Sets what is shown above a picture, beneath a title where there is one; a page grows by it.

    Above axes of the reader's own stands a title alone.
    """
    if isinstance(figure, OneAxes):
        if title:
            figure.own.set_title(text(title, 200))
        return
    across = canvas.width(figure)
    # letters of this size that fit; a legend may stand to the right of a wide picture
    width = int((19 if across < NARROW else 14.5) * across)
    # a name and a number with its unit stay on one line
    wrapped = textwrap.wrap(line.replace(" %", "\u00a0%"), width, break_on_hyphens=False)
    told = [part.replace("\u00a0", " ") for part in wrapped]
    lines = [*textwrap.wrap(text(title, 200) if title else "", width), *told]
    if lines:
        figure.suptitle("\n".join(lines), fontsize=6.5, x=0.01, ha="left", color="#444444")
        if isinstance(figure, Page):
            figure.set_figheight(figure.get_figheight() + 0.12 * len(lines))
