"""Claims: no feature's unit matters; extremes of size, rank and type are solved or get a sentence that says where."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression, Ridge, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from probe.errors import ProbeError
from probe.heads import Moments, PrecisionWarning, SelectionErrors, fold_errors, solve_path
from probe.heads.estimator import StreamingRidge

WIDTH, ROWS = 32, 1000
ALPHAS = [0.1, 1.0, 10.0]


def linear(scale=1.0, noise=1e-3, seed=0):
    """Returns rows whose features are in units `scale`, and a target that needs every feature alike."""
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(2 * ROWS, WIDTH))
    y = X @ np.random.default_rng(99).normal(size=WIDTH)
    return X * scale, y + noise * y.std() * generator.normal(size=len(y))


def missed(model, X, y):
    """Returns the share of the variance of fresh rows that a model fitted on the first half does not explain."""
    return 1 - model.fit(X[:ROWS], y[:ROWS]).score(X[ROWS:], y[ROWS:])


def one_in_another_unit(factor):
    return np.where(np.arange(WIDTH) == 7, factor, 1.0)


def conditioned(condition, seed=0):
    """Returns rows of a condition number, and a target that needs every direction of them alike."""
    generator = np.random.default_rng(seed)
    left = np.linalg.qr(generator.normal(size=(2 * ROWS, WIDTH)))[0]
    right = np.linalg.qr(generator.normal(size=(WIDTH, WIDTH)))[0]
    return left * np.logspace(0, -np.log10(condition), WIDTH) @ right.T, left.sum(1)


def gather(stream, target, counted=None):
    moments = Moments((stream.shape[0], stream.shape[2]), stream.shape[-1], target.shape[-1])
    moments.update(stream, target, counted)
    return moments


def drawn(prompts=200, width=6, contexts=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    stream = torch.randn(2, prompts, contexts, width, generator=generator, dtype=torch.float64)
    return stream, stream[1, ..., :1] - 2 * stream[1, ..., 1:2] + 0.5


@pytest.mark.parametrize("factor", [1e-12, 1e-3, 1e5, 1e6, 1e7, 1e8, 1e12])
def test_one_feature_in_another_unit_changes_no_prediction(factor):
    plain, wide = StreamingRidge(), StreamingRidge()
    X, y = linear()
    usual = missed(plain, X, y)
    assert missed(wide, X * one_in_another_unit(factor), y) == pytest.approx(usual, rel=1e-6)
    assert usual < 2e-6
    assert wide.alpha_ == plain.alpha_
    np.testing.assert_allclose(wide.coef_ * one_in_another_unit(factor), plain.coef_, rtol=1e-7)


@pytest.mark.parametrize("factor", [1.0, 1e5, 1e8])
@pytest.mark.parametrize("settings", [{"alphas": ALPHAS}, {"alpha": 0.1}, {"alpha": 0.0}])
def test_given_penalties_keep_their_digits_beside_a_huge_feature(factor, settings):
    """scikit-learn's own RidgeCV loses some: what a well-scaled problem of the same solution gives is the measure."""
    X, y = linear()
    theirs = missed(RidgeCV(ALPHAS), X, y)
    assert missed(StreamingRidge(**settings), X * one_in_another_unit(factor), y) == pytest.approx(theirs, rel=0.02)


def test_features_over_eight_decades_are_all_used():
    scale = np.logspace(0, -8, WIDTH)
    X, y = linear(scale)
    assert missed(StreamingRidge(), X, y) == pytest.approx(missed(StreamingRidge(), X / scale, y), rel=1e-6)
    assert missed(StreamingRidge(alpha=0.0), X, y) == pytest.approx(missed(LinearRegression(), X / scale, y), rel=1e-6)


def test_a_penalty_in_the_features_own_units_is_scikit_learns_in_any_of_them():
    X, y = linear(np.logspace(3, -3, WIDTH))
    ours, theirs = StreamingRidge(alpha=1e-3).fit(X, y), Ridge(alpha=1e-3, solver="svd").fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-6)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-6, atol=1e-9)


