"""Checks shapes and types at run time in every room of tensors, and keeps every test process to one thread."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from jaxtyping import install_import_hook

# compiled kernels are left out: numba must see the functions themselves
CHECKED = [
    "tasks",
    "models",
    "heads",
    "capture",
    "interventions",
    "recompute",
    "learners",
    "statistics",
    "language",
    "probing.ridge_fit",
    "probing.targets",
    "checkpoints.official",
    "checkpoints.huggingface",
    "checkpoints.weights",
    "checkpoints.whole",
    "checkpoints.saved",
    "evidence",
    "randomness",
]

# for the processes that tests start; two busy neighbours with two threads each are many times slower
os.environ["OMP_NUM_THREADS"] = "1"
install_import_hook([f"probe.{room}" for room in CHECKED], "beartype.beartype")
torch.set_num_threads(1)
# the same examples on every machine, however busy it is, and no files left behind
settings.register_profile("probe", deadline=None, derandomize=True, database=None)
settings.load_profile("probe")


class Planted:
    """A source that hands out given draws, one a call, so that a worked example can be written down."""

    def __init__(self, *draws: list) -> None:
        self._draws = [torch.tensor(draw, dtype=torch.float32) for draw in draws]
        self.prompts = len(self._draws[0])

    def normal(self, *shape: int) -> torch.Tensor:
        draw = self._draws.pop(0)
        assert draw.shape == (self.prompts, *shape)
        return draw

    def uniform(self, *shape: int) -> torch.Tensor:
        return self.normal(*shape)

    def grouped(self, size: int) -> "Planted":
        return self

    def completed(self, size: int) -> tuple["Planted", torch.Tensor]:
        return self, torch.arange(self.prompts)


@pytest.fixture
def planted() -> type[Planted]:
    """The class `Planted`: ``planted(w, x, ...)`` is a source."""
    return Planted


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two checkpoints trained for a few steps: m.pt (M2) and t.pt ((AF)1, learned positions)."""
    import probe
    from probe.config import TrainConfig

    folder = tmp_path_factory.mktemp("toys")
    # on batches of before there was a choice: tests say of these two, for example, how they compare
    config = TrainConfig(out="", task="linear", dim=2, width=8, context=4, steps=20, lr=1e-3, batch_key="32bit")
    for name, layout in (("m", "M2"), ("t", "(AF)1")):
        own = replace(config, out=str(folder / f"{name}.pt"), layout=layout)
        probe.train(own, command=f"probe train --layout {layout}")
    return folder
