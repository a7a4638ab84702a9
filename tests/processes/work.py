"""Fits, evaluates and trains in as many processes as there are; each saves what it holds at the end.

Run by the tests, ``python work.py FOLDER``; FOLDER holds the checkpoints and then RANK.pickle.
"""

import pickle
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

import probe
from probe.config import EvaluateConfig, FitConfig, TrainConfig
from probe.heads import Moments, solve_path
from probe.processes import Processes, joined, merge_each

EVERY = ("linear", "normed", "lens", "calibrated")
FIT = FitConfig(ckpt=("m.pt",), task="linear", head=EVERY, context="1,10", prompts=400, score=90, batch=32)
OUTLIERS = FitConfig(ckpt=("outlier.pt",), task="many_outlier", head=("lens",), score=70, batch=16)
EVALUATE = EvaluateConfig(
    ckpt=("m.pt", "t.pt"),
    task="linear",
    prompting=("standard", "skewed"),
    learner=("least_squares",),
    prompts=70,
    batch=16,
)
TRAIN = TrainConfig(
    out="trained.pt", task="many_outlier", layout="M1F", dim=2, width=8, context=6, batch=7, steps=40, clip=0.05
)


def moments(processes: Processes) -> pd.DataFrame:
    """Returns what ridge heads of well-conditioned streams, the same in every process, come to."""
    found, total = {"only": Moments((2, 3), 5, 2)}, 9
    for batch in processes.deal(range(total)):
        drawn = torch.Generator().manual_seed(batch)
        stream = 3 + torch.randn(2, 7, 3, 5, generator=drawn)
        counted = torch.rand(7, 3, generator=drawn) < 0.8
        found["only"].update(stream, torch.randn(7, 3, 2, generator=drawn) + stream[0, :, :, :2], counted)
    paths = processes.merged(found, merge_each, lambda all_: {name: solve_path(one) for name, one in all_.items()})
    heads = paths["only"].choose(torch.full((2, 3), 5))
    return pd.DataFrame({"weight": heads.weight.flatten()[:6], "intercept": heads.intercept.flatten()[:6]})


def everything(folder: Path, processes: Processes) -> dict[str, object]:
    """Returns the tables of all three verbs, by name."""

    def here(config):
        return replace(config, ckpt=tuple(str(folder / name) for name in config.ckpt))

    found = {"fit": FIT, "outliers": OUTLIERS, "one batch": replace(FIT, head=("linear",), batch=512)}
    tables = {name: probe.fit(here(config), processes=processes).table for name, config in found.items()}
    tables["moments"] = moments(processes)
    tables["evaluate"] = probe.evaluate(here(EVALUATE), processes=processes).table
    trained = str(folder / f"trained-{processes.count}.pt")
    tables["train"] = probe.train(replace(TRAIN, out=trained), processes=processes).table.drop(
        columns=["model", "seconds"]
    )
    return tables


if __name__ == "__main__":
    place = Path(sys.argv[1])
    with joined() as together:
        done = everything(place, together)
    (place / f"{together.rank}.pickle").write_bytes(pickle.dumps(done))
