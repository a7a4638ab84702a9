"""Checks on a checkpoint that what is captured is its residual stream."""

from __future__ import annotations

from probe import checkpoint
from probe.capture import Finding, check_invariants
from probe.config import CheckConfig
from probe.randomness import PromptSource
from probe.subject import task_for

PROMPTS = 8
TOKENS = 16  # of a language model's prompt
EXAMPLES = 500  # at most, however many a file says it was trained with


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
    prompts = task_for(found, found.task, None).draw(source, min(found.context, EXAMPLES))
    return check_invariants(found.stream, prompts.inputs)
