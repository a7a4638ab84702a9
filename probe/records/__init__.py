"""Tidy tables and where they came from: NAME.csv and NAME.json side by side."""

from probe.records.store import (
    COLUMNS,
    COMPARISON_COLUMNS,
    EVIDENCE_COLUMNS,
    KERNEL_COLUMNS,
    METRICS,
    REQUIRED,
    TRAINING_COLUMNS,
    Record,
    at_hand,
    load,
    plain,
    record_paths,
    save,
    versions,
    with_dtypes,
    writes,
)

__all__ = [
    "COLUMNS",
    "COMPARISON_COLUMNS",
    "EVIDENCE_COLUMNS",
    "KERNEL_COLUMNS",
    "METRICS",
    "REQUIRED",
    "TRAINING_COLUMNS",
    "Record",
    "at_hand",
    "load",
    "plain",
    "record_paths",
    "save",
    "with_dtypes",
    "versions",
    "writes",
]
