"""One row of an evidence record: a number about a model, with its band, and what it is a number of."""

from __future__ import annotations

from typing import Any


def row(
    model: str,
    evidence: str,
    metric: str,
    value: float,
    low: float | None = None,
    high: float | None = None,
    *,
    site: str | None = None,
    head: str | None = None,
    layer: int | None = None,
    other_layer: int | None = None,
    step: int | None = None,
    context: int | None = None,
    prompts: int | None = None,
) -> dict[str, Any]:
    """Returns the row's columns, in the order of `probe.records.EVIDENCE_COLUMNS`; None leaves one empty.

    Args:
        evidence: the kind: ``trend``, ``transfer``, ``matching``, ``known``, ``states``, ``influence``, ``causes``,
            ``nulls``, ``loop``, ``map``, ``online``, ``spectral``.
        metric: what the value measures.
        low: lower end of the value's 95 % band over prompts.
        high: upper end.
        site: where in a block, by which algorithm, or under which intervention.
        head: what reads the stream.
        other_layer: the second layer of a pair, such as where a head is applied.
        step: of an algorithm, an example's place, or an intervention's strength in steps.
    """
    return {
        "model": model,
        "evidence": evidence,
        "site": site,
        "head": head,
        "layer": layer,
        "other_layer": other_layer,
        "step": step,
        "context": context,
        "metric": metric,
        "value": value,
        "low": low,
        "high": high,
        "prompts": prompts,
    }
