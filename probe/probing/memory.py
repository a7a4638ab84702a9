"""Whether what heads hold while they are fitted fits into memory; asked before any work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from probe.errors import ProbeError
from probe.heads import Head
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment

COPIES = 4
"""How often moments are held at a time: as they are gathered, scaled, and decomposed into vectors."""


def check_memory(experiment: Experiment, heads: Sequence[Head], pass_: Pass) -> None:
    """Refuses heads whose moments, and the streams of the batches that are begun, take more than is free.

    On another device than the CPU nothing is refused: what is free there is the device's to say.

    Raises:
        ProbeError: if they do.
    """
    free = free_memory()
    if experiment.device.type != "cpu" or free is None:
        return
    site, cells, contexts = experiment.site, len(experiment.read_layers), len(experiment.contexts)
    streams = [one for one in heads if one.fitted and not one.held]
    widths = [site.features] if site is not None else [one.width(experiment.model) for one in streams]
    moments = sum(COPIES * 8 * cells * contexts * (width + 1) ** 2 for width in widths)
    read = site.features if site is not None else experiment.model.width
    begun = 1 + experiment.at_a_time(pass_)
    batches = 4 * begun * pass_.batch * cells * contexts * read * (2 if experiment.offset else 1)
    if moments + batches > free:
        where = f"numbers of {site.name}" if site is not None else "numbers of the stream"
        raise ProbeError(
            f"Heads on {read} {where} in {cells} places at {contexts} contexts were asked for, which "
            f"takes {moments / 2**30:.1f} GiB for moments and {batches / 2**30:.1f} GiB for batches of {pass_.batch} "
            f"prompts, but {free / 2**30:.1f} GiB are free. Give fewer numbers to --context, a smaller --batch"
            f"{', or a smaller --widest' if site is not None else ''}."
        )


def free_memory() -> int | None:
    """Returns how many bytes may still be taken, or None where the system does not say."""
    told = Path("/proc/meminfo")
    lines = told.read_text().splitlines() if told.is_file() else []
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")]
    return found[0] if found else None
