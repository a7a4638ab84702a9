"""Claims: the unit of a band over seeds is the trained model, and it covers as often as it says."""

import numpy as np
import pytest

from probe.statistics import seed_band, welch_band


def test_the_mean_is_over_seeds_and_the_band_holds_it():
    errors = np.random.default_rng(0).lognormal(size=(12, 3))
    mean, low, high = seed_band(errors)
    np.testing.assert_allclose(mean, errors.mean(0))
    assert (low < mean).all()
    assert (mean < high).all()


def test_the_band_covers_about_as_often_as_it_says():
    """Percentile bands of few units are a little too narrow: 90 % or so of the time instead of 95 %."""
    draws = np.random.default_rng(1).normal(size=(20, 2000))
    _, low, high = seed_band(draws)
    assert 0.90 < ((low < 0) & (high > 0)).mean() < 0.97


def test_few_seeds_have_no_band():
    with pytest.raises(AssertionError, match="few seeds"):
        seed_band(np.ones((9, 2)))


def test_the_difference_of_two_means_has_the_band_of_welchs_test():
    from scipy.stats import ttest_ind

    random = np.random.default_rng(2)
    first, second = random.normal(size=(3, 4)), 2 + 3 * random.normal(size=(5, 4))
    band = welch_band(first, second, 0.9)
    expected = ttest_ind(first, second, equal_var=False).confidence_interval(0.9)
    np.testing.assert_allclose(band.value, first.mean(0) - second.mean(0))
    np.testing.assert_allclose(band.low, expected.low)
    np.testing.assert_allclose(band.high, expected.high)


def test_seeds_that_agree_to_the_bit_have_a_band_without_width():
    band = welch_band(np.ones((3, 2)), np.zeros((3, 2)))
    assert band.low.tolist() == band.value.tolist() == band.high.tolist() == [1, 1]
