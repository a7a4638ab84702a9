"""Judges the shipped records of `probe claim` again, by the criteria of today, from the evidence that they hold.

    python analyses/judge_claims.py

A criterion that has become stricter changes what a record amounts to, not what was measured: the table stays as it is,
and the verdict beside it is replaced. Every outcome that changes is printed.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from probe import Record, load_record, save_record
from probe.evidence.verdict import judge

FIGURES = Path("figures")


def judged(record: Record) -> Record:
    """Returns a record with its verdict as it is today."""
    rows = record.table.astype(object).where(record.table.notna(), None).to_dict("records")
    verdict = judge(rows, dict(record.provenance["not_tested"]))
    new = {"verdict": verdict.sentence, "supported": verdict.supported}
    return Record(record.table, record.provenance | new | {"criteria": [asdict(one) for one in verdict.criteria]})


def main() -> None:
    """Judges every record of a claim in figures/."""
    for path in sorted(FIGURES.glob("*.csv")):
        record = load_record(path)
        if record.provenance.get("kind") != "claim":
            continue
        found = judged(record)
        before = {one["name"]: one["outcome"] for one in record.provenance["criteria"]}
        for one in found.provenance["criteria"]:
            if before.get(one["name"]) != one["outcome"]:
                print(f"{path.stem}: {one['name']} {before.get(one['name'])} -> {one['outcome']} ({one['seen']})")
        save_record(found, path)


if __name__ == "__main__":
    main()
