"""The task vector of language tasks, which `probe.language` measures: it has no place among numbers."""

from __future__ import annotations

from probe.errors import ProbeError
from probe.heads.head import Head, Probed


class TaskVector(Head):
    """Language tasks: the last token's stream with demonstrations, patched into a prompt without."""

    def check(self, experiment: Probed, prompts: int) -> None:
        """Refuses every task that is not of words."""
        raise ProbeError(
            f"The task_vector head suits language tasks, and {experiment.task_name} is none. Use --head linear."
        )
