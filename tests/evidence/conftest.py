"""Planted models, set before a task and ready to be asked."""

from collections.abc import Callable
from pathlib import Path

import pytest

from probe import checkpoints
from probe.config import FitConfig
from probe.models.controls import planted_model
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.probing.prepare import prepare

DIM, BLOCKS, CONTEXT = 3, 6, 10


@pytest.fixture(scope="session")
def planted_experiment(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Experiment, Pass]]:
    """Returns an experiment on a planted algorithm (3 dimensions, 6 blocks, 10 examples), and its prompts."""

    def make(algorithm: str) -> tuple[Experiment, Pass]:
        path: Path = tmp_path_factory.mktemp("planted") / f"{algorithm}.pt"
        about = {"task": "linear", "arch": algorithm, "dim": DIM, "context": CONTEXT, "seed": 0, "step": 0}
        checkpoints.save(path, planted_model(algorithm, DIM, BLOCKS), about | {"command": ""})
        config = FitConfig(
            ckpt=(str(path),), task="linear", head=("linear", "lens"), context=str(CONTEXT), prompts=512, score=256
        )
        return prepare(config)[0], Pass.of(config)

    return make
