"""Further logs of a training, kept by other libraries beside our own file; one library a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from probe.registries import Registry

MEASURED = ("loss", "error", "rate", "dim", "context")
"""What is logged at a step, by the names of the columns of our own log."""


class Log(Protocol):
    """A log that is open."""

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Adds what was measured up to a step."""

    def close(self) -> None:
        """Writes what is held back, and ends the log."""


Open = Callable[[Path, str, int, Mapping[str, Any]], Log]
"""Opens a log: the training's checkpoint, what tells the training from others, the step it is at, and its settings."""

LOGS: Registry[Open] = Registry(
    "probe.training.logs", {"tensorboard": "tensorboard:open_tensorboard", "wandb": "wandb:open_wandb"}
)
"""The libraries that keep a log, by name; `csv` is our own file, which is always written."""


@contextmanager
def opened(
    names: Sequence[str], out: Path, identity: str, step: int, plan: Mapping[str, Any]
) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Yields a function that adds a row of our own log to the logs of these names.

    Raises:
        ProbeError: if the library of one is not installed or cannot begin.
    """
    with ExitStack() as held:
        logs = [LOGS[name](out, identity, step, plan) for name in dict.fromkeys(names) if name != "csv"]
        for log in logs:
            held.callback(log.close)

        def add(row: Mapping[str, Any]) -> None:
            for log in logs:
                log.add(int(row["step"]), {name: float(row[name]) for name in MEASURED})

        yield add
