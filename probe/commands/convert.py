"""Writes any readable checkpoint as one of ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from probe import checkpoints
from probe.checkpoints.shards import INDEX, is_sharded
from probe.config import ConvertConfig
from probe.errors import ProbeError
from probe.files import check_writable, owned
from probe.models import ResidualModel
from probe.records import versions


@dataclass(frozen=True)
class Conversion:
    """What was written, and what a reader should know of it."""

    path: Path
    layout: str
    task: str
    context: int
    digest: str
    remarks: tuple[str, ...]


def convert_checkpoint(config: ConvertConfig, command: str = "") -> Conversion:
    """Reads a checkpoint and writes it as ours, with the digest of what it was read from as its source.

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


def _convert(config: ConvertConfig, command: str, out: Path) -> Conversion:
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
    remarks = (*unused, *notes)
    return Conversion(out, found.model.config.layout, found.task, found.context, digest, remarks)
