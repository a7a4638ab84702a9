"""Planted models and small random ones, set before a task and ready to be asked."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from probe import checkpoints
from probe.config import FitConfig, ModelConfig
from probe.heads import LinearHeads
from probe.models import ResidualModel
from probe.models.controls import planted_model
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.probing.prepare import prepare

DIM, BLOCKS, CONTEXT = 3, 6, 10
Prepared = tuple[Experiment, Pass, LinearHeads]


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


@pytest.fixture(scope="session")
def random_experiment(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Prepared]:
    """A function that sets a layout of random weights before linear, with random heads: 3 dimensions, 4 examples."""

    def make(layout: str) -> Prepared:
        path: Path = tmp_path_factory.mktemp("random") / "random.pt"
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = ResidualModel(ModelConfig(layout=layout, dim=3, width=16, attention_heads=2))
            for name, weight in model.named_parameters():
                # fresh blocks write little, and hardly by the token
                if name.endswith("proj.weight"):
                    weight.data.mul_(3)
                if weight.ndim == 2 and weight.std() < 0.07:
                    weight.data.normal_(std=0.3)
                if name.endswith("dt_proj.bias"):
                    weight.data.add_(2)
            drawn = torch.randn(len(model.blocks) + 1, 1, 16, 1, dtype=torch.float64)
        about = {"task": "linear", "dim": 3, "context": 4, "seed": 0, "step": 0, "command": ""}
        checkpoints.save(path, model, about)
        config = FitConfig(
            ckpt=(str(path),), task="linear", head=("lens",), context="4", prompts=128, score=32, batch=32
        )
        return (
            prepare(config)[0],
            Pass.of(config),
            LinearHeads(drawn, torch.ones_like(drawn[:, :, 0]), drawn[:, :, 0, 0]),
        )

    return make


@pytest.fixture(scope="session")
def planted(planted_experiment: Callable[[str], tuple[Experiment, Pass]]) -> Callable[[str], Prepared]:
    """A function that sets a planted algorithm before linear, with the decoder of its answer as every layer's head."""

    def make(algorithm: str) -> Prepared:
        experiment, pass_ = planted_experiment(algorithm)
        weight = torch.zeros(experiment.layers, 1, experiment.model.width, 1, dtype=torch.float64)
        weight[:, :, 2 * experiment.task.dim] = 1.0
        nothing = torch.zeros_like(weight[:, :, 0])
        small = replace(pass_, score=48, prompts=256, batch=48)
        return experiment, small, LinearHeads(weight, nothing, nothing[..., 0])

    return make
