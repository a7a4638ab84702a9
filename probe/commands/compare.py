"""Compares checkpoints on the same prompts: paired differences by layer and by context, and what they amount to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from probe.checkpoints import expanded
from probe.commands.keywords import takes
from probe.config import CompareConfig
from probe.errors import ProbeError
from probe.heads import Head, make_all
from probe.language import Study, compare_language, study_of
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment, by_seed, describe, load_all, notes_on, side_name
from probe.probing.measure import measure
from probe.probing.own_data import check_answered, open_data
from probe.probing.plans import Trainings, trainings
from probe.probing.prepare import set_before
from probe.probing.results import CompareResult
from probe.probing.verdicts import REACHED, verdicts
from probe.progress import Report, silent
from probe.records import Record, versions
from probe.records.counted import COUNTED
from probe.statistics import LayerErrors, log_ratio, reach, reached, welch_band

SEEDS = 3
"""Training seeds a side from which sides are compared over their seeds."""


@dataclass(frozen=True, eq=False)
class Measured:
    """One checkpoint's errors on the score prompts.

    Attributes:
        depths: the share of blocks, parameters or FLOPs up to each layer.
        errors: of the head, by layer and context.
        own: of the model itself, by context.
    """

    experiment: Experiment
    depths: list[float]
    errors: LayerErrors
    own: LayerErrors

    @property
    def name(self) -> str:
        """The checkpoint's name."""
        return self.experiment.checkpoint.name


@takes(CompareConfig)
def compare(config: CompareConfig, *, command: str = "", report: Report = silent) -> CompareResult:
    """Compares every pair of checkpoints: the ratios of their errors with paired bands, and a verdict.

    Rows by ``quantity``: ``own`` is the models' own error by context; ``layer`` the head's error at the largest
    context by depth, where a model's error at a depth is that of its last layer no deeper (errors are never
    interpolated between layers); ``reach`` the depth at which the head's error first falls to ``threshold``, as a
    difference, where never is later than any depth. ``low`` and ``high`` bound one cell, ``all_low`` and ``all_high``
    all cells of a quantity at once, over prompts. Where two sides have three checkpoints or more that differ in their
    seed alone, further rows whose ``band`` is ``seeds`` give the ratios of geometric means over seeds, with Welch's
    band of each cell.
    Language models are compared by `probe.language.compare_language`.

    Args:
        command: what was typed, for the record.
        report: called as the work goes on.

    Raises:
        ProbeError: if a checkpoint, the task or a number does not fit, before any work.
    """
    count = len(expanded(config.ckpt))
    if count < 2:
        raise ProbeError(
            f"{count} checkpoint{'' if count == 1 else 's'} given, but a comparison needs two. Add another."
        )
    record = STUDIES[study_of(config.task)](config, command, report)
    return CompareResult(record.table, record.provenance)


def _compare_numbers(config: CompareConfig, command: str, report: Report) -> Record:
    models, opened, given = load_all(config.ckpt, dim=config.dim), open_data(config), config
    if opened is not None:
        check_answered(opened.task, models, "probe compare")
        config = replace(config, task=opened.text, data=None)
    heads = make_all((config.head,))
    if heads[0].overrides("judge"):
        raise ProbeError(
            f"--head {config.head} was given, but that head is measured by a protocol of its own and not at every "
            "context, which a comparison needs. Use --head linear, normed or lens."
        )
    experiments = set_before(models, config, heads)
    context = _context(experiments, config)
    experiments = set_before(models, config, heads, _shared(experiments, context))
    pass_ = Pass.of(config, experiments[0].task)
    measured = [_measure(experiment, config.depth, heads, pass_, report) for experiment in experiments]
    table = pd.DataFrame([row for a, b in combinations(measured, 2) for row in _rows(a, b)] + _seed_rows(measured))
    provenance = {
        "kind": "compare",
        "command": command,
        "config": asdict(given),
        "versions": versions(),
        "counts": experiments[0].task.counts,
        "prompts": {"fit": pass_.prompts, "score": pass_.score},
        "units": {"y": experiments[0].task.unit},
        "verdict": verdicts(table, _trainings(measured, config.tuned), counted_as=COUNTED[experiments[0].task.counts]),
        "notes": notes_on([one.experiment.checkpoint for one in measured], context) if opened is None else [],
        "models": {
            one.name: describe(one.experiment.checkpoint, one.experiment.task, context)
            | {"depths": one.depths, "errors": one.errors.ratio.estimate()[:, -1].tolist()}
            for one in measured
        },
    }
    if opened is not None:
        provenance |= {"task": opened.task.name, "data": opened.task.told}
    return Record(table, provenance)


