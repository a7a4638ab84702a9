"""Claims: weights belong to prompts, sums stream and merge, and bands cover as often as they say."""

import numpy as np
import pytest
import torch

from probe.statistics import MeanBootstrap, RatioBootstrap, difference, log_ratio, quotient, weights


def draw(prompts, cells, seed=0):
    """Returns skewed numerators and denominators of a ratio whose true value is 1/2."""
    generator = np.random.default_rng(seed)
    below = generator.gamma(2.0, size=(prompts, *cells))
    return torch.from_numpy(below * generator.beta(1, 1, size=below.shape)), torch.from_numpy(below)


def ratio(above, below, start=0, batch=50, resamples=1000, seed=0):
    made = RatioBootstrap(above.shape[1:], resamples, seed)
    for place in range(0, len(above), batch):
        rows = slice(place, place + batch)
        made.update(range(start + place, start + place + len(above[rows])), above[rows], below[rows])
    return made


def test_weights_are_poisson_and_belong_to_the_prompt():
    drawn = weights(0, range(400))
    assert drawn.shape == (1000, 400)
    assert drawn.dtype == torch.float32
    expected = [np.exp(-1), np.exp(-1), np.exp(-1) / 2, np.exp(-1) / 6]
    shares = [(drawn == k).double().mean() for k in range(4)]
    np.testing.assert_allclose(shares, expected, atol=0.003)
    np.testing.assert_allclose([drawn.mean(), drawn.var()], [1, 1], atol=0.01)
    assert abs(torch.corrcoef(drawn.T) - torch.eye(400)).max() < 0.2
    assert torch.equal(weights(0, [7, 399, 7])[:, :2], drawn[:, [7, 399]])
    assert torch.equal(weights(0, [7], resamples=30)[:, 0], drawn[:30, 7])
    assert not torch.equal(weights(1, [7])[:, 0], drawn[:, 7])


def test_changing_weights_in_hand_changes_nothing_later():
    weights(0, [1, 2]).zero_()
    assert weights(0, [1, 2]).sum() > 0


def test_sums_are_the_weighted_sums_whatever_the_batch():
    above, below = draw(120, (2, 3))
    drawn = weights(0, range(120)).double()
    direct = torch.einsum("rb,bij->rij", drawn, above) / torch.einsum("rb,bij->rij", drawn, below)
    for batch in (1, 50, 120):
        made = ratio(above, below, batch=batch)
        torch.testing.assert_close(made.replicates(), direct)
        torch.testing.assert_close(made.estimate(), above.sum(0) / below.sum(0))
    low, high = made.interval(0.9)
    expected = np.quantile(direct.numpy(), [0.05, 0.95], axis=0)
    np.testing.assert_allclose([low.numpy(), high.numpy()], expected)


def test_parts_merged_equal_one_pass():
    above, below = draw(120, (2, 3))
    merged = ratio(above[:45], below[:45]).merge(ratio(above[45:], below[45:], start=45))
    whole = ratio(above, below)
    torch.testing.assert_close(merged.replicates(), whole.replicates())
    assert merged.prompts == 120
    assert (difference(merged, whole).value.abs() < 1e-12).all()


def test_denominators_may_be_shared_by_cells_and_zero_gives_nan():
    above, below = draw(60, (3, 2))
    shared = below[:, :1].clone()
    shared[..., 1] = 0
    made = ratio(above, shared)
    torch.testing.assert_close(made.estimate()[:, 0], above[..., 0].sum(0) / shared[..., 0].sum(0))
    low, high = made.interval()
    assert all(value[:, 1].isnan().all() and value[:, 0].isfinite().all() for value in (made.estimate(), low, high))
    low, high = made.simultaneous()
    assert low[:, 1].isnan().all()
    assert low[:, 0].isfinite().all()


def test_resamples_that_are_undefined_are_passed_over():
    made = ratio(torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [2.0]]))
    low, high = made.interval()
    assert made.replicates().isnan().any()
    assert torch.isfinite(low).all()
    assert low <= made.estimate() <= high


def test_a_scalar_statistic_works():
    above, below = draw(80, ())
    low, high = ratio(above, below).interval()
    assert low.shape == ()
    assert low < 0.5 < high


def test_pointwise_bands_of_a_ratio_cover_95_percent():
    """Cells are independent repetitions: 600 give a standard error of 0.9 % at 95 %."""
    above, below = draw(300, (600,), seed=3)
    low, high = ratio(above, below).interval()
    covered = ((low < 0.5) & (high > 0.5)).double().mean()
    assert 0.92 < covered < 0.975


