"""The record of the steps of a training that are probed while it runs: heads' errors by layer and step."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pandas as pd

from probe import checkpoints, records
from probe.checkpoints.snapshots import folder_of, kept_in
from probe.errors import ProbeError
from probe.records import Record


def stem_of(out: Path) -> Path:
    """Returns the stem of the record beside a training's checkpoint."""
    return out.with_name(f"{out.stem}-probing")


def is_probed(step: int, every: int, last: int) -> bool:
    """Returns whether a step of a training is probed: every so many from 0 on are, and the last; none for 0."""
    return every > 0 and (step % every == 0 or step == last)


def add(found: Record, out: Path) -> Record:
    """Writes a step's rows beside those of the steps before it, and returns all of them.

    Only steps stay whose weights are still kept: what an earlier training of the same name has left is dropped.
    """
    table, provenance = found.table, found.provenance
    with suppress(ProbeError):
        before = records.load(stem_of(out))
        digests = {path.stem: checkpoints.load(str(path)).digest for path in kept_in(folder_of(out))}
        models = {
            name: about
            for name, about in before.provenance["models"].items()
            if digests.get(name) == about["digest"] and name not in provenance["models"]
        }
        earlier = before.table[before.table["model"].isin(list(models))]
        table = pd.concat([earlier, table], ignore_index=True) if len(earlier) else table
        provenance = {**provenance, "models": {**models, **provenance["models"]}}
    whole = Record(table, provenance)
    records.save(whole, stem_of(out))
    return whole