STUDIES: dict[Study, Callable[[CompareConfig, str, Report], Record]] = {
    "numbers": _compare_numbers,
    "words": compare_language,
}
"""How checkpoints are compared, by what the task is about."""


def _context(experiments: Sequence[Experiment], config: CompareConfig) -> int:
    dims = {experiment.checkpoint.dim for experiment in experiments}
    if len(dims) > 1:
        raise ProbeError(
            f"The checkpoints read inputs of dimensions {', '.join(map(str, sorted(dims)))}, but a comparison needs "
            "the same prompts. Compare checkpoints of one dimension."
        )
    return min(experiment.longest for experiment in experiments) if config.context is None else config.context


def _shared(experiments: Sequence[Experiment], context: int) -> list[int]:
    """Returns the contexts that every checkpoint is probed at by default, up to the largest."""
    common = set.intersection(*[set(experiment.contexts) for experiment in experiments]) | {context}
    return [one for one in sorted(common) if one <= context]


def _measure(experiment: Experiment, depth: str, heads: Sequence[Head], pass_: Pass, report: Report) -> Measured:
    _, scores = measure(experiment, heads, pass_, "y", report)
    return Measured(experiment, depths_of(experiment, depth), scores[heads[0].name], scores["model"])


DEPTHS: dict[str, Callable[[Experiment], list[int]]] = {
    "blocks": lambda experiment: list(range(experiment.layers)),
    "parameters": lambda experiment: list(experiment.model.description.parameters),
    "flops": lambda experiment: experiment.model.flops(experiment.task.length(experiment.longest)),
}
"""What is counted up to each layer, [blocks + 1], by the flag's word."""


def depths_of(experiment: Experiment, axis: str) -> list[float]:
    """Returns the share of blocks, parameters or FLOPs up to each layer, [blocks + 1]."""
    counts = DEPTHS[axis](experiment)
    return [count / counts[-1] for count in counts]


def _rows(a: Measured, b: Measured) -> list[dict[str, Any]]:
    pair = {"model": a.name, "other": b.name, "band": "prompts"}
    rows = [pair | row for row in _own_rows(a, b)]
    rows += [pair | row for row in _layer_rows(a, b)]
    return rows + [pair | row for row in _reach_rows(a, b)]


def _own_rows(a: Measured, b: Measured) -> list[dict[str, Any]]:
    contexts = a.own.contexts
    first, second = a.own.ratio.replicates()[:, 0], b.own.ratio.replicates()[:, 0]
    values = a.own.ratio.estimate()[0], b.own.ratio.estimate()[0]
    rows = _ratio_rows("own", *values, first, second)
    return [row | {"context": context} for row, context in zip(rows, contexts, strict=True)]


def _layer_rows(a: Measured, b: Measured) -> list[dict[str, Any]]:
    depths = sorted({round(depth, 9) for depth in [*a.depths, *b.depths]})
    layers = [[_layer_at(one.depths, depth) for depth in depths] for one in (a, b)]
    values = [one.errors.ratio.estimate()[index, -1] for one, index in zip((a, b), layers, strict=True)]
    draws = [one.errors.ratio.replicates()[:, index, -1] for one, index in zip((a, b), layers, strict=True)]
    rows = _ratio_rows("layer", *values, *draws)
    places = zip(rows, depths, *layers, strict=True)
    context = a.errors.contexts[-1]
    return [
        row | {"context": context, "depth": depth, "layer": first, "other_layer": second}
        for row, depth, first, second in places
    ]


def _layer_at(depths: Sequence[float], depth: float) -> int:
    """Returns the last layer no deeper than a depth."""
    return max(layer for layer, each in enumerate(depths) if layer == 0 or each <= depth + 1e-9)


def _ratio_rows(quantity: str, a: Tensor, b: Tensor, a_draws: Tensor, b_draws: Tensor) -> list[dict[str, Any]]:
    cell, everywhere = log_ratio(a, b, a_draws, b_draws), log_ratio(a, b, a_draws, b_draws, simultaneous=True)
    columns = {
        "error": a,
        "other_error": b,
        "ratio": cell.value.exp(),
        "low": cell.low.exp(),
        "high": cell.high.exp(),
        "all_low": everywhere.low.exp(),
        "all_high": everywhere.high.exp(),
    }
    # a model that errs on no prompt has no logarithm: its ratios are empty
    lists = {name: values.where(values.isfinite(), torch.nan).tolist() for name, values in columns.items()}
    return [
        {"quantity": quantity} | {name: values[i] for name, values in lists.items()} for i in range(len(lists["ratio"]))
    ]


