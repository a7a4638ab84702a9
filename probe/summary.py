"""What a record says in a few lines: tables for a terminal and plain objects for scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pandas as pd

from probe.records import METRICS, Record

EXACT = 1e-9
"""Below this an error is what rounding leaves of zero."""


def layer_summary(record: Record) -> dict[str, Any]:
    """Returns what a script would ask for first: errors by layer at the largest context, of y and of other targets."""
    table = record.table
    at_last = table[table["context"] == table["context"].max()]
    found: dict[str, Any] = {"context": int(table["context"].max())}
    for row in at_last.to_dict("records"):
        target = str(row["target"])
        layer = "all" if pd.isna(row["layer"]) else str(int(row["layer"]))
        quantities = {"error": row["error"], **{name: row[name] for name in METRICS if not _missing(row, name)}}
        for name, value in quantities.items():
            place = found.setdefault(name if target == "y" else f"{name} of {target}", {})
            place.setdefault(str(row["model"]), {}).setdefault(str(row["head"]), {})[layer] = value
    return found | {"units": dict(record.provenance.get("units") or {})}


def _missing(row: dict[str, Any], name: str) -> bool:
    return name not in row or pd.isna(row[name])


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
    """Returns the errors at a few contexts with their bands, by prompting style, model and learner, and the metrics."""
    lines = [f"{_about(record)}: error ({_unit(record, 'y')}) by number of examples, 95 % bands by prompt"]
    for style, rows in record.table.groupby("prompting", sort=False):
        contexts = _shown_contexts(rows)
        own = rows["head"] == "model"
        named = rows.assign(name=rows["model"].where(own, rows["head"]))
        lines += ["", str(style), _by_context(named, contexts, "error", "low", "high")]
        for name, words in METRICS.items():
            if name in named.columns and named[name].notna().any():
                measured = named[named[name].notna()]
                lines += ["", f"{style}: {words}", _by_context(measured, contexts, name, f"{name}_low", f"{name}_high")]
    return "\n".join(lines)


def _shown_contexts(rows: pd.DataFrame) -> list[int]:
    """Returns at most four numbers of examples that every model and learner has."""
    contexts = sorted(set.intersection(*[set(group["context"]) for _, group in rows.groupby(["model", "head"])]))
    return sorted({contexts[round(i * (len(contexts) - 1) / 3)] for i in range(4)})


def _by_context(rows: pd.DataFrame, contexts: Sequence[int], *columns: str) -> str:
    """Returns values with their bands, a line a name; a learner stands under every model alike and is told once."""
    value, low, high = columns
    chosen = rows[rows["context"].isin(contexts)].drop_duplicates(["name", "context"])
    cells = [banded(*numbers) for numbers in zip(chosen[value], chosen[low], chosen[high], strict=True)]
    grid = chosen.assign(cell=cells).pivot(index="name", columns="context", values="cell")
    names = list(dict.fromkeys(chosen["name"]))
    return str(grid.loc[names].rename_axis(index=None, columns=None).to_string(na_rep=""))


def _about(record: Record) -> str:
    """Returns the task, and on how many prompts errors were measured."""
    config = record.provenance.get("config")
    task = config.get("task") if isinstance(config, Mapping) else getattr(config, "task", None)
    low, high = (int(end) for end in (record.table["prompts"].min(), record.table["prompts"].max()))
    return f"{task or 'a task'}, {f'{low:,} to ' if low < high else ''}{high:,} prompts"


def _unit(record: Record, target: str) -> str:
    """Returns in words what an error of 1 is."""
    units: dict[str, str] = record.provenance.get("units") or {}
    return f"1 = {units.get(target, 'predicting zero')}"


def banded(value: float, low: float, high: float) -> str:
    """Returns a number with its band, to three significant digits."""
    ends = "" if pd.isna(low) or pd.isna(high) else f" ({_three(low)} to {_three(high)})"
    return "" if pd.isna(value) else f"{_three(value)}{ends}"


def _three(number: Any) -> str:
    """Returns three significant digits, trailing zeros kept; 0 for what rounding leaves of it; nothing of nan."""
    if pd.isna(number):
        return ""
    if abs(number) < EXACT:
        return "0"
    return f"{number:#.3g}".rstrip(".") if 1e-3 <= abs(number) < 1e3 else f"{number:.2e}"


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
    """Returns the errors by layer at the largest context, a block a model and target, with what each block changes."""
    table = record.table
    context = int(table["context"].max())
    lines = [f"{_about(record)}: error at {context} examples, 95 % bands by prompt; x: what a block multiplies it by"]
    for (model, target), rows in table[table["context"] == context].groupby(["model", "target"], sort=False):
        lines += ["", f"{model}, target {target} ({_unit(record, str(target))})"]
        own = rows["head"] == "model"
        layered = rows[rows["layer"].notna() & ~own]
        if len(layered):
            lines.append(_by_layer(layered))
        others = rows[rows["layer"].isna() | own]
        lines += [
            f"  {row['head']}: {banded(row['error'], row['low'], row['high'])}" for row in others.to_dict("records")
        ]
        lines += _metric_lines(rows)
    return "\n".join(lines)


def _by_layer(rows: pd.DataFrame) -> str:
    """Returns every head's errors with their bands, and by what each block multiplies them."""
    columns: dict[str, dict[int, str]] = {}
    for head, of in rows.groupby("head", sort=False):
        of = of.sort_values("layer")
        layers = [int(layer) for layer in of["layer"]]
        errors = of["error"].to_list()
        cells = [banded(*numbers) for numbers in zip(errors, of["low"], of["high"], strict=True)]
        columns[str(head)] = dict(zip(layers, cells, strict=True))
        changes = [after / before if before > EXACT else float("nan") for before, after in pairwise(errors)]
        columns[f"{head} x"] = {layer: _three(change) for layer, change in zip(layers[1:], changes, strict=True)}
    grid = pd.DataFrame(columns).rename_axis("layer").reset_index()
    return str(grid.to_string(index=False, na_rep=""))


def _metric_lines(rows: pd.DataFrame) -> list[str]:
    """Returns a line for every further metric: the model's own and, by layer, every head's."""
    lines = []
    for name, words in METRICS.items():
        if name not in rows.columns:
            continue
        for head, of in rows[rows[name].notna()].groupby("head", sort=False):
            of = of.sort_values("layer")
            if len(of) == 1:
                cells = [banded(*of[[name, f"{name}_low", f"{name}_high"]].iloc[0])]
            else:
                cells = [f"{int(layer)}: {_three(value)}" for layer, value in zip(of["layer"], of[name], strict=True)]
            lines.append(f"  {words}, {head}: {', '.join(cells)}")
    return lines


def comparison_table(record: Record) -> str:
    """Returns what was compared, how, and the sentences that it amounts to."""
    told = record.provenance.get("config")
    config: Mapping[str, Any] = told if isinstance(told, Mapping) else {}
    read = (
        f"the {config.get('head')} head fitted on {config.get('prompts'):,}, along the share of {config.get('depth')}"
    )
    header = f"{config.get('task')}: {config.get('score'):,} prompts, {read}"
    return "\n".join([header, *record.provenance["verdict"]])


def sweep_table(record: Record) -> str:
    """Returns the trainings with their errors, the best first, and what those said that have none."""
    shown = record.table.sort_values("error")[["model", "error", "seconds", "outcome"]]
    return str(shown.to_string(index=False, na_rep="", float_format=lambda number: f"{number:.4f}"))
