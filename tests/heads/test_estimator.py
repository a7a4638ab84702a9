"""Claims: it is a scikit-learn regressor, it is Ridge, and how the rows come in does not matter."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.utils.estimator_checks import parametrize_with_checks

from probe.heads.estimator import StreamingRidge

ALPHAS = [1e-3, 1.0, 100.0, 1e3, 3e3, 1e4, 1e5, 1e7]


def not_kept(estimator):
    """Rows are dealt to folds as they come, so that a row given twice need not stand in one fold."""
    return {} if estimator.alpha else {"check_sample_weight_equivalence_on_dense_data": not_kept.__doc__}


@parametrize_with_checks(
    [StreamingRidge(), StreamingRidge(alpha=1.0), StreamingRidge(alphas=ALPHAS, random_state=1)],
    expected_failed_checks=not_kept,
)
def test_it_keeps_scikit_learns_contract(estimator, check):
    check(estimator)


@pytest.fixture
def rows():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(200, 40)) @ generator.normal(size=(40, 40)) + 3
    return X, X @ generator.normal(size=(40, 2)) + 60 * generator.normal(size=(200, 2)) - 5


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 100.0])
def test_it_is_ridge(rows, alpha, fit_intercept):
    X, y = rows
    ours = StreamingRidge(alpha=alpha, fit_intercept=fit_intercept).fit(X, y)
    theirs = Ridge(alpha=alpha, fit_intercept=fit_intercept, solver="svd").fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-8, atol=1e-8)
    assert ours.alpha_ == alpha
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y))


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 100.0])
def test_weighted_it_is_ridge_with_the_same_weights(rows, alpha, fit_intercept):
    X, y = rows
    weights = np.random.default_rng(1).exponential(size=len(X))
    weights[::7] = 0
    ours = StreamingRidge(alpha=alpha, fit_intercept=fit_intercept).fit(X, y, sample_weight=weights)
    theirs = Ridge(alpha=alpha, fit_intercept=fit_intercept, solver="svd").fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-8, atol=1e-8)
    assert ours.score(X, y, weights) == pytest.approx(theirs.score(X, y, weights))


@pytest.mark.parametrize("settings", [{"alpha": 1.0}, {"alphas": ALPHAS}, {}])
def test_whole_weights_count_rows_so_often_and_chunks_do_not_matter(rows, settings):
    """With penalties to choose, copies stand in the fold of their row: rows are dealt to folds as they come."""
    X, y = rows
    weights = np.arange(200) % 3
    fitted = StreamingRidge(**settings).fit(X, y, sample_weight=weights)
    parts = StreamingRidge(**settings)
    for start in range(0, 200, 33):
        chunk = slice(start, start + 33)
        parts.partial_fit(X[chunk], y[chunk], sample_weight=weights[chunk])
    np.testing.assert_allclose(parts.coef_, fitted.coef_, rtol=1e-9, atol=1e-9)
    repeated = StreamingRidge(**settings)
    kept = np.flatnonzero(weights)
    for fold in range(5):
        mine = kept[fold::5] if settings != {"alpha": 1.0} else (kept if fold == 0 else kept[:0])
        if len(mine) == 0:
            continue
        copies = np.repeat(mine, weights[mine])
        if not hasattr(repeated, "_moments"):
            repeated.partial_fit(X[kept[:1]], y[kept[:1]], sample_weight=[1])
            repeated._moments = [type(one)((1, 1), 40, 2) for one in repeated._moments]
        x, wanted = torch.tensor(X[copies]), torch.tensor(y[copies])
        repeated._moments[fold].update(x[None, :, None], wanted[:, None])
    repeated._solved = None
    np.testing.assert_allclose(fitted.coef_, repeated.coef_, rtol=1e-7, atol=1e-9)
    assert fitted.alpha_ == pytest.approx(repeated.alpha_)


def test_weights_that_cannot_count_are_refused(rows):
    X, y = rows
    for weights in (-np.ones(200), np.zeros(200)):
        with pytest.raises(ValueError, match=r"(?i)weight.* must"):
            StreamingRidge(alpha=1.0).fit(X, y, sample_weight=weights)
    with pytest.raises(ValueError, match="sample_weight"):
        StreamingRidge(alpha=1.0).fit(X, y, sample_weight=np.ones(3))


def test_one_target_gives_one_row(rows):
    X, y = rows
    ours, theirs = StreamingRidge(alpha=2.0).fit(X, y[:, 0]), Ridge(alpha=2.0).fit(X, y[:, 0])
    assert ours.coef_.shape == theirs.coef_.shape == (40,)
    assert isinstance(ours.intercept_, float)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-8, atol=1e-8)


def test_the_penalty_is_that_of_k_fold_cross_validation(rows):
    X, y = rows
    search = GridSearchCV(
        Ridge(solver="svd"),
        {"alpha": ALPHAS},
        scoring="neg_mean_squared_error",
        cv=PredefinedSplit(np.arange(200) % 5),
    ).fit(X, y)
    ours = StreamingRidge(alphas=ALPHAS).fit(X, y)
    assert ours.alpha_ == search.best_params_["alpha"]
    assert ALPHAS[0] < ours.alpha_ < ALPHAS[-1], "the case should tell penalties apart"
    np.testing.assert_allclose(ours.coef_, search.best_estimator_.coef_, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("settings", [{"alpha": 1.0}, {"alphas": ALPHAS}, {}, {"random_state": 4}])
def test_how_the_rows_are_cut_does_not_matter(rows, settings):
    X, y = rows
    whole = StreamingRidge(**settings).fit(X, y)
    for size in (1, 33):
        parts = StreamingRidge(**settings)
        for start in range(0, 200, size):
            parts.partial_fit(X[start : start + size], y[start : start + size])
        np.testing.assert_allclose(parts.coef_, whole.coef_, rtol=1e-9, atol=1e-9)
        assert parts.alpha_ == pytest.approx(whole.alpha_)


def test_more_rows_than_are_taken_in_at_once_are_all_used(monkeypatch, rows):
    X, y = rows
    whole = StreamingRidge(random_state=0).fit(X, y)
    monkeypatch.setattr("probe.heads.estimator.ROWS", 7)
    ours = StreamingRidge(alpha=1.0).fit(X, y)
    np.testing.assert_allclose(ours.coef_, Ridge(alpha=1.0).fit(X, y).coef_, rtol=1e-8, atol=1e-8)
    np.testing.assert_array_equal(StreamingRidge(random_state=0).fit(X, y).coef_.shape, whole.coef_.shape)


def test_a_random_deal_puts_as_many_rows_in_every_fold(rows):
    X, y = rows
    first, again, other = (StreamingRidge(random_state=seed).fit(X, y) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.coef_, again.coef_)
    deal = first._fold_of(np.arange(5 * 4096))
    assert (np.bincount(deal) == 4096).all()
    assert (deal != other._fold_of(np.arange(5 * 4096))).any()


def test_settings_that_cannot_work_are_refused(rows):
    X, y = rows
    for settings, words in [
        ({"folds": 1}, "at least 2"),
        ({"alpha": -1.0}, "negative"),
        ({"alphas": [-1.0]}, "negative"),
    ]:
        with pytest.raises(ValueError, match=words):
            StreamingRidge(**settings).fit(X, y)
    with pytest.raises(ValueError, match="2 targets before"):
        StreamingRidge(alpha=1.0).fit(X, y).partial_fit(X, y[:, 0])
    with pytest.raises(AttributeError, match="no solution yet"):
        _ = StreamingRidge().coef_
