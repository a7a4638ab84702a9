"""A training is what a plain loop does: its weights, its rates, its batches, its log and its final errors."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import probe
from probe import checkpoints
from probe.config import TrainConfig
from probe.models import ResidualModel
from probe.randomness import BatchSource, PromptSource, key
from probe.tasks import make
from probe.training.plan import make_plan

TOY = TrainConfig(
    out="", task="linear", layout="M1", dim=2, width=8, context=3, batch=16, steps=12, warmup=4, lr=1e-2, seed=3,
    curriculum=False, schedule="cosine", clip=0.0,
)  # fmt: skip


def by_hand(config: TrainConfig) -> tuple[dict[str, torch.Tensor], float, float]:
    """Returns the weights of a plain loop, its mean loss, and the error of the last query over all its batches."""
    steps, warmup, rate, clip = (config.steps or 0, config.warmup or 0, config.lr or 0.0, config.clip or 0.0)
    torch.manual_seed(key(config.seed, "weights") % 2**63)
    model, task = ResidualModel(make_plan(config).model), make("linear", 2)
    optimiser = torch.optim.Adam(model.parameters(), fused=True)
    losses, cost, guess = [], 0.0, 0.0
    for step in range(steps):
        prompts = task.draw(BatchSource(config.seed, step, 16), 3)
        outputs = model(prompts.inputs)
        loss = (outputs[:, ::2] - prompts.targets).square().mean()
        optimiser.zero_grad()
        loss.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        falling = 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))
        optimiser.param_groups[0]["lr"] = rate * ((step + 1) / warmup if step < warmup else falling)
        optimiser.step()
        losses.append(loss.item())
        cost += (outputs[:, -1] - prompts.targets[:, -1]).square().sum().item()
        guess += prompts.targets[:, -1].square().sum().item()
    return model.state_dict(), sum(losses) / steps, cost / guess


@pytest.mark.parametrize("clip", [0.0, 0.05])
def test_weights_and_log_are_those_of_a_plain_loop(tmp_path: Path, clip: float) -> None:
    config = replace(TOY, out=str(tmp_path / "a.pt"), clip=clip)
    record = probe.train(config)
    weights, loss, error = by_hand(config)
    for name, trained in checkpoints.load(config.out).model.state_dict().items():
        torch.testing.assert_close(trained, weights[name], rtol=1e-5, atol=1e-7)
    assert record.table["step"].tolist() == [12]
    assert record.table["loss"].tolist() == pytest.approx([loss], rel=1e-5)
    assert record.table["error"].tolist() == pytest.approx([error], rel=1e-5)
    assert record.table["rate"].tolist() == pytest.approx([1e-2 * 0.5 * (1 + math.cos(math.pi * 7 / 8))])


def test_the_clip_is_felt_and_so_is_its_absence(tmp_path: Path) -> None:
    (free, *_), (clipped, *_) = by_hand(TOY), by_hand(replace(TOY, clip=0.05))
    assert not torch.allclose(free["read_in.weight"], clipped["read_in.weight"], rtol=1e-3)


def test_final_errors_are_of_the_score_prompts_with_nothing_dropped(tmp_path: Path) -> None:
    config = replace(TOY, out=str(tmp_path / "a.pt"), layout="M1AF", dropout=0.4)
    record = probe.train(config)
    prompts = make("linear", 2).draw(PromptSource(3, "score", range(4096)), 3)
    with torch.no_grad():
        answers = checkpoints.load(config.out).model.eval()(prompts.inputs)[:, ::2]
    errors = (answers - prompts.targets).square().sum((0, 2)) / prompts.targets.square().sum((0, 2))
    assert record.provenance["errors"] == pytest.approx(errors.tolist(), rel=1e-5)
    assert record.provenance["contexts"] == [0, 1, 2, 3]


def test_a_curriculum_ends_at_what_was_asked_for() -> None:
    plan = make_plan(TrainConfig(out="x", task="skewed_linear", arch="mamba", preset="grazzi"))
    assert plan.stage(100_000) == plan.stage(500_000) == (20, 40)
    short = make_plan(TrainConfig(out="x", task="linear", arch="mamba", preset="grazzi", dim=7, context=12))
    assert short.stage(500_000) == (7, 12)
