"""Checks on a checkpoint that what is captured is its residual stream."""

from __future__ import annotations

from probe import checkpoint, tasks
from probe.capture import Finding, check_invariants
from probe.config import CheckConfig
from probe.randomness import PromptSource

PROMPTS = 8


def check_checkpoint(config: CheckConfig) -> list[Finding]:
    """Loads a checkpoint, which verifies its digest, and checks the invariants of capture on its own task.

    Raises:
        ProbeError: if the checkpoint cannot be read.
    """
    found = checkpoint.load(config.ckpt)
    found.stream.use_kernel(config.kernel)
    task = tasks.make(found.task, found.dim)
    prompts = task.draw(PromptSource(config.seed, "score", range(PROMPTS)), found.context)
    return check_invariants(found.stream, prompts.inputs)
