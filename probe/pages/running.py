"""How far a training has come, of which a page shows the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from probe import text
from probe.records import Record


def stands(records: Sequence[Record], running: Sequence[bool]) -> list[str]:
    """Returns a sentence for every training that runs, and for every one that stopped before its last step.

    Args:
        running: for each record whether a process still writes it.
    """
    found = []
    for record, runs in zip(records, running, strict=True):
        step, steps = reached(record)
        name = text.line(", ".join(map(str, record.table["model"].unique()))) if "model" in record.table else ""
        training = f"The training of {name}" if name else "The training"  # whose first step may not be logged yet
        if runs:
            found.append(f"{training} is running{_at(step, steps)}.")
        elif step is not None and steps is not None and step < steps:
            found.append(f"{training} stopped{_at(step, steps)}, and nobody writes its log.")
    return found


def reached(record: Record) -> tuple[int | None, int | None]:
    """Returns the last step of a training's log and how many it is to have, as far as the record tells them."""
    if record.provenance.get("kind") != "train" or "step" not in record.table.columns:
        return None, None
    plan = record.provenance.get("plan")
    planned = plan.get("steps") if isinstance(plan, Mapping) else None
    logged = record.table["step"].dropna()
    told = record.provenance.get("step")
    step = int(told) if isinstance(told, int) else int(logged.max()) if len(logged) else 0
    return step, planned if isinstance(planned, int) else None


def _at(step: int | None, steps: int | None) -> str:
    return "" if step is None else f" at step {step:,}" + (f" of {steps:,}" if steps is not None else "")
