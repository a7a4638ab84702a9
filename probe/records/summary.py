"""What a record says in a few lines: tables for a terminal and plain objects for scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from probe.records import METRICS, Record
from probe.records.counted import DEMONSTRATIONS, Counted, counted
from probe.records.kernels import kernels_summary, kernels_table
from probe.records.reading import prompts_of, read_at
from probe.records.tables import CELL, Grid, Part, band, banded, bar, change, number
from probe.text import line


def layer_block(rows: pd.DataFrame) -> list[Part]:
    """Returns the tables of one model, target and context.

    They are the error of every head by layer with its band, what each block changes and the error as a bar, whose whole
    is the largest error or 1; and below it the references: what has no layer, and the model's own answer.
    """
    layered = rows[rows["layer"].notna() & (rows["head"] != "model")]
    heads = {str(head): each.set_index("layer") for head, each in layered.groupby("head", sort=False)}
    full = max(1.0, float(layered["error"].max())) if heads else 1.0
    titles = [title for head in heads for title in (line(head, CELL), "95 % band", "change", f"0 to {number(full)}")]
    cells = [
        [str(layer), *(cell for each in heads.values() for cell in _layer_cells(each, layer, full))]
        for layer in sorted(layered["layer"].astype(int).unique())
    ]
    bars = frozenset(4 * (place + 1) for place in range(len(heads)))
    others = rows[rows["layer"].isna() | (rows["head"] == "model")]
    references = [["reference", "error", "95 % band"]]
    references += [[_reference(row.head), number(row.error), band(row.low, row.high)] for row in others.itertuples()]
    found: list[Part] = [Grid([["layer", *titles], *cells], bars)] if heads else []
    return [*found, *_below(references)]


def _layer_cells(rows: pd.DataFrame, layer: int, full: float) -> tuple[str, str, str, str]:
    if layer not in rows.index:
        return "", "", "", ""
    here = rows.loc[layer]
    before = rows.loc[layer - 1, "error"] if layer - 1 in rows.index else None
    error = here["error"]
    return number(error), band(here["low"], here["high"]), change(error, before), bar(error, full)


def _reference(head: object) -> str:
    return "the model's own answer" if head == "model" else line(head, CELL)


def layer_summary(record: Record) -> dict[str, Any]:
    """Returns the errors by layer at the largest context, of y and of other targets, for scripts."""
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


def prompting_table(record: Record) -> list[Part]:
    """Returns the errors at a few contexts with their bands, by prompting style, model and learner, and the metrics."""
    words = counted(record)
    lines: list[Part] = [f"{_about(record)}: error ({_unit(record, 'y')}) by {words.noun}, 95 % bands by prompt"]
    for style, rows in record.table.groupby("prompting", sort=False):
        contexts = _shown_contexts(rows)
        own = rows["head"] == "model"
        named = rows.assign(name=rows["model"].where(own, rows["head"]))
        lines += ["", line(style, CELL), _by_context(named, words, contexts, "error", "low", "high")]
        for name, measure in METRICS.items():
            if name in named.columns and named[name].notna().any():
                measured = named[named[name].notna()]
                shown = _by_context(measured, words, contexts, name, f"{name}_low", f"{name}_high")
                lines += ["", f"{line(style, CELL)}: {measure}", shown]
    return lines


def _shown_contexts(rows: pd.DataFrame) -> list[int]:
    """Returns at most four contexts that every model and learner has."""
    contexts = sorted(set.intersection(*[set(group["context"]) for _, group in rows.groupby(["model", "head"])]))
    return sorted({contexts[round(i * (len(contexts) - 1) / 3)] for i in range(4)})


def _by_context(rows: pd.DataFrame, words: Counted, contexts: Sequence[int], *columns: str) -> Grid:
    """Returns values with their bands, a line a name; a learner stands under every model alike and is told once."""
    cells = [[words.noun.removeprefix("number of "), *map(str, contexts)]]
    for name, found in rows.groupby("name", sort=False):
        by_context = found.drop_duplicates("context").set_index("context")
        known = [by_context.loc[context] if context in by_context.index else None for context in contexts]
        cells.append([line(name, CELL), *("" if at is None else banded(*at[list(columns)]) for at in known)])
    return Grid(cells)


def _about(record: Record) -> str:
    """Returns the task, on how many prompts errors were measured, and what else than the stream heads read."""
    config = record.provenance.get("config")
    task = config.get("task") if isinstance(config, Mapping) else getattr(config, "task", None)
    task = task or record.provenance.get("task")
    return ", ".join([part for part in (line(task or "a task", CELL), _prompts(record), read_at(record)) if part])


def _prompts(record: Record) -> str:
    low, high = (int(end) for end in (record.table["prompts"].min(), record.table["prompts"].max()))
    return f"{f'{low:,} to ' if low < high else ''}{high:,} prompts"


def _unit(record: Record, target: str) -> str:
    """Returns in words what an error of 1 is."""
    units: dict[str, str] = record.provenance.get("units") or {}
    return f"1 = {line(units.get(target, 'predicting zero'), CELL)}"


def language_table(record: Record, by: str) -> list[Part]:
    """Returns the accuracies of language tasks, by number of demonstrations or, at the largest, by layer."""
    rows = record.table[record.table["metric"] == "accuracy"]
    if by == "context":
        named = rows.assign(name=[f"{line(row.model, CELL)} {line(row.task, CELL)}" for row in rows.itertuples()])
        contexts = sorted(set(rows["context"]))
        title = f"{_prompts(record)} a task: accuracy by number of demonstrations, 95 % bands by prompt"
        return [title, _by_context(named, DEMONSTRATIONS, contexts, "value", "value_low", "value_high")]
    most = int(rows["context"].max())
    lines: list[Part] = [f"{_prompts(record)} a task: accuracy at {most} demonstrations, 95 % bands by prompt"]
    for (model, task), each in rows[rows["context"] == most].groupby(["model", "task"], sort=False):
        lines += ["", f"{line(model, CELL)}, {line(task, CELL)}", *_language_block(each)]
    return lines


def _language_block(rows: pd.DataFrame) -> list[Part]:
    """Returns one task's accuracy by layer and head with its band and a bar, and what has no layer."""
    layered = rows[rows["layer"].notna()]
    heads = {str(head): each.set_index("layer") for head, each in layered.groupby("head", sort=False)}
    titles = [title for head in heads for title in (line(head, CELL), "95 % band", "0 to 1.00")]
    cells = [["layer", *titles]]
    for layer in sorted(layered["layer"].astype(int).unique()):
        known = [each.loc[layer] if layer in each.index else None for each in heads.values()]
        shown = [("", "", "") if at is None else _accuracy(at) for at in known]
        cells.append([str(layer), *(cell for each in shown for cell in each)])
    rest = rows[rows["layer"].isna()]
    others = [["reference", "accuracy", "95 % band"]]
    others += [[_reference(at["head"]), *_accuracy(at)[:2]] for _, at in rest.iterrows()]
    found: list[Part] = [Grid(cells, frozenset(3 * (place + 1) for place in range(len(heads))))] if heads else []
    return [*found, *_below(others)]


