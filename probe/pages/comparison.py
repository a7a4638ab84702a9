"""Records of probe compare: paired ratios of errors, or differences of accuracies, each with its band."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from markupsafe import Markup

from probe.errors import ProbeError
from probe.pages.chart import Axis, Chart, Facet, Line, Value
from probe.pages.names import about
from probe.pages.section import Section, paragraphs
from probe.plots import words
from probe.plots.comparison import AXES
from probe.records import Record, with_dtypes

BANDS = {"each point's own": ("low", "high"), "all points at once": ("all_low", "all_high")}
"""Bands by what they hold for."""
RATIO = Value("ratio of errors", "ratio", level=1.0, level_says="equal errors")
SOONER = Value(
    "difference of depths", "difference", log=False, level=0.0, level_says="reached at the same depth", share=True
)
DIFFERENCE = Value(
    "difference of accuracies", "difference", log=False, level=0.0, level_says="equal accuracies", better="higher",
    share=True,
)  # fmt: skip
FEW = 6
"""Pairs that are drawn at first."""


def comparison_section(records: Sequence[Record]) -> Section:
    """Returns a section of paired ratios by examples and by depth, and of the depths at which errors are reached.

    Raises:
        ProbeError: if a record holds no ratios of pairs.
    """
    _needs(records, {"model", "other", "quantity", "ratio", "low", "high"})
    table = pd.concat([with_dtypes(record.table) for record in records], ignore_index=True)
    depth = str(words.setting(records[0], "depth") or "blocks")
    axes = {
        "own": ("The models' own errors", Axis("context", words.contexts(records).axis), "context", RATIO),
        "layer": ("Heads' errors by depth", Axis("depth", AXES.get(depth, AXES["blocks"])), "depth", RATIO),
        "reach": (
            "The depth at which an error is first reached", Axis("threshold", "error", log=True), "threshold", SOONER
        ),
    }  # fmt: skip
    charts = []
    for quantity, (title, axis, column, value) in axes.items():
        rows = table[table["quantity"] == quantity]
        if len(rows):
            y = "difference" if quantity == "reach" else "ratio"
            charts.append(_chart(records, title, _paired(rows, column, y), axis, value))
    return Section("Paired comparisons", charts, before=_verdict(records))


def language_comparison_section(records: Sequence[Record]) -> Section:
    """Returns a section of paired differences of accuracies by the number of demonstrations, task by task.

    Raises:
        ProbeError: if a record holds no differences by task.
    """
    _needs(records, {"model", "other", "task", "metric", "difference", "low", "high"})
    table = pd.concat([with_dtypes(record.table) for record in records], ignore_index=True)
    rows = table[table["metric"] == "accuracy"]
    axis = Axis("context", "demonstrations in the prompt")
    frame = _paired(rows, "context", "difference")
    chart = _chart(records, "Difference of accuracies", frame, axis, DIFFERENCE, "task")
    return Section("Paired comparisons", [chart], before=_verdict(records))


def _needs(records: Sequence[Record], columns: set[str]) -> None:
    for record in records:
        if not columns <= set(record.table.columns):
            raise ProbeError("A record without pairs was given, but a page of comparisons is drawn from them. "
                             "Give the .csv of probe compare.")  # fmt: skip


def _verdict(records: Sequence[Record]) -> Markup:
    """Returns what the comparison amounts to; many sentences are folded."""
    told = [record.provenance.get("verdict") or [] for record in records]
    lines = [line for each in told for line in ([each] if isinstance(each, str) else each)]
    if len(lines) <= FEW:
        return paragraphs(lines, "verdict")
    summary = Markup("<summary>What the comparison amounts to, in {} sentences</summary>").format(len(lines))
    return Markup("<details>{}{}</details>").format(summary, paragraphs(lines))


def _paired(rows: pd.DataFrame, x: str, y: str) -> pd.DataFrame:
    """Returns a chart's rows, once for every kind of band that is there, those over seeds first."""
    found = []
    sign = " − " if y == "difference" else " / "
    for says, (low, high) in BANDS.items():
        if low in rows and rows[low].notna().any():
            found.append(
                pd.DataFrame(
                    {
                        "series": rows["model"].astype(str) + sign + rows["other"].astype(str),
                        "line": rows["band"].astype(str) if "band" in rows else "prompts",
                        "x": rows[x].astype("float64"),
                        "y": rows[y],
                        "low": rows[low],
                        "high": rows[high],
                        "band": says,
                        "task": rows.get("task"),
                    }
                )
            )
    table = pd.concat(found, ignore_index=True)
    return table[table["x"].notna() & table["y"].notna()].sort_values("line", ascending=False, kind="stable")


def _chart(
    records: Sequence[Record], title: str, table: pd.DataFrame, axis: Axis, value: Value, mapped: str = ""
) -> Chart:
    over_seeds = table.loc[table["line"] == "seeds", "series"].nunique()
    scores = pd.Series([words.setting(record, "score") for record in records], dtype="float64")
    return Chart(
        title=title,
        about=about(records, "bands: 95 %, paired", scores),
        table=table,
        axes=(axis,),
        value=value,
        facets=(Facet("task", "task", first=True), Facet("band", "a band holds for", first=True)),
        lines={"seeds": Line("over training seeds"), "prompts": Line("over prompts", "dash")},
        mapped=mapped,
        shown=over_seeds or FEW,
        called="pair",
    )
