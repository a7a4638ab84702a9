"""Checks on a checkpoint that what is captured is its residual stream, and that what runs is what is stored."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd
from torch import Tensor

from probe import checkpoints
from probe.capture import Finding, check_invariants
from probe.checkpoints import Checkpoint
from probe.commands.keywords import takes
from probe.config import CheckConfig
from probe.errors import ProbeError
from probe.kernels.agreement import TOLERANCE, agreements
from probe.probing.experiment import task_for
from probe.probing.results import OUTCOMES, CheckResult
from probe.randomness import PromptSource
from probe.recompute import check_stored
from probe.records import versions
from probe.registries import ObjectText

PROMPTS = 8
TOKENS = 16  # of a language model's prompt
EXAMPLES = 500  # at most, however many a file says it was trained with


@takes(CheckConfig)
def check(config: CheckConfig, *, command: str = "") -> CheckResult:
    """Checks the kernels, a checkpoint, or both, as asked for; the table has a row a finding.

    Args:
        command: what was typed, for the record.

    Raises:
        ProbeError: if neither is asked for, or the checkpoint cannot be read.
    """
    if config.ckpt is None and not config.kernels:
        raise ProbeError(
            "Nothing to check was given, but a checkpoint or the kernels are needed. Add --ckpt or --kernels."
        )
    found = [("kernels", one) for one in (check_kernels() if config.kernels else [])]
    if config.ckpt is not None:
        found += [(checkpoints.called(config.ckpt), one) for one in check_checkpoint(config)]
    rows = [{"model": name, "claim": one.claim, "outcome": OUTCOMES[one.held], "seen": one.seen} for name, one in found]
    provenance = {"kind": "check", "command": command, "config": asdict(config), "versions": versions()}
    return CheckResult(pd.DataFrame(rows, columns=["model", "claim", "outcome", "seen"]), provenance)


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
    A model at hand has no file to be recomputed from.

    Raises:
        ProbeError: if the checkpoint cannot be read.
    """
    assert config.ckpt is not None, "a checkpoint was asked for"
    found = checkpoints.load(config.ckpt)
    found.stream.use_kernel(config.kernel)
    inputs = _inputs(found, PromptSource(config.seed, "score", range(PROMPTS)))
    of_file = not isinstance(config.ckpt, ObjectText)
    stored = check_stored(checkpoints.find(config.ckpt), found.stream, inputs) if of_file else []
    return [*check_invariants(found.stream, inputs), *stored]


def _inputs(found: Checkpoint, source: PromptSource) -> Tensor:
    """Returns prompts of the checkpoint's task, or tokens where it has none."""
    if not found.task:
        described = found.stream.description
        drawn = source.uniform(min(TOKENS, described.longest or TOKENS))
        return (drawn * described.symbols).long()
    return task_for(found, found.task, None).draw(source, min(found.context, EXAMPLES)).inputs