def _below(rows: Sequence[Sequence[str]]) -> list[Part]:
    """Returns a table below another one, unless it has titles alone."""
    return ["", Grid(rows)] if len(rows) > 1 else []


def _accuracy(at: pd.Series) -> tuple[str, str, str]:
    return number(at["value"]), band(at["value_low"], at["value_high"]), bar(at["value"], 1.0)


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


def layer_table(record: Record) -> list[Part]:
    """Returns the errors by layer at the largest context, a block a model and target, with what each block changes."""
    table = record.table
    context = int(table["context"].max())
    about = f"error at {counted(record).at(context)}, 95 % bands by prompt"
    about += "; change: what each block makes of the error before it"
    lines: list[Part] = [f"{_about(record)}: {about}"]
    for (model, target), rows in table[table["context"] == context].groupby(["model", "target"], sort=False):
        title = f"{line(model, CELL)}, target {line(target, CELL)} ({_unit(record, str(target))})"
        lines += ["", title, *layer_block(rows), *_metric_lines(rows)]
    return lines


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
                cells = [f"{int(layer)}: {number(value)}" for layer, value in zip(of["layer"], of[name], strict=True)]
            lines.append(f"  {words}, {head}: {', '.join(cells)}")
    return lines


def comparison_table(record: Record) -> list[Part]:
    """Returns the checkpoints compared, the settings, and the sentences of the verdict."""
    told = record.provenance.get("config")
    config: Mapping[str, Any] = told if isinstance(told, Mapping) else {}
    task = config.get("task") or record.provenance.get("task")
    fitted, scored = ("?" if one is None else f"{one:,}" for one in prompts_of(record))
    read = f"the {config.get('head')} head fitted on {fitted}, along the share of {config.get('depth')}"
    return [f"{line(task or 'a task', CELL)}: {scored} prompts, {read}", *map(line, record.provenance["verdict"])]


def sweep_table(record: Record) -> list[Part]:
    """Returns the trainings with their errors, the best first, and what those said that have none."""
    best = record.table.sort_values("error")
    rows = [[line(row.model), number(row.error), number(row.seconds), line(row.outcome)] for row in best.itertuples()]
    return [Grid([["training", "error", "seconds", "outcome"], *rows])]


