"""TensorBoard's event files, in a folder beside the checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from probe.errors import ProbeError


class TensorBoard:
    """A log in TensorBoard's format, written by torch's own writer.

    Args:
        folder: where the event files lie.
        step: the first step that is logged is the next one; what an earlier run has logged beyond is dropped.
    """

    def __init__(self, folder: Path, step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ProbeError(
                "--log tensorboard was given, but the package tensorboard is not installed. Install probe[logs]."
            ) from error
        self._writer = SummaryWriter(str(folder), purge_step=step + 1)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Adds what was measured up to a step."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """Writes what is held back, and ends the log."""
        self._writer.close()


def open_tensorboard(out: Path, identity: str, step: int, plan: Mapping[str, Any]) -> TensorBoard:
    """Returns the log in the folder NAME-tensorboard beside the checkpoint.

    Raises:
        ProbeError: if tensorboard is not installed.
    """
    return TensorBoard(out.with_name(f"{out.stem}-tensorboard"), step)
