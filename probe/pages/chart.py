"""A chart that a page draws and a reader changes: rows of numbers, and what they may be chosen and laid by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any, Literal

import pandas as pd

from probe import text

EVERY = -1
"""The code of a row that is shown whatever is chosen."""
LABEL = 80
"""Letters of a foreign name on a page."""
Dash = Literal["solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "5,1,1,1"]
DASHES: tuple[Dash, ...] = ("longdash", "longdashdot", "5,1,1,1", "dash", "dot", "dashdot")
"""Lines of what is registered under no line of its own, in turn."""


@dataclass(frozen=True)
class Axis:
    """What curves are laid along.

    Attributes:
        name: by which it is chosen.
        says: its title.
        at: where each whole number of a row's x lies, a list for every series; by default at the number itself.
        log: whether it is logarithmic, which numbers of at most 0 do not suit.
    """

    name: str
    says: str
    at: tuple[tuple[float, ...], ...] | None = None
    log: bool = False


@dataclass(frozen=True)
class Value:
    """What curves show.

    Attributes:
        says: the title of its axis.
        name: in one word, for tables.
        log: whether its axis is logarithmic at first.
        level: a value at which a line is drawn.
        level_says: what that value means.
        better: which way it gets better.
        share: whether it lies between 0 and 1, and changes are differences and no ratios.
    """

    says: str
    name: str = "error"
    log: bool = True
    level: float | None = None
    level_says: str = ""
    better: Literal["lower", "higher"] = "lower"
    share: bool = False


@dataclass(frozen=True)
class Facet:
    """A column by which rows are chosen, one value at a time, by a slider or from a list.

    Attributes:
        first: whether the first value is chosen at first, and not the last.
        words: values in words.
        values: what is drawn, by value in words, where that differs from value to value.
    """

    column: str
    says: str
    slider: bool = False
    first: bool = False
    words: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """What tells the curves of one series apart: a head, a learner.

    Attributes:
        mark: whether it is a single value, shown as a mark and no line.
        quiet: whether it is what others are judged by, such as a null: grey, and not summed up in words.
    """

    label: str
    dash: Dash = "solid"
    mark: bool = False
    quiet: bool = False


@dataclass(frozen=True, eq=False)
class Chart:
    """Curves of a record, from which a reader chooses.

    Attributes:
        title: a heading.
        about: task, checkpoints, number of prompts and what a band is, in a line.
        table: a row a value: `series` (the label of a model, or none for what is true of all), `line` (a name),
            `x` (none for a horizontal line), `y`, `low`, `high`, and a column for each facet, none where a row is shown
            whatever is chosen.
        axes: what curves can be laid along, the usual one first.
        lines: how each line is drawn, by its name.
        mapped: the facet that a map lays upwards; no map unless given.
        blocks: whether x counts blocks, and the page says what each of them changes.
        shown: so many series are drawn at first.
        called: what a series is.
    """

    title: str
    about: str
    table: pd.DataFrame
    axes: tuple[Axis, ...]
    value: Value
    facets: tuple[Facet, ...] = ()
    lines: Mapping[str, Line] = field(default_factory=dict)
    mapped: str = ""
    blocks: bool = False
    shown: int = 12
    called: str = "model"

    def plain(self) -> dict[str, Any]:
        """Returns the chart as the page's script reads it: names apart from numbers, and codes for names."""
        table = self.table
        series = _order(table["series"])
        lines = _order(table["line"], self.lines)
        used = [facet for facet in self.facets if table[facet.column].notna().any()]
        several = [facet.column for facet in used if table[facet.column].nunique() > 1]
        return {
            "title": self.title,
            "about": self.about,
            "series": [text.line(name, LABEL) for name in series],
            "lines": [_line(name, self.lines, place, table) for place, name in enumerate(lines)],
            "axes": [asdict(axis) for axis in self.axes],
            "value": asdict(self.value),
            "facets": [_facet(facet, _order(table[facet.column])) for facet in used],
            "mapped": self.mapped if self.mapped in several else "",
            "blocks": self.blocks,
            "shown": self.shown,
            "called": self.called,
            "rows": {
                "series": _codes(table["series"], series),
                "line": _codes(table["line"], lines),
                **{name: numbers(table[name]) for name in ("x", "y", "low", "high")},
                **{facet.column: _codes(table[facet.column], _order(table[facet.column])) for facet in used},
            },
        }


def numbers(column: pd.Series[Any]) -> list[float | int | None]:
    """Returns a column as JSON has it: whole numbers as such, and null for what is no finite number."""
    values = column.astype("float64").tolist()
    return [None if not isfinite(value) else int(value) if value.is_integer() else value for value in values]


def _order(column: pd.Series[Any], first: Mapping[str, object] | None = None) -> list[Any]:
    """Returns the different values of a column: numbers by size, names as they come, those that are known before."""
    found = list(dict.fromkeys(column.dropna().tolist()))
    if pd.api.types.is_numeric_dtype(column.dtype):
        return sorted(found)
    known = [name for name in first or () if name in found]
    return [*known, *(name for name in found if name not in known)]


def _codes(column: pd.Series[Any], order: Sequence[Any]) -> list[int]:
    places = {value: place for place, value in enumerate(order)}
    return [EVERY if pd.isna(value) else places[value] for value in column.tolist()]


def _line(name: str, known: Mapping[str, Line], place: int, table: pd.DataFrame) -> dict[str, Any]:
    line = known.get(name) or Line(str(name).replace("_", " "), DASHES[place % len(DASHES)])
    level = bool(table.loc[table["line"] == name, "x"].isna().all())
    return {**asdict(line), "label": text.line(line.label, LABEL), "level": level}


def _facet(facet: Facet, values: Sequence[Any]) -> dict[str, Any]:
    words = [facet.words.get(str(value), text.line(value, LABEL)) for value in values]
    return {
        "column": facet.column,
        "says": facet.says,
        "slider": facet.slider,
        "chosen": 0 if facet.first else len(values) - 1,
        "words": words,
        "values": [asdict(facet.values[str(value)]) if str(value) in facet.values else None for value in values],
    }
