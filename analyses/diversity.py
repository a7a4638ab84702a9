"""Lays models that were trained on a fixed pool of w beside the Bayes estimators of the pool and of all w.

    python analyses/diversity.py runs/task-diversity      puts the models that probe sweep trained into checkpoints/

Raventos et al. (2023), arXiv:2306.15063, ask whether a transformer that was trained on M functions answers by the
posterior over those M (dMMSE, `discrete_posterior` here) or by that over every w ~ N(0, I) (ridge regression with the
variance of the noise as its penalty), on prompts of functions of the pool and on prompts of fresh ones. The same is
asked here of a transformer and a Mamba that are far smaller. The trainings are those of analyses/task_diversity.csv:

    probe sweep analyses/task_diversity.csv --out runs/task-diversity
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from shutil import copyfile
from typing import Any

import pandas as pd
import torch
from budget import ROOT
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from probe import Checkpoint, Record, load_checkpoint, make_learner, make_task
from probe.learners import run
from probe.plots import Panels, curve_panels
from probe.randomness import PromptSource
from probe.records import versions
from probe.tasks import NoisyLinear, Prompts

FOLDER = ROOT / "checkpoints" / "task-diversity"
PROMPTS = {"pool": "functions of the pool", "fresh": "fresh functions"}
"""What models are asked on, and what it is called."""
OTHERS = {"discrete_posterior": "dMMSE", "ridge": "ridge"}
"""What models are laid beside, and what it is called."""
COLOURS = {"Mamba": 0, "transformer": 1}
APART = "dMMSE to ridge"
"""What the distance of the estimators from one another is called."""
LIMITS = (2e-3, 1.2)
DEVIATES = 1.96
"""Standard errors, over prompts, from a mean to either end of its 95 % band."""


@dataclass(frozen=True)
class DistanceConfig:
    """What is measured.

    Attributes:
        ckpt: checkpoints that were trained on pools.
        prompts: of each kind.
        seed: of every prompt.
    """

    ckpt: tuple[str, ...]
    prompts: int = 4096
    seed: int = 0


def distances(config: DistanceConfig) -> Record:
    """Measures how far models' predictions lie from those of both estimators, and from the noisy y.

    A row is a model, a kind of prompts, whose answers are compared (the model's, or those of an estimator on the same
    prompts), and with what. The value is the mean square of the difference, over prompts and over queries with 0, 1,
    2, ... examples before them, divided by the dimension, with a band of 1.96 standard errors over prompts.
    """
    models = [load_checkpoint(path) for path in config.ckpt]
    rows: list[dict[str, Any]] = []
    for found in models:
        for kind in PROMPTS:
            rows += _rows(found, kind, config)
    told = {found.name: {"arch": architecture(found), "digest": found.digest} for found in models}
    provenance = {"kind": "task_diversity", "config": asdict(config), "versions": versions(), "models": told}
    return Record(pd.DataFrame(rows), provenance)


def architecture(found: Checkpoint) -> str:
    """Returns what a model is called in the pictures."""
    return "Mamba" if "M" in found.stream.description.layout else "transformer"


@torch.no_grad()
def _rows(found: Checkpoint, kind: str, config: DistanceConfig) -> Iterator[dict[str, Any]]:
    """Yields the rows of one model on one kind of prompts."""
    trained = make_task(found.task, found.dim)
    assert isinstance(trained, NoisyLinear), "the table of trainings holds no other task"
    task = trained if kind == "pool" else replace(trained, functions=0)
    prompts = task.draw(PromptSource(config.seed, "score", range(config.prompts)), found.context)
    answers = task.answer(found.stream.run(prompts.inputs).index_select(1, prompts.queries))[..., 0].double()
    pool = f"discrete_posterior:functions={trained.functions}"
    known = {"ridge": _learned("ridge", prompts), "discrete_posterior": _learned(pool, prompts)}
    noisy = {"y": prompts.y.double()}
    apart = {"ridge": {"discrete_posterior": known["discrete_posterior"]}, "discrete_posterior": {}}
    compared = {"model": {**known, **noisy}, **{name: {**others, **noisy} for name, others in apart.items()}}
    for name, others in compared.items():
        own = answers if name == "model" else known[name]
        for other, values in others.items():
            each = (own - values).square().mean(1) / found.dim
            mean, error = each.mean().item(), each.std().item() / len(each) ** 0.5
            told = {
                "model": found.name,
                "arch": architecture(found),
                "functions": trained.functions,
            }
            band = {"value": mean, "low": max(mean - DEVIATES * error, 0.0), "high": mean + DEVIATES * error}
            yield told | {"prompting": kind, "answers": name, "other": other, "prompts": config.prompts} | band


def _learned(name: str, prompts: Prompts) -> Float[Tensor, "batch query"]:
    """Returns a learner's predictions at every query; the learner is told the noise."""
    return run(
        make_learner(name), prompts.x.double(), prompts.y.double(), prompts.contexts, prompts.parameters["noise"]
    )


def phases(record: Record) -> Figure:
    """Draws the distance from either estimator against the number of functions, a panel a kind of prompts and each."""
    table = record.table
    apart = table[(table["answers"] == "ridge") & (table["other"] == "discrete_posterior")]
    apart = apart.drop_duplicates(["prompting", "functions"]).assign(series=APART, model=None)
    own = table[table["answers"] == "model"].assign(series=table["arch"])
    curves, titles = [], {}
    for kind, said in PROMPTS.items():
        for other, name in OTHERS.items():
            titles[f"{kind} {other}"] = f"to {name}, on {said}"
            near = own[own["other"] == other]
            both = pd.concat([rows[rows["prompting"] == kind] for rows in (near, apart)])
            curves.append(both.assign(panel=f"{kind} {other}"))
    drawn = pd.concat(curves, ignore_index=True)
    return curve_panels(
        drawn.assign(source="measured", run=1, x=drawn["functions"], task="noisy_linear"),
        Panels(
            titles=titles,
            x_label="functions in the pool of the training",
            y_label="mean squared distance / dimension",
            colours=COLOURS,
            references=[APART],
            limits=dict.fromkeys(titles, LIMITS),
            x_scale="log",
            height=2.2,
            title="dMMSE: the posterior over the functions of the pool. Ridge: that over all linear functions.",
        ),
    )


def main(folders: Sequence[str]) -> None:
    """Writes the models of folders of `probe sweep` into checkpoints/task-diversity, under short names."""
    FOLDER.mkdir(exist_ok=True)
    for path in sorted(path for folder in folders for path in Path(folder).glob("*.pt")):
        found = load_checkpoint(str(path))
        task = make_task(found.task, found.dim)
        assert isinstance(task, NoisyLinear), "the table of trainings holds no other task"
        name = f"{architecture(found).lower()}-{task.functions:04}"
        copyfile(path, FOLDER / f"{name}.pt")
        print(name)


if __name__ == "__main__":
    main(sys.argv[1:])
