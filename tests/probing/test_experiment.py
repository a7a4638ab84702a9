"""What a checkpoint and a task have to do with one another."""

from dataclasses import asdict, replace
from typing import Any

import pytest

from probe.checkpoints import Checkpoint
from probe.config import TrainConfig
from probe.probing.experiment import by_seed, side_name
from probe.training.plan import make_plan

TOY = TrainConfig(out="a.pt", task="linear", layout="M1", dim=2, width=8, context=3, steps=60)


def _checkpoint(seed: int, step: int) -> Checkpoint:
    description: dict[str, Any] = {"plan": asdict(make_plan(replace(TOY, seed=seed))), "step": step, "arch": "M1"}
    return Checkpoint(f"s{seed}-{step}", None, "linear", 2, 3, description, f"{seed}-{step}")  # type: ignore[arg-type]


def test_steps_of_one_training_are_no_seeds_and_one_step_of_several_seeds_is_a_side() -> None:
    models = [_checkpoint(seed, step) for seed in (0, 1, 2) for step in (10, 60)]
    assert by_seed(models) == [[0, 2, 4], [1, 3, 5]]
    assert side_name(models[::2]) == "M1 at step 10 (3 seeds)"
    assert side_name(models[1::2]) == "M1 (3 seeds)"


def test_a_training_of_before_batches_had_a_whole_key_is_a_seed_beside_later_ones() -> None:
    models = [_checkpoint(seed, 60) for seed in (0, 1, 2)]
    del models[0].description["plan"]["batch_key"]
    assert by_seed(models) == [[0, 1, 2]]


@pytest.mark.parametrize("steps", [(10, 20), (60, 60)])
def test_checkpoints_of_one_seed_are_never_two_of_a_group(steps: tuple[int, int]) -> None:
    assert max(map(len, by_seed([_checkpoint(0, step) for step in steps]))) == 1
