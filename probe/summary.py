"""What a record says in a few lines: tables for a terminal and plain objects for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from probe.records import Record
from probe.text import line

CELL = 60
"""Letters of a name in a table."""


def number(value: Any) -> str:
    """Returns a number with three significant digits, and nothing where there is none."""
    if value is None or pd.isna(value):
        return ""
    return f"{float(value):#.3g}".rstrip(".") if value else "0"


def band(low: Any, high: Any) -> str:
    """Returns a band from its ends, and nothing where there is none."""
    return f"{number(low)} to {number(high)}" if number(low) and number(high) else ""


def change(value: Any, before: Any) -> str:
    """Returns by which share a number lies above or below the one before it."""
    known = number(value) and number(before) and before != 0
    if not known:
        return ""
    return f"{100 * (float(value) / float(before) - 1):+#.3g}".rstrip(".") + " %"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns rows of cells, the first of them the titles, as lines; a column without any cell is left out.

    Words stand to the left and numbers to the right.
    """
    columns = [list(column) for column in zip(*rows, strict=True) if any(column[1:])]
    padded = []
    for column in columns:
        width, words = max(map(len, column)), any(cell[:1].isalpha() for cell in column[1:])
        padded.append([cell.ljust(width) if words else cell.rjust(width) for cell in column])
    return ["  ".join(cells).rstrip() for cells in zip(*padded, strict=True)]


def layer_block(rows: pd.DataFrame) -> list[str]:
    """Returns the rows of one model, target and context as lines.

    They are the error of every head by layer with its band and what each block changes, and below these the
    references: what has no layer, and the model's own answer.
    """
    layered = rows[rows["layer"].notna() & (rows["head"] != "model")]
    heads = {str(head): each.set_index("layer") for head, each in layered.groupby("head", sort=False)}
    lines = [["layer", *(title for head in heads for title in (line(head, CELL), "95 % band", "change"))]]
    lines += [
        [str(layer), *(cell for each in heads.values() for cell in _layer_cells(each, layer))]
        for layer in sorted(layered["layer"].astype(int).unique())
    ]
    others = rows[rows["layer"].isna() | (rows["head"] == "model")]
    references = [["reference", "error", "95 % band"]]
    references += [[_reference(row.head), number(row.error), band(row.low, row.high)] for row in others.itertuples()]
    found = aligned(lines) if heads else []
    return [*found, *(["", *aligned(references)] if len(references) > 1 else [])]


def _layer_cells(rows: pd.DataFrame, layer: int) -> tuple[str, str, str]:
    if layer not in rows.index:
        return "", "", ""
    here = rows.loc[layer]
    before = rows.loc[layer - 1, "error"] if layer - 1 in rows.index else None
    return number(here["error"]), band(here["low"], here["high"]), change(here["error"], before)


def _reference(head: object) -> str:
    return "the model's own answer" if head == "model" else line(head, CELL)


def layer_summary(record: Record) -> dict[str, Any]:
    """Returns what a script would ask for first: errors by layer at the largest context."""
    table = record.table
    at_last = table[table["context"] == table["context"].max()]
    models: dict[str, Any] = {}
    for row in at_last.itertuples():
        heads = models.setdefault(str(row.model), {})
        layer = "all" if row.layer is None or row.layer != row.layer else str(int(row.layer))
        heads.setdefault(str(row.head), {})[layer] = row.error
    return {"context": int(table["context"].max()), "error": models}


def prompting_summary(record: Record) -> dict[str, Any]:
    """Returns the errors at the largest context, by prompting style, model and head."""
    styles: dict[str, Any] = {}
    for style, rows in record.table.groupby("prompting", sort=False):
        at_last = rows[rows["context"] == rows["context"].max()]
        for row in at_last.itertuples():
            entry = styles.setdefault(str(style), {"context": int(row.context), "error": {}})
            entry["error"].setdefault(str(row.model), {})[str(row.head)] = row.error
    return styles


def prompting_table(record: Record) -> str:
    """Returns the errors at a few contexts, by prompting style, model and learner."""
    lines = ["error (1 = knowing nothing)"]
    for style, rows in record.table.groupby("prompting", sort=False):
        each = [set(group["context"]) for _, group in rows.groupby(["model", "head"])]
        contexts = sorted(set.intersection(*each))
        shown = sorted({contexts[round(i * (len(contexts) - 1) / 7)] for i in range(8)})
        chosen = rows[rows["context"].isin(shown)]
        own = chosen["head"] == "model"
        names = chosen["model"].where(own, chosen["head"])
        last = "95 % band"
        shown_rows = [["examples", *map(str, shown), f"{last} at {shown[-1]}"]]
        for name, found in chosen.assign(name=names).groupby("name", sort=False):
            errors = found.drop_duplicates("context").set_index("context")
            ends = errors.loc[shown[-1]]
            cells = [number(errors["error"].get(context)) for context in shown]
            shown_rows.append([line(name, CELL), *cells, band(ends["low"], ends["high"])])
        lines += ["", line(style, CELL), *aligned(shown_rows)]
    return "\n".join(lines)


def language_table(record: Record, by: str) -> str:
    """Returns the accuracies of language tasks, by number of demonstrations or, at the largest, by layer."""
    rows = record.table[record.table["metric"] == "accuracy"]
    if by == "context":
        grid = rows.pivot_table(index=["model", "task"], columns="context", values="value", sort=False)
        return f"accuracy by number of demonstrations\n{grid.to_string(float_format=_share, na_rep='')}"
    most = rows["context"].max()
    rows = rows[rows["context"] == most]
    own = rows[rows["layer"].notna()].astype({"layer": int})
    grid = own.pivot_table(index="layer", columns=["model", "task", "head"], values="value", sort=False)
    lines = [f"accuracy at {most} demonstrations", grid.to_string(float_format=_share, na_rep="")]
    others = rows[rows["layer"].isna()]
    return "\n".join(
        [*lines, *(f"  {row.model} {row.task} {row.head}: {row.value:.3f}" for row in others.itertuples())]
    )


def language_summary(record: Record) -> dict[str, Any]:
    """Returns the same for scripts: by model, task, number of demonstrations, head, and layer where there is one."""
    found: dict[str, Any] = {}
    rows = record.table[record.table["metric"] == "accuracy"]
    for row in rows.to_dict("records"):
        place = found
        for name in ("model", "task", "context", "head"):
            place = place.setdefault(str(row[name]), {})
        layer = row["layer"]
        place["all" if layer is None or layer != layer else str(int(layer))] = row["value"]
    return {"accuracy": found}


def _share(number: float) -> str:
    return f"{number:.3f}"


def layer_table(record: Record) -> str:
    """Returns the errors by layer at the largest context as a short table."""
    table = record.table
    context = int(table["context"].max())
    lines = [f"error at {context} examples (1 = predicting zero); change: what each block makes of the error before it"]
    for model, rows in table[table["context"] == context].groupby("model", sort=False):
        lines += ["", line(model, CELL), *layer_block(rows)]
    return "\n".join(lines)


def sweep_table(record: Record) -> str:
    """Returns the trainings with their errors, the best first, and what those said that have none."""
    best = record.table.sort_values("error")
    rows = [[line(row.model), number(row.error), number(row.seconds), line(row.outcome)] for row in best.itertuples()]
    return "\n".join(aligned([["training", "error", "seconds", "outcome"], *rows]))