def test_the_grid_is_that_of_a_standard_scaler_before_ridge():
    X, y = linear(np.logspace(2, -2, WIDTH), noise=3.0)
    ours = StreamingRidge().fit(X, y)
    theirs = make_pipeline(StandardScaler(), Ridge(alpha=ours.alpha_, solver="svd")).fit(X, y)
    assert ours.alpha_ > 1
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("absolute", [True, False])
def test_halves_in_other_units_merge_to_one_pass(absolute):
    """The scale is that of all prompts: a half in which a feature hardly varies has no say of its own."""
    stream, target = drawn()
    stream[:, :100, :, 2] *= 1e-6
    stream[..., 3] *= 1e7
    whole = gather(stream, target)
    merged = gather(stream[:, :100], target[:100]).merge(gather(stream[:, 100:], target[100:]))
    for one, other in zip(*(solve_path(each, absolute=absolute).coefficients for each in (whole, merged)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("condition", [1e7, 1e8, 1e12])
@pytest.mark.parametrize("settings", [{"alpha": 0.0}, {"alphas": [0.0, 1e-30]}, {"alpha": 1e-17}, {}])
def test_features_too_near_to_dependence_are_said_to_be(condition, settings):
    X, y = conditioned(condition)
    with pytest.warns(PrecisionWarning, match=r"solver that works on them"):
        StreamingRidge(**settings).fit(X[:ROWS], y[:ROWS])


@pytest.mark.parametrize("settings", [{"alpha": 0.0}, {"alphas": [0.0, 1e-30]}])
def test_up_to_a_condition_of_a_million_nothing_is_said_and_three_digits_are_right(settings):
    X, y = conditioned(1e6)
    model = StreamingRidge(**settings).fit(X[:ROWS], y[:ROWS])
    assert np.linalg.norm(model.predict(X[ROWS:]) - y[ROWS:]) < 1e-3 * np.linalg.norm(y[ROWS:])


def test_the_warning_names_layer_penalty_and_condition():
    stream, target = drawn()
    stream[1, ..., 5] = stream[1, ..., 4] + 1e-9 * stream[1, ..., 5]
    heads = torch.zeros(2, 2, dtype=torch.long)
    for absolute in (True, False):
        path = solve_path(gather(stream, target), [0.0, 1e-3], absolute=absolute)
        with pytest.warns(PrecisionWarning, match=r"layer 1 are .* at penalty 0 their condition number is \d\.\de\+07"):
            path.choose(heads)
        path.choose(heads + 1)


def test_duplicated_features_share_their_weight_and_without_a_penalty_are_named():
    X, y = linear(noise=0.0)
    with pytest.warns(PrecisionWarning, match="dependent"):
        both = StreamingRidge(alpha=0.0).fit(np.hstack([X, X[:, :1]]), y)
    theirs = LinearRegression().fit(np.hstack([X, X[:, :1]]), y)
    np.testing.assert_allclose(both.coef_, theirs.coef_, rtol=1e-7)
    assert both.coef_[0] == pytest.approx(both.coef_[-1])
    assert missed(StreamingRidge(), np.hstack([X, X[:, :1]]), y) < 1e-9


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("rows", [1, 2, 9])
def test_fewer_rows_than_features_get_the_least_norm_without_a_word(rows, intercept):
    X, y = linear(np.logspace(0, 2, WIDTH))
    ours = StreamingRidge(alpha=0.0, fit_intercept=intercept).fit(X[:rows], y[:rows])
    theirs = LinearRegression(fit_intercept=intercept).fit(X[:rows], y[:rows])
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(ours.predict(X[:rows]), y[:rows], rtol=1e-7)


def test_one_feature_and_none_that_varies_are_solved():
    X, y = linear()
    assert StreamingRidge(alpha=0.0).fit(X[:, :1], 3 * X[:, 0] + 1).coef_ == pytest.approx([3])
    for settings in ({"alpha": 0.0}, {"alpha": 1.0}, {}):
        still = StreamingRidge(**settings).fit(np.full((50, 3), 0.1), y[:50])
        assert (still.coef_ == 0).all()
        assert still.intercept_ == pytest.approx(y[:50].mean())


@pytest.mark.parametrize("size", [1e160, 1e200, 1e-160, 1e-200])
@pytest.mark.parametrize("absolute", [True, False])
def test_sizes_whose_squares_leave_float64_are_named_and_not_called_nan(size, absolute):
    stream, target = drawn()
    stream[1, ..., 4] *= size
    cut = gather(stream[:, :90], target[:90]), gather(stream[:, 90:], target[90:])
    for moments in (gather(stream, target), cut[0].merge(cut[1])):
        with pytest.raises(ProbeError, match=r"layer 1 has features \(4\) that vary") as caught:
            solve_path(moments, absolute=absolute)
        assert "NaN" not in str(caught.value)
    with pytest.raises(ProbeError, match="targets vary"):
        solve_path(gather(drawn()[0], target * 1e160), absolute=absolute)
    with pytest.raises(ProbeError, match="vary by"):
        StreamingRidge().fit(stream[1, :, 0].numpy(), target[:, 0].numpy())


@pytest.mark.parametrize("size", [1e100, 1e-100])
def test_sizes_whose_squares_float64_holds_are_solved(size):
    stream, target = drawn()
    path = solve_path(gather(stream * size, target), [1e-12])
    torch.testing.assert_close(path.predict_path(stream * size)[0, 1], target, rtol=1e-8, atol=1e-8)


def test_targets_that_are_not_finite_are_named_by_their_place():
    stream, target = drawn()
    target[3, 1] = float("inf")
    with pytest.raises(ProbeError, match="at place 1 of the contexts"):
        solve_path(gather(stream, target))


def test_a_prompt_that_does_not_count_may_hold_nan():
    """Nor need the first of them count: a context's origin is its first prompt that does."""
    stream, target = drawn()
    counted = torch.ones(200, 2, dtype=torch.bool)
    counted[:80, 1] = False
    spoiled = stream.where(counted[None, :, :, None], torch.nan)
    wanted = target.where(counted[..., None], torch.nan)
    moments = Moments((2, 2), 6, 1)
    for start in range(0, 200, 50):
        part = slice(start, start + 50)
        moments.update(spoiled[:, part], wanted[part], counted[part])
    path = solve_path(moments, [1e-12, 1.0])
    alone = solve_path(gather(stream[:, 80:, 1:], target[80:, 1:]), [1e-12, 1.0])
    torch.testing.assert_close(path.coefficients[:, 1:], alone.coefficients, rtol=1e-9, atol=1e-12)
    errors, expected = SelectionErrors(path), SelectionErrors(alone)
    errors.update(spoiled, wanted, counted)
    expected.update(stream[:, 80:, 1:], target[80:, 1:])
    torch.testing.assert_close(errors.errors[..., 1:], expected.errors, rtol=1e-9, atol=1e-9)


def test_a_context_at_which_no_prompt_counts_predicts_nothing_and_one_gives_its_target():
    stream, target = drawn(prompts=20)
    counted = torch.zeros(20, 2, dtype=torch.bool)
    counted[11, 1] = True
    for moments in (gather(stream, target, counted), gather(stream, target, counted).merge(Moments((2, 2), 6, 1))):
        for absolute in (True, False):
            predicted = solve_path(moments, absolute=absolute).predict_path(stream)
            assert (predicted[..., 0, :] == 0).all()
            torch.testing.assert_close(predicted[..., 1, :], target[11, 1].expand(27, 2, 20, 1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_narrow_types_are_taken_for_the_numbers_they_hold(dtype):
    stream, target = drawn()
    narrow, wanted = stream.to(dtype), target.to(dtype)
    heads, exact = (
        solve_path(gather(a, b), [1e-3]).choose(torch.zeros(2, 2, dtype=torch.long))
        for a, b in ((narrow, wanted), (narrow.double(), wanted.double()))
    )
    assert torch.equal(heads.weight, exact.weight)
    assert torch.equal(heads(narrow), exact(narrow.double()))


def test_an_error_below_its_own_rounding_is_not_taken_for_the_best():
    """At 1e-12 the weights of nearly dependent features are huge, and their error from moments is rounding alone."""
    X, y = conditioned(1e8)
    rows = torch.from_numpy(X[None, :, None]), torch.from_numpy(y[:, None, None])
    folds = [gather(rows[0][:, k::5], rows[1][k::5]) for k in range(5)]
    path = solve_path(folds[0], [1e-18, 1e-16, 1e-12])
    size = torch.einsum("w,wp->p", folds[1].xx[0, 0].diagonal(), path.coefficients[0, 0, ..., 0].square())
    assert (path.squared_errors(folds[1])[:, 0, 0] >= 2e-16 * WIDTH * size).all()
    assert (fold_errors(folds, [1e-18, 1e-16, 1e-12]) > 0).all()


def test_what_is_well_conditioned_is_solved_without_a_word():
    X, y = linear(np.logspace(4, -4, WIDTH), noise=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for settings in ({}, {"alpha": 0.0}, {"alpha": 1e-12}, {"alphas": ALPHAS}):
            StreamingRidge(**settings).fit(X, y)


def test_without_a_penalty_what_is_not_determined_gets_the_least_norm():
    """Of standardised features, in whatever units they come: six of which eighteen others are combinations."""
    stream, target = drawn()
    mixing = torch.randn(6, 18, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    wide = torch.cat([stream, stream @ mixing], -1) * torch.logspace(3, -3, 24, dtype=torch.float64)
    with pytest.warns(PrecisionWarning, match="dependent"):
        heads = solve_path(gather(wide, target), [0.0]).choose(torch.zeros(2, 2, dtype=torch.long))
    for layer, context in np.ndindex(2, 2):
        rows, wanted = wide[layer, :, context].numpy(), target[:, context].numpy()
        scale = rows.std(0)
        least = np.linalg.pinv((rows - rows.mean(0)) / scale, rcond=1e-10) @ (wanted - wanted.mean(0))
        np.testing.assert_allclose(heads.weight[layer, context].numpy() * scale[:, None], least, rtol=1e-6, atol=1e-9)
