"""Checks on a checkpoint that what is captured is its residual stream."""

from __future__ import annotations

from probe import checkpoint, tasks
from probe.capture import Finding, check_invariants
from probe.config import CheckConfig
from probe.randomness import PromptSource

PROMPTS = 8
TOKENS = 16  # of a language model's prompt


def check_checkpoint(config: CheckConfig) -> list[Finding]:
    """Loads a checkpoint, which verifies its digest, and checks the invariants of capture on its own task.

    A language model, which has none, is checked on random tokens.

    Raises:
        ProbeError: if the checkpoint cannot be read.
    """
    found = checkpoint.load(config.ckpt)
    found.stream.use_kernel(config.kernel)
    source = PromptSource(config.seed, "score", range(PROMPTS))
    if not found.task:
        anatomy = found.stream.anatomy
        drawn = source.uniform(min(TOKENS, anatomy.longest or TOKENS))
        return check_invariants(found.stream, (drawn * anatomy.symbols).long())
    prompts = tasks.make(found.task, found.dim).draw(source, found.context)
    return check_invariants(found.stream, prompts.inputs)
