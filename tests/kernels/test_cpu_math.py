"""Claims: how far the polynomials are from the functions, over every number that a kernel may give them."""

import numba
import numpy as np
import pytest

from probe.kernels.cpu_math import FASTMATH, exp2, sigmoid, softplus


def vectorised(function):
    """The function in a loop like the kernels' own."""

    @numba.njit(fastmath=FASTMATH, error_model="numpy")
    def loop(x, out):
        for i in range(len(x)):
            out[i] = function(x[i])

    def call(x):
        out = np.empty_like(x)
        loop(x, out)
        return out

    return call


FUNCTIONS = {function.__name__: vectorised(function) for function in (exp2, sigmoid, softplus)}


def call(name, *values):
    return FUNCTIONS[name](np.array(values, np.float32)).tolist()


def relative_error(name, x, exact):
    return np.abs(FUNCTIONS[name](x).astype(np.float64) / exact(x.astype(np.float64)) - 1)


def grid(low, high):
    """Half a million numbers between the ends, evenly spaced, and as many close to zero."""
    even = np.linspace(low, high, 500_001)
    small = np.geomspace(1e-30, 1, 250_000)
    return np.concatenate([even, small[small <= high], -small[-small >= low]]).astype(np.float32)


def test_exp2_is_within_1e_7_over_its_whole_range():
    assert relative_error("exp2", grid(-126, 127), np.exp2).max() < 1e-7


def test_exp2_is_exact_at_whole_numbers():
    whole = np.arange(-126, 128, dtype=np.float32)
    assert (FUNCTIONS["exp2"](whole).astype(np.float64) == np.exp2(whole.astype(np.float64))).all()


@pytest.mark.parametrize(
    ("name", "exact"), [("sigmoid", lambda x: 1 / (1 + np.exp(-x))), ("softplus", lambda x: np.logaddexp(0, x))]
)
def test_sigmoid_and_softplus_lose_digits_only_where_they_are_tiny(name, exact):
    """3e-7, and 8e-8 |x| more where x is negative: the exponent x log2(e) is itself rounded to 24 bits."""
    x = grid(-87, 1000)
    with np.errstate(over="ignore"):
        error = relative_error(name, x, exact)
    assert (error < 3e-7 + 8e-8 * np.maximum(-x, 0)).all()
    assert error.max() < 4e-6


def test_results_stop_at_the_ends_of_the_normal_numbers():
    """Below -126 exp2 stays at 2^-126, above 127 at 2^127; sigmoid and softplus end within 2e-38 of zero."""
    assert call("exp2", -126.5, -1e30, -np.inf) == [2.0**-126] * 3
    assert call("exp2", 127.4, 1e30, np.inf) == [2.0**127] * 3
    for name in ("sigmoid", "softplus"):
        assert all(0 <= value < 2e-38 for value in call(name, -88, -1e30, -np.inf))
    assert call("sigmoid", 100, 1e30, np.inf) == [1, 1, 1]
    assert call("softplus", 100, np.inf) == [100, np.inf]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nan_stays_nan(name):
    """Also in the middle of a vector, and only there."""
    values = call(name, *([1.0] * 9 + [np.nan] + [1.0] * 9))
    assert np.isnan(values).tolist() == [False] * 9 + [True] + [False] * 9
