"""Every intervention that suits an experiment, one after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from probe.errors import ProbeError
from probe.evidence.causes.blocks import edit_blocks, exit_rows
from probe.evidence.causes.completeness import counterfactual
from probe.evidence.causes.exchange import Exchange
from probe.evidence.causes.internals import switch_off
from probe.evidence.causes.states import exchange_states
from probe.evidence.causes.steer import steer
from probe.evidence.causes.table import about
from probe.heads import LinearHeads
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.progress import Report
from probe.statistics import RatioBootstrap

Rows = list[dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Causes:
    """What interventions found.

    Attributes:
        rows: of an evidence record.
        untested: by the kind of intervention that does not suit the experiment, the sentence that says why.
    """

    rows: Rows
    untested: dict[str, str]


def run_all(
    experiment: Experiment,
    heads: LinearHeads,
    errors: Mapping[str, RatioBootstrap],
    exchange: Callable[[], Exchange],
    pass_: Pass,
    report: Report | None = None,
) -> Causes:
    """Intervenes in every way that suits the experiment, on the score prompts at its largest context.

    Args:
        heads: for y, fitted at every layer of this experiment.
        errors: of ``linear`` and ``lens``, one a layer.
        exchange: returns what exchanging the whole stream at the query does, which other evidence needs as well.
        report: called after every kind of intervention.
    """
    shared = about(experiment, pass_)
    kinds: dict[str, Callable[[], Rows]] = {
        "exchange the stream": lambda: exchange().rows(shared),
        "steer": lambda: steer(experiment, heads, pass_).rows(shared),
        "exchange the answer": lambda: counterfactual(experiment, heads, pass_).rows(shared),
        "edit the blocks": lambda: edit_blocks(experiment, pass_).rows(shared),
        "exit early": lambda: exit_rows(errors, shared),
        "switch off internals": lambda: switch_off(experiment, pass_).rows(shared),
        "exchange states": lambda: exchange_states(experiment, heads, pass_).rows(shared),
    }
    rows: Rows = []
    untested: dict[str, str] = {}
    for done, (kind, run) in enumerate(kinds.items(), start=1):
        try:
            rows += run()
        except ProbeError as error:
            untested[kind] = str(error)
        if report is not None:
            report(f"causes {experiment.checkpoint.name}", done, len(kinds))
    return Causes(rows, untested)