def claim_table(record: Record) -> list[Part]:
    """Returns the verdict on a claim, a row a criterion, how often the verdict errs, and warnings."""
    found = record.provenance
    each = [f"{line(name, CELL)}: {line(one['verdict'])}" for name, one in (found.get("verdicts") or {}).items()]
    rows = [["outcome", "criterion", "what was seen"]]
    rows += [[_outcome(one), line(one["name"], CELL), line(one["seen"])] for one in found["criteria"]]
    warnings = [f"warning: {line(words)}" for words in found.get("warnings") or []]
    rest = [*_errs(found), *warnings]
    return [line(found["verdict"]), *each, "", Grid(rows), *(["", *rest] if rest else [])]


def _outcome(criterion: Mapping[str, Any]) -> str:
    return str(criterion["outcome"]) if criterion.get("tested", True) else "not tested"


def _errs(found: Mapping[str, Any]) -> list[str]:
    """Returns how often the verdict errs on models of known answer, in records that say so."""
    return [
        f"On models of known answer the verdict supports {one['sensitivity']:.0%} and rejects "
        f"{one['wrongly_fails']:.0%} of {one['iterating']} that iterate, and supports {one['wrongly_holds']:.0%} and "
        f"rejects {one['specificity']:.0%} of {one['impostors']} that do not."
        for one in found.get("errs") or []
        if one["criterion"] == "verdict"
    ]


def claim_summary(record: Record) -> dict[str, Any]:
    """Returns the verdict on a claim and what it rests on."""
    told = (
        "verdict",
        "supported",
        "outcome",
        "rung",
        "against",
        "along_the_sequence",
        "criteria",
        "not_tested",
        "warnings",
        "verdicts",
    )
    return {name: record.provenance[name] for name in told if name in record.provenance}


def verdict_table(record: Record) -> list[Part]:
    """Returns the sentences of a verdict, a line each."""
    return [line(words) for words in record.provenance["verdict"]]


def verdict_summary(record: Record) -> dict[str, Any]:
    """Returns the sentences of a verdict."""
    return {"verdict": record.provenance["verdict"]}


def health_table(record: Record) -> list[Part]:
    """Returns what was measured of a site at the first, the middle and the last length, by layer."""
    table = record.table
    lengths = sorted(int(context) for context in table["context"].unique())
    chosen = list(dict.fromkeys([lengths[0], lengths[len(lengths) // 2], lengths[-1]]))
    lines: list[Part] = [
        f"{_about(record)}; frozen: error of heads fitted at the trained length, "
        "refitted: at that length (1 = predicting zero)"
    ]
    for model, rows in table.groupby("model", sort=False):
        cells = [["", "layer", *(f"after {counted(record).at(length)}" for length in chosen)]]
        for (metric, site, layer), found in rows.groupby(["metric", "site", "layer"], sort=False, dropna=False):
            values = found.set_index("context")["value"]
            where = "" if str(metric) == "answer" else f"{layer} {site}" if "," in str(site) else str(layer)
            name = "model's own error" if metric == "answer" else str(metric)
            cells.append([name, where, *(number(values.loc[length]) for length in chosen)])
        lines += ["", line(model, CELL), Grid(cells)]
    return lines


def health_summary(record: Record) -> dict[str, Any]:
    """Returns the same for scripts: by model, metric, layer and number of examples."""
    found: dict[str, Any] = {}
    for row in record.table.to_dict("records"):
        layer = "all" if pd.isna(row["layer"]) else str(int(row["layer"]))
        where = layer if "," not in str(row["site"]) else f"{layer}, {row['site']}"
        place = found.setdefault(str(row["model"]), {}).setdefault(str(row["metric"]), {}).setdefault(where, {})
        place[str(int(row["context"]))] = row["value"]
    return found


@dataclass(frozen=True)
class Summary:
    """How a kind of record is told.

    Args:
        table: makes what is printed: lines and tables.
        plain: makes a plain object for scripts.
    """

    table: Callable[[Record], list[Part]]
    plain: Callable[[Record], dict[str, Any]]


SUMMARIES: dict[str, Summary] = {
    "fit": Summary(layer_table, layer_summary),
    "evaluate": Summary(prompting_table, prompting_summary),
    "compare": Summary(comparison_table, verdict_summary),
    "claim": Summary(claim_table, claim_summary),
    "health": Summary(health_table, health_summary),
    "kernels": Summary(kernels_table, kernels_summary),
    "language-layers": Summary(lambda record: language_table(record, "layer"), language_summary),
    "language": Summary(lambda record: language_table(record, "context"), language_summary),
    "language-compare": Summary(verdict_table, verdict_summary),
}
"""How each kind of record is told."""
