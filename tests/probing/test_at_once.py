"""Claims: of long prompts no more than a bound of tokens go through a model at once, which changes no number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import probe
from probe import ResidualModel
from probe.capture import hooks
from probe.probing import experiment
from probe.records import Record

SIZES = {"prompts": 96, "score": 40, "batch": 32}


def seen(monkeypatch: pytest.MonkeyPatch, most: int, **settings: object) -> tuple[Record, list[int]]:
    """What was measured with a bound of tokens, and how many tokens went through the model at once."""
    tokens: list[int] = []
    run = hooks.capture

    def noted(model: object, inputs: torch.Tensor, positions: torch.Tensor) -> object:
        tokens.append(inputs.shape[0] * inputs.shape[1])
        return run(model, inputs, positions)  # type: ignore[arg-type]

    monkeypatch.setattr(experiment, "AT_ONCE", most)
    monkeypatch.setattr(experiment, "capture", noted)
    return probe.fit(**SIZES | settings), tokens  # type: ignore[arg-type]


@pytest.mark.parametrize("at", ["x", "-1"])
def test_a_batch_of_long_prompts_goes_in_parts(toys: Path, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    # the toys are trained to 4 examples: prompts of 9 tokens, of which 44 are four prompts
    settings = {"ckpt": toys / "m.pt", "task": "linear", "target": "w", "at": at, "context": "2,4", "head": "linear"}
    whole, many = seen(monkeypatch, 2**16, **settings)
    parts, few = seen(monkeypatch, 44, **settings)
    assert max(few) == 4 * 9 < max(many) == 32 * 9
    numbers = [one.table[["error", "low", "high"]].to_numpy(dtype=float) for one in (whole, parts)]
    assert np.allclose(*numbers, rtol=1e-4)


def test_each_prompts_own_last_token_is_read_in_parts_too(toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((150, 6, 2)).astype(np.float32)
    lengths = rng.integers(1, 7, 150)
    last = inputs[np.arange(150), lengths - 1]
    data = probe.Data(inputs, {"last": last}, mask=np.arange(6) < lengths[:, None], positions="last")
    whole, _ = seen(monkeypatch, 2**16, ckpt=toys / "m.pt", data=data)
    parts, few = seen(monkeypatch, 14, ckpt=toys / "m.pt", data=data)
    assert max(few) == 12
    numbers = [one.table[["error", "r2"]].to_numpy(dtype=float) for one in (whole, parts)]
    assert np.allclose(*numbers, rtol=1e-3, atol=1e-6, equal_nan=True)


def test_a_prompt_longer_than_the_bound_goes_alone(toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, tokens = seen(monkeypatch, 5, ckpt=toys / "m.pt", task="linear")
    assert set(tokens) == {9}


def test_evaluate_sends_a_batch_of_long_prompts_in_parts_too(toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ckpt, styles = (str(toys / "m.pt"),), ("standard", "noisy")
    config = probe.EvaluateConfig(ckpt=ckpt, task="linear", prompts=64, batch=32, prompting=styles)
    tokens: list[int] = []
    forward = ResidualModel.forward

    def noted(model: ResidualModel, inputs: torch.Tensor) -> torch.Tensor:
        tokens.append(inputs.shape[0] * inputs.shape[1])
        return forward(model, inputs)

    monkeypatch.setattr(ResidualModel, "forward", noted)
    whole = probe.evaluate(config).table
    many, tokens[:] = max(tokens), []
    monkeypatch.setattr(experiment, "AT_ONCE", 44)
    parts = probe.evaluate(config).table
    assert max(tokens) <= 44 < many
    assert np.allclose(whole["error"], parts["error"], rtol=1e-4, equal_nan=True)
