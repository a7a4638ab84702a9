"""Claims: a depth is where an error is first reached, and over seeds it is logarithms that are averaged."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import probe
from probe import checkpoints
from probe.commands.compare import _welch_rows, depths_of
from probe.config import CompareConfig, FitConfig
from probe.models.controls import planted_model
from probe.probing.prepare import prepare
from probe.probing.verdicts import verdicts


def test_an_error_is_reached_at_the_first_layer_whose_error_is_as_small(tmp_path: Path) -> None:
    """Of planted gradient descent, which goes on to smaller ones, and of a solver in one block."""
    for algorithm in ("gradient", "solve"):
        about = {"task": "linear", "arch": algorithm, "dim": 3, "context": 10, "seed": 0, "step": 0, "command": ""}
        checkpoints.save(tmp_path / f"{algorithm}.pt", planted_model(algorithm, 3, 6), about)
    ckpt = tuple(str(tmp_path / f"{algorithm}.pt") for algorithm in ("gradient", "solve"))
    table = probe.compare(CompareConfig(ckpt=ckpt, task="linear", prompts=128, score=64)).table
    fitted = probe.fit(FitConfig(ckpt=ckpt, task="linear", head=("linear",), context="10", prompts=128, score=64)).table
    heads = fitted[fitted["head"] == "linear"]
    reached = 0
    for row in table[table["quantity"] == "reach"].itertuples():
        for model, depth in (("gradient", row.depth), ("solve", row.other_depth)):
            small = heads[(heads["model"] == model) & (heads["error"] <= row.threshold)]
            assert np.isnan(depth) if small.empty else depth == pytest.approx(small["depth"].min())
            reached += not small.empty and small["depth"].min() < 1
    assert reached >= 3


def test_errors_at_depths_are_those_of_the_last_layer_no_deeper(toys: Path) -> None:
    """At the largest context; of two checkpoints with blocks at other shares of their parameters."""
    config = CompareConfig(
        ckpt=(str(toys / "m.pt"), str(toys / "t.pt")), task="linear", prompts=64, score=64, depth="parameters"
    )
    record = probe.compare(config)
    layers = record.table[record.table["quantity"] == "layer"]
    for model, error, layer in (("m", "error", "layer"), ("t", "other_error", "other_layer")):
        about = record.provenance["models"][model]
        for row in layers.to_dict("records"):
            place = max(i for i, depth in enumerate(about["depths"]) if i == 0 or depth <= row["depth"] + 1e-9)
            assert row[layer] == place
            assert row[error] == pytest.approx(about["errors"][place])


def test_sides_of_seeds_have_geometric_means() -> None:
    a, b = [[0.1], [0.4], [0.2]], [[1.0], [4.0], [2.0]]
    (row,) = _welch_rows("own", a, b)
    assert row["error"] == pytest.approx(0.2)
    assert row["other_error"] == pytest.approx(2.0)
    assert row["ratio"] == pytest.approx(0.1)
    half = np.log(row["high"] / 0.1)
    # Welch's t of two sides of three with equal variances: four degrees of freedom
    spread = np.log([0.1, 0.4, 0.2]).std(ddof=1) * np.sqrt(2 / 3)
    assert half == pytest.approx(2.776445 * spread, rel=1e-5)


def test_depths_are_shares_of_what_their_axis_says(toys: Path) -> None:
    """Of a small transformer, whose parameters and FLOPs are not shared alike among its blocks."""
    experiment = prepare(FitConfig(ckpt=(str(toys / "t.pt"),), task="linear", prompts=64, score=64))[0]
    model = experiment.checkpoint.model
    parameters, flops = model.cumulative_parameters(), model.cumulative_flops(9)
    assert depths_of(experiment, "blocks") == [0, 0.5, 1]
    assert depths_of(experiment, "parameters") == pytest.approx([each / parameters[-1] for each in parameters])
    assert depths_of(experiment, "flops") == pytest.approx([each / flops[-1] for each in flops])
    assert abs(depths_of(experiment, "parameters")[1] - depths_of(experiment, "flops")[1]) > 1e-3


def test_errors_are_told_apart_by_the_band_for_all_contexts_at_once() -> None:
    """Not by that of one context, in which some context of many always stands out."""
    row = {
        "model": "a", "other": "b", "band": "prompts", "quantity": "own", "context": 4, "error": 1.5,
        "other_error": 1.0, "ratio": 1.5, "low": 1.2, "high": 1.8, "all_low": 0.9, "all_high": 2.1,
    }  # fmt: skip
    nowhere = (
        row | {"quantity": "reach", "threshold": 0.5} | dict.fromkeys(("depth", "other_depth", "difference"), np.nan)
    )
    told, apart = (verdicts(pd.DataFrame([row | {"all_low": low}, nowhere]))[0] for low in (0.9, 1.1))
    assert "not told apart" in told
    assert "a errs more than b" in apart
