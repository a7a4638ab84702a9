"""Claims: R2 is about zero, its kin are in units of what was predicted, and what stands still has none."""

import pytest
import torch

from probe.evidence.causes.shifts import Shifts


def gathered(actual, predicted, target=1.0):
    actual, predicted = torch.tensor(actual).double(), torch.tensor(predicted).double()
    shifts = Shifts(len(actual), seed=0)
    shifts.add(range(actual.shape[1]), actual, predicted, torch.full((actual.shape[1],), target, dtype=torch.float64))
    return shifts


def test_numbers_by_hand():
    shifts = gathered([[1.0, -2.0], [2.0, 2.0], [0.0, 0.0]], [[1.0, -1.0], [2.0, 2.0], [3.0, -3.0]])
    assert shifts.r2().value[:2].tolist() == [1 - 1 / 5, 1.0]
    assert shifts.r2().value[2].isnan()
    assert shifts.reached().value.tolist() == [1 - 1 / 2, 1.0, 0.0]
    assert shifts.kept().value.tolist() == [1 - 5 / 2, 0.0, 1.0]
    assert shifts.slope().value.tolist() == [1.5, 1.0, 0.0]
    torch.testing.assert_close(shifts.size().value, torch.tensor([2.5, 1.0, 0.0], dtype=torch.float64).sqrt())


def test_bands_hold_their_estimate_and_are_the_right_way_round():
    generator = torch.Generator().manual_seed(0)
    predicted = torch.randn(1, 64, generator=generator, dtype=torch.float64)
    actual = 0.5 * predicted + 0.3 * torch.randn(1, 64, generator=generator, dtype=torch.float64)
    shifts = gathered(actual.tolist(), predicted.tolist())
    for band in (shifts.r2(), shifts.reached(), shifts.kept(), shifts.slope(), shifts.size()):
        assert band.low[0] < band.value[0] < band.high[0]


def test_a_shift_of_rounding_has_no_r2_and_a_prediction_of_rounding_no_slope():
    still = gathered([[1e-5, 1e-5]], [[1.0, 1.0]])
    assert still.r2().value.isnan().all()
    assert still.slope().value.item() == pytest.approx(1e-5)
    assert not gathered([[1e-5, 1e-5]], [[1.0, 1.0]], target=1e-3).r2().value.isnan().any()
    unforeseen = gathered([[1.0, 1.0]], [[1e-5, 1e-5]])
    assert all(one.value.isnan().all() for one in (unforeseen.slope(), unforeseen.size(), unforeseen.reached()))
    assert not unforeseen.r2().value.isnan().any()
