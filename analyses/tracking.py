"""What models of a linear-Gaussian system err over its filter, and whose answers theirs are like.

Used by linear_systems.ipynb.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd
import torch
from beliefs import untrained
from jaxtyping import Float
from torch import Tensor

import probe
from probe import FitConfig
from probe.checkpoints import load
from probe.learners import run
from probe.randomness import PromptSource
from probe.records import versions
from probe.statistics.bootstrap import RatioBootstrap
from probe.tasks import Prompts

FILTER = "Kalman filter"


@dataclass(frozen=True)
class TrackingConfig:
    """What is measured.

    Args:
        ckpt: checkpoints trained on the task.
        task: a linear system.
        dim: dimension of x.
        context: the most examples before a query.
        prompts: prompts that errors are measured on.
        learner: rivals of the filter.
        seed: of every prompt.
    """

    ckpt: tuple[str, ...]
    task: str = "linear_system"
    dim: int = 3
    context: int = 15
    prompts: int = 4096
    learner: tuple[str, ...] = ("generalised_least_squares", "ridge", "gd", "least_squares")
    seed: int = 0


def answers(config: TrackingConfig) -> tuple[Prompts, dict[str, Float[Tensor, "prompt query"]]]:
    """Returns the prompts, and what the filter, each learner and each model answer at every query."""
    task = probe.make_task(config.task, config.dim)
    prompts = task.draw(PromptSource(config.seed, "score", range(config.prompts)), config.context)
    best = task.optimal(prompts)
    assert best is not None, "a task whose filter is known"
    found = {FILTER: best[..., 0]}
    for name in config.learner:
        learner = probe.make_learner(name)
        found[name] = run(learner, prompts.x, prompts.y, prompts.contexts, prompts.parameters["noise"])
    for path in config.ckpt:
        model = load(path)
        with torch.no_grad():
            outputs = torch.cat([model.stream.run(some) for some in prompts.inputs.split(256)])
        found[model.name] = task.answer(outputs.index_select(1, prompts.queries))[..., 0]
    return prompts, found


def compared(config: TrackingConfig) -> probe.Record:
    """Returns, by number of examples, each one's error over the filter's, and its distance from the others.

    A row with `other` y holds the squared error over that of the filter, on the same prompts; one with another `other`
    the squared distance of the two answers over the variance of y. Bands are resampled by prompt, as ratios.
    """
    prompts, found = answers(config)
    variance = probe.make_task(config.task, config.dim).variance
    y = prompts.y.double()
    base = (found[FILTER].double() - y).square()
    own = [probe.checkpoints.called(path) for path in config.ckpt]
    rows: list[dict[str, Any]] = []
    for name, one in found.items():
        rows += _rows(config, prompts, name, "y", (one.double() - y).square(), base)
    for name in own:
        for other in [FILTER, *config.learner]:
            apart = (found[name].double() - found[other].double()).square()
            rows += _rows(config, prompts, name, other, apart, torch.full_like(apart, variance))
    about = {"kind": "tracking", "command": "analyses/linear_systems.ipynb", "config": asdict(config)}
    models = {one.name: {"digest": one.digest, "task": one.task} for one in map(load, config.ckpt)}
    return probe.Record(pd.DataFrame(rows), about | {"versions": versions(), "task": config.task, "models": models})


def _rows(
    config: TrackingConfig,
    prompts: Prompts,
    answering: str,
    other: str,
    above: Float[Tensor, "prompt query"],
    below: Float[Tensor, "prompt query"],
) -> Iterator[dict[str, Any]]:
    ratio = RatioBootstrap((len(prompts.contexts),), seed=config.seed)
    ratio.update(range(config.prompts), above, below)
    value, (low, high) = ratio.estimate(), ratio.interval()
    for place, context in enumerate(prompts.contexts):
        yield {
            "model": answering,
            "other": other,
            "context": context,
            "value": value[place].item(),
            "low": low[place].item(),
            "high": high[place].item(),
            "prompts": config.prompts,
        }


def over_filter(record: probe.Record, names: Mapping[str, str]) -> pd.DataFrame:
    """Returns the errors over the filter's as curves against the number of examples, a line a seed.

    Args:
        names: what to call each model and each learner.
    """
    table = record.table
    table = table[(table["other"] == "y") & table["model"].isin(list(names)) & (table["context"] > 0)]
    own = table["model"].isin(record.provenance["models"])
    return table.assign(
        panel="error",
        series=table["model"].map(names),
        source=own.map({True: "measured", False: "exact"}),
        run=table["model"],
        x=table["context"],
        low=None,
        high=None,
        model=table["model"].where(own),
        task=record.provenance["task"],
    )


def distances(record: probe.Record, models: Mapping[str, str], names: Mapping[str, str]) -> pd.DataFrame:
    """Returns models' distances from the filter and its rivals as curves, a panel an architecture, a line a seed.

    Args:
        models: what to call each model.
        names: what to call the filter and each learner.
    """
    table = record.table
    table = table[(table["other"] != "y") & table["other"].isin(list(names)) & (table["context"] > 0)]
    return table.assign(
        panel=table["model"].map(models),
        series=table["other"].map(names),
        source="measured",
        run=table["model"],
        x=table["context"],
        low=None,
        high=None,
        task=record.provenance["task"],
    )


def layers(records: Mapping[str, probe.Record], names: Mapping[str, str]) -> pd.DataFrame:
    """Returns 1 - R² of linear heads by layer, after the most examples, as curves: a panel a target, a line a seed.

    Args:
        records: of `probe fit`, by target.
        names: what to call each model.
    """
    found = []
    for target, record in records.items():
        table = record.table
        table = table[(table["head"] == "linear") & (table["context"] == table["context"].max())]
        found.append(
            table.assign(
                panel=target,
                series=table["model"].map(names),
                source="measured",
                run=table["model"],
                x=table["depth"],
                value=1 - table["r2"],
                low=None,
                high=None,
                task=record.provenance["config"]["task"],
            )
        )
    return pd.concat(found, ignore_index=True)


def of_states(config: FitConfig) -> probe.Record:
    """Returns what heads read from the recurrent states of checkpoints, and of the same models with first weights."""
    trained = [probe.load_checkpoint(str(path)) for path in config.ckpt]
    found = probe.fit(replace(config, ckpt=(*trained, *map(untrained, trained))))
    return probe.Record(found.table, found.provenance | {"config": asdict(config)})


def states(records: Mapping[str, probe.Record], names: Mapping[str, str]) -> pd.DataFrame:
    """Returns 1 - R² of linear heads on states by layer, after the most examples, as curves, a panel a target.

    Args:
        records: by target; models with their first weights are drawn as such.
        names: what to call each model.
    """
    found = layers(records, names)
    plain = found["model"].str.removesuffix(" untrained")
    source = (found["model"] == plain).map({True: "measured", False: "exact"})
    return found.assign(series=plain.map(names), source=source)
