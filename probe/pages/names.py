"""Models of several records under labels of their own, the kept steps of a training under one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from probe import text
from probe.plots import words
from probe.plots.steps import STEP
from probe.records import Record, with_dtypes


@dataclass(frozen=True, eq=False)
class Model:
    """The rows of one model.

    Attributes:
        label: its name, told apart from others; of a kept step the training's.
        step: of a training of which several steps are there, else none.
        blocks: how many it has.
    """

    label: str
    step: int | None
    blocks: int
    about: dict[str, Any]
    table: pd.DataFrame


def read_models(records: Sequence[Record]) -> list[Model]:
    """Returns every model of every record."""
    found = [(str(name), record, table) for record in records for name, table in _by_model(record)]
    labels = _labels([(name, record) for name, record, _ in found])
    trainings = [STEP.sub("", label) for label in labels]
    models = []
    for label, training, (name, record, table) in zip(labels, trainings, found, strict=True):
        about = dict((record.provenance.get("models") or {}).get(name) or {})
        step = about.get("step")
        kept = label != training and step is not None and trainings.count(training) > 1
        last = about.get("blocks") or (table["layer"].max() if "layer" in table.columns else 0)
        blocks = 0 if pd.isna(last) else int(last)
        models.append(
            Model(training if kept else label, int(step) if kept and step is not None else None, blocks, about, table)
        )
    return models


def _by_model(record: Record) -> Iterator[tuple[str, pd.DataFrame]]:
    for name, table in with_dtypes(record.table).groupby("model", sort=False):
        yield str(name), table


def _labels(found: Sequence[tuple[str, Record]]) -> list[str]:
    """Returns names, told apart by task, then by number, where two records share one."""
    names = [name for name, _ in found]
    labels: list[str] = []
    for name, record in found:
        task = words.setting(record, "task")
        label = text.line(f"{name}, {task}" if names.count(name) > 1 and task else name, 80)
        same = sum(other == label or other.startswith(f"{label} [") for other in labels)
        labels.append(f"{label} [{same + 1}]" if same else label)
    return labels


def about(records: Sequence[Record], band: str, prompts: pd.Series[Any] | None = None) -> str:
    """Returns a line that names task, checkpoints, the prompts that errors were measured on, and what a band is."""
    return words.about(records, band, prompts).replace("\\$", "$")  # a page knows no formulas
