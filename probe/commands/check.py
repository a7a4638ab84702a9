"""Checks on a checkpoint that what is captured is its residual stream, and that what runs is what is stored."""

from __future__ import annotations

from torch import Tensor

from probe import checkpoints
from probe.capture import Finding, check_invariants
from probe.checkpoints import Checkpoint
from probe.config import CheckConfig
from probe.errors import ProbeError
from probe.kernels.agreement import TOLERANCE, agreements
from probe.probing.experiment import task_for
from probe.randomness import PromptSource
from probe.recompute import check_stored

PROMPTS = 8
TOKENS = 16  # of a language model's prompt
EXAMPLES = 500  # at most, however many a file says it was trained with


def check(config: CheckConfig) -> list[Finding]:
    """Returns the findings on the kernels, on a checkpoint, or on both, as they are asked for.

    Raises:
        ProbeError: if neither is asked for, or the checkpoint cannot be read.
    """
    if config.ckpt is None and not config.kernels:
        raise ProbeError(
            "Nothing to check was given, but a checkpoint or the kernels are needed. Add --ckpt or --kernels."
        )
    kernels = check_kernels() if config.kernels else []
    return kernels + ([] if config.ckpt is None else check_checkpoint(config))


def check_kernels() -> list[Finding]:
    """Returns a finding for every kernel beside its plain reference; what does not run here counts neither way."""
    return [
        Finding(
            f"the {each.backend} kernel of {each.operation} agrees with the reference",
            each.held,
            each.seen if each.held is None else f"{each.seen} off by {each.gap:.1e}, {TOLERANCE:.0e} allowed",
        )
        for each in agreements()
    ]


def check_checkpoint(config: CheckConfig) -> list[Finding]:
    """Returns the findings on a checkpoint: the invariants of capture, then its parts recomputed from its file.

    It is checked on its own task; a language model, which has none, on random tokens. Loading it verifies its digest.

    Raises:
        ProbeError: if the checkpoint cannot be read.
    """
    assert config.ckpt is not None, "a checkpoint was asked for"
    found = checkpoints.load(config.ckpt)
    found.stream.use_kernel(config.kernel)
    inputs = _inputs(found, PromptSource(config.seed, "score", range(PROMPTS)))
    stored = check_stored(checkpoints.find(config.ckpt), found.stream, inputs)
    return [*check_invariants(found.stream, inputs), *stored]


def _inputs(found: Checkpoint, source: PromptSource) -> Tensor:
    """Returns prompts of the checkpoint's task, or tokens where it has none."""
    if not found.task:
        described = found.stream.description
        drawn = source.uniform(min(TOKENS, described.longest or TOKENS))
        return (drawn * described.symbols).long()
    return task_for(found, found.task, None).draw(source, min(found.context, EXAMPLES)).inputs
