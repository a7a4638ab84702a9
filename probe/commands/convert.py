"""Writes any readable checkpoint as one of ours."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pandas as pd

from probe import checkpoints
from probe.checkpoints.shards import INDEX, is_sharded
from probe.commands.keywords import takes
from probe.config import ConvertConfig
from probe.errors import ProbeError
from probe.files import check_writable, owned
from probe.models import ResidualModel
from probe.probing.results import ConvertResult
from probe.records import versions


@takes(ConvertConfig)
def convert(config: ConvertConfig, *, command: str = "") -> ConvertResult:
    """Reads a checkpoint and writes it as ours, with the digest of what it was read from as its source.

    Args:
        command: what was typed, for the file.

    Raises:
        ProbeError: if it cannot be read, is no model of ours, or the output cannot be written, is there already or is
            being written.
    """
    out = Path(config.out)
    check_writable(out if config.part_megabytes is None else out / INDEX)
    with owned(out):
        if not config.overwrite and (out.is_file() or is_sharded(out)):
            raise ProbeError(
                f"{out} is there already, and a new checkpoint would replace it. Replace it with --overwrite, or give "
                "another --out."
            )
        return _convert(config, command, out)


def _convert(config: ConvertConfig, command: str, out: Path) -> ConvertResult:
    found = checkpoints.load(config.ckpt)
    if not isinstance(found.model, ResidualModel):
        raise ProbeError(
            f"{config.ckpt} is read as it stands, through the library it comes from, so that it cannot be written as "
            "one of ours. Give it to the other commands as it is."
        )
    source = {**found.description.get("source", {}), "digest": found.digest}
    known = {name: value for name, value in found.description.items() if name != "model"}
    if "command" in known:
        # of the training; the file's own command is the conversion
        source["command"] = known["command"]
    described = {"seed": None, "step": None, **known, "dim": found.dim, "source": source}
    described |= {"command": command, "versions": versions()}
    digest = checkpoints.save(out, found.model, described, config.part_megabytes)
    left_out, notes = source.get("left_out", []), source.get("notes", [])
    unused = [f"left out, as the official model never uses it: {', '.join(left_out)}"] if left_out else []
    row = {
        "model": checkpoints.called(str(out)),
        "path": str(out),
        "layout": found.model.config.layout,
        "task": found.task,
        "context": found.context,
        "digest": digest,
    }
    provenance = {
        "kind": "convert",
        "command": command,
        "config": asdict(config),
        "versions": versions(),
        "digest": digest,
        "notes": [*unused, *notes],
    }
    return ConvertResult(pd.DataFrame([row]), provenance)
