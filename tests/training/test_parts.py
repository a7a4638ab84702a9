"""Claims: a batch in parts side by side has the loss and the gradient of the whole, and the same steps follow."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import probe
from probe import checkpoints
from probe.config import TrainConfig
from probe.models.mixers import LETTERS
from probe.processes.side_by_side import workers
from probe.tasks import make
from probe.training.parts import ONE_PART, Parts, in_parts
from probe.training.plan import RunSettings, TrainPlan, make_plan
from probe.training.run import Run, start
from probe.training.step import take_step

TOY = TrainConfig(
    out="", task="linear", layout="M1AF", dim=2, width=8, context=3, batch=32, steps=12, warmup=2, lr=1e-4
)
CPU = torch.device("cpu")


def weights(path: str) -> dict[str, Tensor]:
    return checkpoints.load(path).model.state_dict()


def begun(plan: TrainPlan) -> Run:
    return start(plan, CPU, RunSettings(device="cpu"), "")


def after(plan: TrainPlan, parts: Parts, steps: int = 1) -> Run:
    """Returns a training after some steps."""
    run = begun(plan)
    for _ in range(steps):
        take_step(run, plan, make(plan.task, plan.dim), parts)
    return run


def gradients(run: Run) -> list[Tensor | None]:
    return [parameter.grad for parameter in run.model.parameters()]


def assert_alike(one: Run, other: Run) -> None:
    """Asserts that gradients are equal but for rounding, of which weights that no answer needs have none."""
    for mine, theirs in zip(gradients(one), gradients(other), strict=True):
        assert (mine is None) == (theirs is None)
        if mine is not None and theirs is not None:
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5 * float(theirs.abs().max()) + 1e-9)


@pytest.mark.parametrize("letter", list(LETTERS))
@pytest.mark.parametrize("count", [2, 3])
def test_the_gradient_in_parts_is_that_of_the_whole_batch(letter: str, count: int) -> None:
    """Of every mixer; three parts of 32 prompts are of unlike size."""
    plan = make_plan(replace(TOY, out="unused.pt", layout=f"{letter}1F1"))
    with workers(count) as pool:
        run = after(plan, Parts(count, pool))
    assert_alike(run, after(plan, ONE_PART))
    assert any(gradient is not None and gradient.abs().max() > 0 for gradient in gradients(run))


@pytest.mark.parametrize("task", ["orthogonal_outlier", "chain_of_thought", "token_mqar", "regular_language"])
def test_a_loss_that_looks_at_the_whole_batch_does_so_in_parts(task: str) -> None:
    """As where it divides by the answers that count, of which the parts have unlike numbers."""
    plan = make_plan(replace(TOY, out="unused.pt", task=task, dim=None, context=None))
    with workers(2) as pool:
        one, other = after(plan, Parts(2, pool)), after(plan, ONE_PART)
    assert_alike(one, other)
    torch.testing.assert_close(one.sums, other.sums, rtol=1e-5, atol=1e-7)


def test_half_precision_is_used_in_every_part() -> None:
    plan = make_plan(replace(TOY, out="unused.pt", precision="bfloat16"))
    exact = after(replace(plan, precision="float32"), ONE_PART)
    with workers(2) as pool:
        run = after(plan, Parts(2, pool))
    off = [
        float((mine - theirs).abs().max() / theirs.abs().max())
        for mine, theirs in zip(gradients(run), gradients(exact), strict=True)
        if mine is not None and theirs is not None
    ]
    assert 1e-4 < max(off) < 0.1


def test_a_training_with_as_many_threads_takes_the_same_steps_to_the_bit(tmp_path: Path, monkeypatch) -> None:
    """Stopped and resumed or not. With another number losses are the same but for rounding.

    Weights need not be: Adam moves by the whole rate along a gradient that is nothing but rounding.
    """
    monkeypatch.setattr("probe.commands.train.LOG_EVERY", 5)

    def stop(text: str, step: int, steps: int) -> None:
        raise KeyboardInterrupt

    configs = {name: replace(TOY, out=str(tmp_path / f"{name}.pt"), threads=2) for name in ("two", "again", "stopped")}
    configs["one"] = replace(TOY, out=str(tmp_path / "one.pt"), threads=1)
    with pytest.raises(KeyboardInterrupt):
        probe.train(configs["stopped"], report=stop)
    configs["stopped"] = TrainConfig(out=configs["stopped"].out, resume=True)
    found, losses = {}, {}
    for name, config in configs.items():
        losses[name] = probe.train(config).table["loss"].to_numpy()
        found[name] = weights(config.out)
    for name, weight in found["two"].items():
        assert torch.equal(weight, found["again"][name])
        assert torch.equal(weight, found["stopped"][name])
    np.testing.assert_allclose(losses["two"], losses["one"], rtol=1e-3)


@pytest.mark.parametrize(
    ("change", "settings", "count"),
    [
        ({}, RunSettings("cpu", threads=2), 2),
        ({}, RunSettings("cpu", threads=16), 4),
        ({}, RunSettings("cpu", threads=2, processes=2), 2),
        ({}, RunSettings("cpu", threads=2, processes=4), 1),
        ({}, RunSettings("cpu", threads=1), 1),
        ({}, RunSettings("cuda", threads=2), 1),
        ({}, RunSettings("cpu", threads=2, compile=True), 1),
        ({"dropout": 0.1}, RunSettings("cpu", threads=2), 1),
        ({"batch": 15}, RunSettings("cpu", threads=2), 1),
    ],
)
def test_a_part_a_thread_is_taken_where_that_leaves_prompts_enough(
    change: dict, settings: RunSettings, count: int
) -> None:
    """Of the 32 prompts of a batch, or of a process's share of them; not on a GPU, compiled or with dropout."""
    before = torch.get_num_threads()
    with in_parts(make_plan(replace(TOY, out="unused.pt", **change)), settings) as parts:
        assert parts.count == count
        assert (parts.pool is None) == (count == 1)
    assert torch.get_num_threads() == before


def test_what_a_part_raises_ends_the_step_before_any_weight_moves() -> None:
    plan = make_plan(replace(TOY, out="unused.pt"))
    run = begun(plan)
    before = [parameter.clone() for parameter in run.model.parameters()]
    whole = run.forward

    def failing(inputs: Tensor) -> Tensor:
        if len(inputs) < 32:
            raise RuntimeError("no memory is left")
        return whole(inputs)

    run.forward = failing
    with workers(2) as pool, pytest.raises(RuntimeError, match="no memory"):
        take_step(run, plan, make(plan.task, plan.dim), Parts(2, pool))
    assert run.whole
    assert run.step == 0
    assert all(torch.equal(mine, kept) for mine, kept in zip(run.model.parameters(), before, strict=True))
