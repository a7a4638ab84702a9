"""Tidy tables and where they came from: NAME.csv and NAME.json side by side."""

from probe.records.store import (
    COLUMNS,
    COMPARISON_COLUMNS,
    EVIDENCE_COLUMNS,
    METRICS,
    REQUIRED,
    TRAINING_COLUMNS,
    Record,
    at_hand,
    load,
    plain,
    record_paths,
    save,
    tidy,
    versions,
    writes,
)

__all__ = [
    "COLUMNS",
    "COMPARISON_COLUMNS",
    "EVIDENCE_COLUMNS",
    "METRICS",
    "REQUIRED",
    "TRAINING_COLUMNS",
    "Record",
    "at_hand",
    "load",
    "plain",
    "record_paths",
    "save",
    "tidy",
    "versions",
    "writes",
]