def _reach_rows(a: Measured, b: Measured) -> Iterator[dict[str, Any]]:
    """Yields the depths at which errors are reached; an end of a band that is no depth is empty.

    ``never`` and ``other_never`` are the shares of the resamples in which a head does not reach the error, ``sooner``
    and ``later`` those in which it reaches it before and after the other.
    """
    for threshold in REACHED:
        found = reach(*(_reached(one, threshold) for one in (a, b)))
        columns = {
            "depth": found.first,
            "other_depth": found.second,
            "difference": found.difference,
            "low": found.low,
            "high": found.high,
        }
        yield {
            "quantity": "reach",
            "context": a.errors.contexts[-1],
            "threshold": threshold,
            **{name: value if np.isfinite(value) else np.nan for name, value in columns.items()},
            "never": found.first_never,
            "other_never": found.second_never,
            "sooner": found.sooner,
            "later": found.later,
            "spacing": _spacing(a.depths),
            "other_spacing": _spacing(b.depths),
        }


def _reached(one: Measured, threshold: float) -> Tensor:
    """Returns the depth at which an error is reached at the largest context, then that of every resample."""
    errors = torch.cat([one.errors.ratio.estimate()[None], one.errors.ratio.replicates()])[..., -1]
    return reached(errors, one.depths, threshold)


def _spacing(depths: Sequence[float]) -> float:
    """Returns the largest step from one layer's depth to the next."""
    return float(np.diff(depths).max(initial=0.0))


def _sides(measured: Sequence[Measured]) -> dict[str, list[Measured]]:
    """Returns by name the groups of three checkpoints or more that differ within themselves in their seed alone."""
    sides: dict[str, list[Measured]] = {}
    groups = [
        [measured[place] for place in group] for group in by_seed([one.experiment.checkpoint for one in measured])
    ]
    for side in (group for group in groups if len(group) >= SEEDS):
        name = side_name([one.experiment.checkpoint for one in side])
        # one architecture may have been trained in several ways
        same = sum(each.partition(" [")[0] == name for each in sides)
        sides[f"{name} [{same + 1}]" if same else name] = side
    return sides


def _trainings(measured: Sequence[Measured], tuned: str) -> dict[tuple[str, str], Trainings]:
    """Returns what trainings differ in, by the names of every two sides, or of every pair where there are none."""
    sides = _sides(measured)
    compared = sides if len(sides) > 1 else {one.name: [one] for one in measured}
    first = {name: side[0].experiment.checkpoint for name, side in compared.items()}
    return {(a, b): trainings(first[a], first[b], tuned) for a, b in combinations(first, 2)}


def _seed_rows(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """Returns rows for every two groups of checkpoints that differ within themselves in their seed alone."""
    pairs = combinations(_sides(measured).items(), 2)
    return [{"model": name, "other": other} | row for (name, a), (other, b) in pairs for row in _side_rows(a, b)]


def _side_rows(a: Sequence[Measured], b: Sequence[Measured]) -> list[dict[str, Any]]:
    contexts = a[0].own.contexts
    own = _welch_rows("own", *([one.own.ratio.estimate()[0].tolist() for one in side] for side in (a, b)))
    rows = [row | {"context": context} for row, context in zip(own, contexts, strict=True)]
    depths = sorted({round(depth, 9) for one in (*a, *b) for depth in one.depths})
    heads = _welch_rows("layer", *([_errors_at(one, depths) for one in side] for side in (a, b)))
    context = a[0].errors.contexts[-1]
    return rows + [row | {"context": context, "depth": depth} for row, depth in zip(heads, depths, strict=True)]


def _errors_at(one: Measured, depths: Sequence[float]) -> list[float]:
    errors = one.errors.ratio.estimate()[:, -1].tolist()
    return [errors[_layer_at(one.depths, depth)] for depth in depths]


def _welch_rows(quantity: str, a: list[list[float]], b: list[list[float]]) -> list[dict[str, Any]]:
    """Returns ratios of geometric means over seeds with Welch's bands on the logarithms."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = [np.log(np.array(side)) for side in (a, b)]
        band = welch_band(*logs)
    columns = {
        "error": np.exp(logs[0].mean(0)),
        "other_error": np.exp(logs[1].mean(0)),
        "ratio": band.value.exp(),
        "low": band.low.exp(),
        "high": band.high.exp(),
    }
    lists = {name: [one if np.isfinite(one) else np.nan for one in values.tolist()] for name, values in columns.items()}
    return [
        {"quantity": quantity, "band": "seeds"} | {name: values[i] for name, values in lists.items()}
        for i in range(len(lists["ratio"]))
    ]
