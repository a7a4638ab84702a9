"""Claims: never is later than any depth, in every resample; a band ends at depths that were drawn."""

from math import inf, isnan

import pytest
import torch

from probe.statistics import reach, reached


def draws(estimate: float, *shares: tuple[float, int]) -> torch.Tensor:
    return torch.tensor([estimate, *(depth for depth, many in shares for _ in range(many))], dtype=torch.float64)


def test_the_first_layer_at_most_at_a_threshold_counts_and_without_one_it_is_never():
    errors = torch.tensor([[1.0, 0.5, 0.1, 0.2], [1.0, 0.9, 0.8, 0.7]], dtype=torch.float64)
    assert reached(errors, [0.0, 0.3, 0.6, 1.0], 0.1).tolist() == [0.6, inf]
    assert reached(errors, [0.0, 0.3, 0.6, 1.0], 0.7).tolist() == [0.3, 1.0]


def test_a_curve_that_sometimes_never_reaches_an_error_is_later_in_those_resamples():
    found = reach(draws(0.4, (0.4, 1000)), draws(1.0, (1.0, 600), (inf, 400)))
    assert (found.low, found.high) == (-inf, pytest.approx(-0.6))
    assert (found.sooner, found.later, found.second_never) == (1.0, 0.0, 0.4)


def test_few_resamples_without_the_error_leave_the_ends_of_the_band_at_depths():
    found = reach(draws(0.4, (0.4, 1000)), draws(1.0, (1.0, 990), (inf, 10)))
    assert (found.low, found.high) == (pytest.approx(-0.6), pytest.approx(-0.6))
    assert found.second_never == 0.01


def test_two_curves_that_never_reach_it_are_as_late_as_one_another():
    found = reach(draws(inf, (inf, 500), (1.0, 500)), draws(inf, (inf, 1000)))
    assert isnan(found.difference)
    assert (found.sooner, found.later) == (0.5, 0.0)
    assert (found.low, found.high) == (-inf, 0.0)
