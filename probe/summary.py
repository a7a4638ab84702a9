"""What a record says in a few lines: tables for a terminal and plain objects for scripts."""

from __future__ import annotations

import json
from typing import Any

from probe.records import Record


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
        grid = chosen.assign(name=names).pivot_table(index="name", columns="context", values="error", sort=False)
        lines += ["", str(style), grid.to_string(float_format=lambda number: f"{number:.4f}")]
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


def language_summary(record: Record) -> str:
    """Returns the same as JSON: by model, task, number of demonstrations, head, and layer where there is one."""
    found: dict[str, Any] = {}
    rows = record.table[record.table["metric"] == "accuracy"]
    for row in rows.to_dict("records"):
        place = found
        for name in ("model", "task", "context", "head"):
            place = place.setdefault(str(row[name]), {})
        layer = row["layer"]
        place["all" if layer is None or layer != layer else str(int(layer))] = row["value"]
    return json.dumps({"accuracy": found}, indent=2)


def _share(number: float) -> str:
    return f"{number:.3f}"


def layer_table(record: Record) -> str:
    """Returns the errors by layer at the largest context as a short table."""
    table = record.table
    context = int(table["context"].max())
    at_last = table[(table["context"] == context) & (table["target"] == table["target"].iloc[-1])]
    lines = [f"error at {context} examples (1 = predicting zero)"]
    for model, rows in table[table["context"] == context].groupby("model", sort=False):
        layered = rows[rows["layer"].notna() & (rows["head"] != "model")]
        grid = layered.pivot_table(index="layer", columns="head", values="error", sort=False)
        lines += ["", str(model), grid.to_string(float_format=lambda number: f"{number:.5f}")]
        others = rows[rows["layer"].isna() | (rows["head"] == "model")]
        lines += [f"  {row.head}: {row.error:.5f}" for row in others.itertuples()]
    assert len(at_last), "the largest context has rows"
    return "\n".join(lines)


def sweep_table(record: Record) -> str:
    """Returns the trainings with their errors, the best first, and what those said that have none."""
    shown = record.table.sort_values("error")[["model", "error", "seconds", "outcome"]]
    return str(shown.to_string(index=False, na_rep="", float_format=lambda number: f"{number:.4f}"))
