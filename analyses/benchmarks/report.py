"""What every benchmark says of itself: the machine its numbers were taken on, and a table in Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path


def machine(threads: int | None = None) -> str:
    """Says what the numbers were taken on, with the number of threads where it matters."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cpu = names[0] if names else platform.processor()
    used = "" if threads is None else f"{threads} threads, "
    return f"{cpu}, {os.cpu_count()} cores, {used}torch {version('torch')}"


def markdown(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (titles, ["---"] * len(titles), *rows))
