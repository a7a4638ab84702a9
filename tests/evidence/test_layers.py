"""Claims: curves that a verdict reads have bands for all layers at once; gains too; the settings chosen have rows."""

import torch

from probe.evidence.algorithms import CANDIDATES, GRIDS, at_edge, tuned
from probe.evidence.layers import curve_rows, gain_rows
from probe.statistics import RatioBootstrap


def errors(seed: int, layers: int = 10) -> RatioBootstrap:
    drawn = torch.Generator().manual_seed(seed)
    ratio = RatioBootstrap((layers,))
    ratio.update(range(400), torch.rand(400, layers, generator=drawn).double(), torch.ones(400, 1))
    return ratio


def width(rows) -> torch.Tensor:
    return torch.tensor([row["high"] - row["low"] for row in rows], dtype=torch.float64)


def test_curves_have_bands_for_all_layers_at_once():
    found = errors(0)
    low, high = found.simultaneous()
    rows = list(curve_rows("m", "linear", found))
    assert [row["low"] for row in rows] == low.tolist()
    assert [row["high"] for row in rows] == high.tolist()
    pointwise = found.interval()
    assert (width(rows) > 1.2 * (pointwise[1] - pointwise[0])).all()


def test_gains_over_a_null_have_bands_for_all_layers_at_once():
    null, own = errors(1), errors(2)
    draws = null.replicates() - own.replicates()
    pointwise = draws.quantile(0.975, dim=0) - draws.quantile(0.025, dim=0)
    assert (width(gain_rows("m", "untrained", null, own)) > 1.2 * pointwise).all()


def test_a_tuned_number_is_told_and_warned_of_at_its_grids_ends():
    assert tuned("gd:steps=48,rate=0.1") == {"rate": 0.1}
    assert tuned("gd_plus_plus:steps=48,transform=each,spectrum=own,rate=optimal,gamma=0.003") == {"gamma": 0.003}
    assert tuned("gd:steps=48,rate=optimal") == tuned("newton:steps=48") == {}
    assert at_edge("gd:steps=48,rate=0.1") == at_edge("gd:steps=48,rate=optimal") == ""
    assert "rate 0.8, the largest of 0.05, 0.1, 0.2, 0.4, 0.8" in at_edge("gd:steps=48,rate=0.8")
    assert "gamma 0.001, the smallest" in at_edge("gd_plus_plus:steps=48,rate=optimal,gamma=0.001")


def test_every_grid_is_the_one_that_is_tried():
    for name, (option, grid) in GRIDS.items():
        tried = {number for setting in CANDIDATES[name] for number in tuned(setting).values()}
        assert tried == set(grid), option
