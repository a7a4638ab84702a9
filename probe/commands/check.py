"""Checks on a checkpoint that what is captured is its residual stream, and that what runs is what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd
from torch import Tensor

from probe import checkpoints
from probe.capture import Finding, check_invariants
from probe.checkpoints import Checkpoint
from probe.commands.keywords import takes
from probe.config import CheckConfig
from probe.errors import ProbeError, suggest
from probe.kernels.checks import ALLOWED, LENGTHS, OPERATIONS, Row, check_operations, installed
from probe.probing.experiment import task_for
from probe.probing.results import OUTCOMES, CheckResult, KernelsResult
from probe.progress import Report, silent
from probe.randomness import PromptSource
from probe.recompute import check_stored
from probe.records import KERNEL_COLUMNS, versions
from probe.registries import ObjectText

PROMPTS = 8
TOKENS = 16  # of a prompt where no task says how long it is
EXAMPLES = 500  # at most, however many a file says it was trained with


@takes(CheckConfig)
def check(config: CheckConfig, *, command: str = "", report: Report = silent) -> CheckResult:
    """Checks the kernels, a checkpoint, or both, as asked for; the table has a row a finding.

    Kernels alone give a `KernelsResult`, whose table has a row a check of one implementation at one dtype and length.

    Args:
        command: what was typed, for the record.
        report: called as kernels are checked.

    Raises:
        ProbeError: if neither is asked for, an operation is unknown, or the checkpoint cannot be read.
    """
    _refuse_operations(config)
    if config.ckpt is None and not config.kernels:
        raise ProbeError(
            "Nothing to check was given, but a checkpoint or the kernels are needed. Add --ckpt or --kernels."
        )
    told = {"command": command, "config": asdict(config), "versions": versions()}
    rows = check_operations(config.operation or list(OPERATIONS), report) if config.kernels else []
    if config.ckpt is None:
        return _kernels(rows, told)
    found = [("kernels", one) for one in _summed(rows)]
    found += [(checkpoints.called(config.ckpt), one) for one in check_checkpoint(config)]
    lines = [
        {"model": name, "claim": one.claim, "outcome": OUTCOMES[one.held], "seen": one.seen} for name, one in found
    ]
    return CheckResult(pd.DataFrame(lines, columns=["model", "claim", "outcome", "seen"]), {"kind": "check", **told})


def _refuse_operations(config: CheckConfig) -> None:
    if config.operation and not config.kernels:
        raise ProbeError(
            "--operation was given, but it says of which operations kernels are checked. Add --kernels, or drop it."
        )
    for name in config.operation:
        if name not in OPERATIONS:
            raise ProbeError(
                f"--operation {name[:60]} was given, but there are {', '.join(OPERATIONS)}. "
                f"{suggest(name[:60], list(OPERATIONS)) or 'Choose some of them.'}".rstrip()
            )


def _kernels(rows: Sequence[Row], told: dict[str, Any]) -> KernelsResult:
    table = pd.DataFrame([asdict(row) | {"outcome": OUTCOMES[row.held]} for row in rows])
    settings = {"allowed": ALLOWED, "lengths": list(LENGTHS), "packages": installed(), "models": {}}
    return KernelsResult(table[KERNEL_COLUMNS], {"kind": "kernels", **told, **settings})


def _summed(rows: Sequence[Row]) -> list[Finding]:
    """Returns a finding an implementation: the worst of its checks, or why it was not run."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.operation, row.package, row.implementation), []).append(row)
    return [_finding(each) for each in groups.values()]


def _finding(rows: Sequence[Row]) -> Finding:
    first = rows[0]
    claim = f"{first.package} {first.implementation} computes {first.operation} as the reference does"
    failed, ran = [row for row in rows if row.held is False], [row for row in rows if row.held is not None]
    if not ran:
        return Finding(claim, None, first.seen)
    if failed:
        return Finding(claim, False, f"{len(failed)} of {len(ran)} checks fail, first {failed[0].check}")
    return Finding(claim, True, f"{len(ran)} checks hold")


def check_checkpoint(config: CheckConfig) -> list[Finding]:
    """Returns the findings on a checkpoint: the invariants of capture, then its parts recomputed from its file.

    It is checked on its own task; a model without one, such as a language model, on random tokens. Loading it verifies
    its digest. A model at hand has no file to be recomputed from.

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
    """Returns prompts of the checkpoint's task, or random tokens where it has none."""
    if not found.task:
        described = found.stream.description
        length = min(TOKENS, described.longest or TOKENS)
        if not described.symbols:
            return source.normal(length, described.inputs)
        return (source.uniform(length) * described.symbols).long()
    return task_for(found, found.task, None).draw(source, min(found.context, EXAMPLES)).inputs