def test_simultaneous_bands_cover_all_cells_at_once():
    """300 repetitions give a standard error of 1.3 % at 95 %."""
    covered, pointwise = [], []
    for repetition in range(300):
        above, below = draw(150, (20,), seed=repetition)
        made = ratio(above, below, batch=150, resamples=400)
        for kept, (low, high) in ((covered, made.simultaneous()), (pointwise, made.interval())):
            kept.append(bool(((low < 0.5) & (high > 0.5)).all()))
    assert 0.9 < np.mean(covered) < 0.985
    assert np.mean(pointwise) < 0.6


def test_a_mean_has_its_classical_band():
    values = torch.randn(400, 5, generator=torch.Generator().manual_seed(0))
    made = MeanBootstrap((5,))
    made.update(range(400), values)
    torch.testing.assert_close(made.estimate(), values.double().mean(0))
    low, high = made.interval()
    np.testing.assert_allclose(high - low, 2 * 1.96 * values.std(0) / 20, rtol=0.1)
    half = MeanBootstrap((5,))
    half.update(range(100), values[:100])
    rest = MeanBootstrap((5,))
    rest.update(range(100, 400), values[100:])
    torch.testing.assert_close(half.merge(rest).replicates(), made.replicates())


def test_a_paired_difference_is_sharper_than_its_parts():
    above, below = draw(200, (4,))
    a, b = ratio(above, below), ratio(above + 0.01 * below, below)
    band = difference(b, a)
    torch.testing.assert_close(band.value, torch.full((4,), 0.01, dtype=torch.float64))
    torch.testing.assert_close(band.low, band.high)
    noise = draw(200, (4,), seed=9)[0]
    near = ratio(above + 0.05 * noise, below)
    pointwise, together = difference(near, a), difference(near, a, simultaneous=True)
    low, high = a.interval()
    assert (pointwise.high - pointwise.low < 0.3 * (high - low)).all()
    assert (together.high - together.low > pointwise.high - pointwise.low).all()


def test_a_difference_over_other_prompts_is_refused():
    above, below = draw(50, (2,))
    with pytest.raises(AssertionError, match="same prompts"):
        difference(ratio(above, below), ratio(above, below, start=1))


def test_memory_does_not_grow_with_prompts():
    above, below = draw(40, (2,))
    made = ratio(above, below)
    sizes = [value.numel() for value in vars(made).values() if isinstance(value, torch.Tensor)]
    made.update(range(40, 80), above, below)
    assert sizes == [value.numel() for value in vars(made).values() if isinstance(value, torch.Tensor)]


def test_a_quotient_is_of_sums_over_cells_and_paired() -> None:
    generator = torch.Generator().manual_seed(3)
    below = torch.rand(50, 4, generator=generator, dtype=torch.float64)
    a, b = RatioBootstrap((4,)), RatioBootstrap((4,))
    a.update(range(50), below * 0.3, torch.ones(50, 1))
    b.update(range(50), below, torch.ones(50, 1))
    found = quotient(a, b)
    torch.testing.assert_close(torch.stack([found.value, found.low, found.high]), torch.full((3,), 0.3).double())
    empty = RatioBootstrap((4,))
    empty.update(range(50), below * 0, torch.ones(50, 1))
    assert quotient(a, empty).value.isnan()


def test_bands_asked_for_all_cells_at_once_are_those_of_the_largest_deviation():
    """Of differences and of log ratios: the band of max-t by hand, and the pointwise one is another."""
    above, below = draw(200, (6,), seed=1)
    a, b = ratio(above, below), ratio(above.flip(1), below)
    draws = {
        difference: (a.estimate() - b.estimate(), a.replicates() - b.replicates()),
        log_ratio: ((a.estimate() / b.estimate()).log(), (a.replicates() / b.replicates()).log()),
    }
    for made, (value, replicates) in draws.items():
        arguments = (a, b) if made is difference else (a.estimate(), b.estimate(), a.replicates(), b.replicates())
        spread = replicates.std(0)
        critical = ((replicates - value) / spread).abs().amax(1).quantile(0.95)
        band, cell = made(*arguments, simultaneous=True), made(*arguments)
        torch.testing.assert_close(band.value, value)
        torch.testing.assert_close(band.low, value - critical * spread)
        torch.testing.assert_close(band.high, value + critical * spread)
        torch.testing.assert_close(cell.low, replicates.quantile(0.025, 0))
        torch.testing.assert_close(cell.high, replicates.quantile(0.975, 0))
        assert (band.high - band.low > 1.1 * (cell.high - cell.low)).all()
