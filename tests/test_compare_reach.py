"""Claims: a depth is where an error is first reached, and over seeds it is logarithms that are averaged."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from probe.compare import _errors_at, _reached, _welch_rows, depths_of
from probe.config import FitConfig
from probe.fit import prepare
from probe.statistics import LayerErrors


@dataclass
class Depths:
    """What `_reached` and `_errors_at` ask of a measured model."""

    depths: list[float]
    errors: LayerErrors


@pytest.fixture
def measured() -> Depths:
    errors = LayerErrors("y", [0, 1, 2, 3], 3, [1, 2], seed=0)
    curve = torch.tensor([[8.0, 1.0], [4.0, 0.4], [2.0, 0.6], [1.0, 0.3]], dtype=torch.float64)
    errors.add([0], curve[:, None], torch.ones(1, 2), torch.ones(1, 2, dtype=torch.bool))
    return Depths([0.0, 1 / 3, 2 / 3, 1.0], errors)


def test_an_error_is_reached_where_it_first_is(measured: Depths) -> None:
    """Though a later layer rises above it again."""
    curve = measured.errors.ratio.estimate()[None, :, -1]
    assert _reached(measured, curve, 0.5).tolist() == [1 / 3]  # type: ignore[arg-type]
    assert _reached(measured, curve, 0.4).tolist() == [1 / 3]  # type: ignore[arg-type]
    assert _reached(measured, curve, 0.3).tolist() == [1.0]  # type: ignore[arg-type]


def test_errors_at_depths_are_those_of_the_last_context(measured: Depths) -> None:
    assert _errors_at(measured, [0.0, 0.5, 1.0]) == pytest.approx([1.0, 0.4, 0.3])  # type: ignore[arg-type]


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
    subject = prepare(FitConfig(ckpt=(str(toys / "t.pt"),), task="linear", prompts=64, score=64))[0]
    model = subject.checkpoint.model
    parameters, flops = model.cumulative_parameters(), model.cumulative_flops(9)
    assert depths_of(subject, "blocks") == [0, 0.5, 1]
    assert depths_of(subject, "parameters") == pytest.approx([each / parameters[-1] for each in parameters])
    assert depths_of(subject, "flops") == pytest.approx([each / flops[-1] for each in flops])
    assert abs(depths_of(subject, "parameters")[1] - depths_of(subject, "flops")[1]) > 1e-3
