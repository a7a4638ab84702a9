"""A run of Weights & Biases; where it goes is decided by the library's own settings, such as WANDB_MODE."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from probe.errors import ProbeError
from probe.text import reason

PROJECT = "probe"
"""The project of a run, unless WANDB_PROJECT names another."""


class WeightsAndBiases:
    """A run that is logged.

    Args:
        run: as the library returns it.
    """

    def __init__(self, run: Any) -> None:
        self._run = run

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Adds what was measured up to a step."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """Sends what is held back, and ends the run."""
        self._run.finish()


def open_wandb(out: Path, identity: str, step: int, plan: Mapping[str, Any]) -> WeightsAndBiases:
    """Returns the run of a training, which goes on where it was logged before.

    Raises:
        ProbeError: if wandb is not installed or cannot begin, as without a login.
    """
    try:
        import wandb
    except ImportError as error:
        raise ProbeError(
            "--log wandb was given, but the package wandb is not installed. Install probe[logs]."
        ) from error
    try:
        run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=out.stem,
            id=identity,
            resume="allow",
            dir=str(out.parent),
            config=dict(plan),
            settings=wandb.Settings(silent=True, console="off"),
        )
    except (wandb.errors.Error, OSError, ValueError) as error:
        raise ProbeError(
            f"--log wandb was given, but no run could begin ({reason(error)}). Log in by wandb's own command, or set "
            "WANDB_MODE=offline."
        ) from error
    return WeightsAndBiases(run)
