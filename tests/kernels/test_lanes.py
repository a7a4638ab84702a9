"""Claims: functions on lanes are as close to the exact ones as those on single numbers, and lanes stay apart."""

import numba
import numpy as np
import pytest

from probe.kernels.lanes import (
    LANES,
    buffer,
    exp2,
    fma,
    load,
    sigmoid,
    softplus,
    spread_from,
    store,
    total,
    totals,
    turn,
    turn_back,
    turn_half,
    turn_half_back,
)


def on_lanes(function):
    """The function over a flat array, a whole number of lanes long."""

    @numba.njit
    def loop(x, out):
        for start in range(0, len(x), LANES):
            store(out, start, function(load(x, start)))

    def call(x):
        padded = np.zeros(-(-len(x) // LANES) * LANES, np.float32)
        padded[: len(x)] = x
        out = np.empty_like(padded)
        loop(padded, out)
        return out[: len(x)]

    return call


FUNCTIONS = {function.__name__: on_lanes(function) for function in (exp2, sigmoid, softplus)}
EXACT = {"exp2": np.exp2, "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "softplus": lambda x: np.logaddexp(0, x)}


def grid(low, high):
    """Half a million numbers between the ends, evenly spaced, and as many close to zero."""
    small = np.geomspace(1e-30, 1, 250_000)
    return np.concatenate([np.linspace(low, high, 500_001), small, -small]).astype(np.float32)


def relative_error(name, x):
    with np.errstate(over="ignore"):
        return np.abs(FUNCTIONS[name](x).astype(np.float64) / EXACT[name](x.astype(np.float64)) - 1)


def test_exp2_is_within_1e_7_over_its_whole_range_and_exact_at_whole_numbers():
    assert relative_error("exp2", grid(-126, 127)).max() < 1e-7
    assert not relative_error("exp2", np.arange(-126, 128, dtype=np.float32)).any()


@pytest.mark.parametrize("name", ["sigmoid", "softplus"])
def test_sigmoid_and_softplus_lose_digits_only_where_they_are_tiny(name):
    x = grid(-87, 1000)
    assert (relative_error(name, x) < 3e-7 + 8e-8 * np.maximum(-x, 0)).all()


def test_results_stop_at_the_ends_of_the_normal_numbers():
    low, high = np.array([-126.5, -1e30, -np.inf], np.float32), np.array([100, 1e30, np.inf], np.float32)
    assert FUNCTIONS["exp2"](low).tolist() == [2.0**-126] * 3
    assert FUNCTIONS["sigmoid"](high).tolist() == [1, 1, 1]
    assert FUNCTIONS["softplus"](high).tolist() == high.tolist()
    for name in ("sigmoid", "softplus"):
        assert ((FUNCTIONS[name](low) >= 0) & (FUNCTIONS[name](low) < 2e-38)).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nan_stays_nan_in_its_own_lane_whatever_its_sign_and_payload(name):
    values = np.ones(LANES, np.float32)
    values[:3] = np.array([0x7FC00000, 0xFFC00000, 0x7FC00001], np.uint32).view(np.float32)
    assert np.isnan(FUNCTIONS[name](values)).tolist() == [True] * 3 + [False] * (LANES - 3)


def test_arithmetic_is_that_of_single_numbers():
    """Sums, differences, products and quotients lane by lane, one number in all lanes, and the sum of the lanes."""

    @numba.njit
    def arithmetic(a, b, out):
        x, y, one = load(a, 0), load(b, 0), spread_from(a, 1)
        store(out, 0, x + y)
        store(out, LANES, x - y)
        store(out, 2 * LANES, x * y)
        store(out, 3 * LANES, x / y)
        store(out, 4 * LANES, fma(x, y, one))
        return total(x)

    generator = np.random.default_rng(0)
    a, b = generator.integers(-8, 9, (2, LANES)).astype(np.float32)
    b[b == 0] = 1
    out = np.empty(5 * LANES, np.float32)
    assert arithmetic(a, b, out) == a.sum()
    np.testing.assert_array_equal(out, np.concatenate([a + b, a - b, a * b, a / b, a * b + a[1]]))


def test_a_buffer_starts_a_line_of_the_cache():
    for size in (LANES, 5 * LANES, 1000 * LANES):
        made = buffer(size)
        assert len(made) == size
        assert made.ctypes.data % (4 * LANES) == 0


def test_totals_are_the_sums_of_sixteen_lanes_in_their_order():
    @numba.njit
    def sums(x, out):
        store(out, 0, totals(x, LANES))

    rows = np.arange((LANES + 1) * LANES, dtype=np.float32)
    found = np.empty(LANES, np.float32)
    sums(rows, found)
    np.testing.assert_array_equal(found, rows.reshape(-1, LANES)[1:].sum(axis=1))


@pytest.mark.parametrize(("there", "back", "count"), [(turn, turn_back, LANES), (turn_half, turn_half_back, 8)])
def test_turning_takes_a_number_of_every_place_side_by_side_and_turning_back_undoes_it(there, back, count):
    @numba.njit
    def there_and_back(x, places, shift, turned, returned):
        there(x, places, shift, turned, LANES)
        back(turned, LANES, returned, places, shift)

    generator = np.random.default_rng(0)
    numbers = generator.normal(size=600).astype(np.float32)
    places = generator.permutation(LANES) * LANES + 3
    turned, returned = np.zeros((LANES + 1) * LANES, np.float32), np.zeros(600, np.float32)
    there_and_back(numbers, places, 5, turned, returned)
    taken = places[:, None] + 5 + np.arange(count)
    np.testing.assert_array_equal(turned[LANES:][: count * LANES].reshape(count, LANES), numbers[taken].T)
    assert not turned[(count + 1) * LANES :].any()
    np.testing.assert_array_equal(returned[taken], numbers[taken])
    assert np.count_nonzero(returned) == count * LANES
