"""Planted models, set before a task and ready to be asked."""

from collections.abc import Callable
from pathlib import Path

import pytest

from probe import checkpoint
from probe.config import FitConfig
from probe.fit import Subject, prepare
from probe.models.controls import planted_model

DIM, BLOCKS, CONTEXT = 3, 6, 10


@pytest.fixture(scope="session")
def planted_subject(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Subject, FitConfig]]:
    """A function that returns a planted algorithm as a subject, 3 dimensions, 6 blocks, 10 examples, and its config."""

    def make(algorithm: str) -> tuple[Subject, FitConfig]:
        path: Path = tmp_path_factory.mktemp("planted") / f"{algorithm}.pt"
        about = {"task": "linear", "arch": algorithm, "dim": DIM, "context": CONTEXT, "seed": 0, "step": 0}
        checkpoint.save(path, planted_model(algorithm, DIM, BLOCKS), about | {"command": ""})
        config = FitConfig(
            ckpt=(str(path),), task="linear", head=("linear", "lens"), context=str(CONTEXT), prompts=512, score=256
        )
        return prepare(config)[0], config

    return make
