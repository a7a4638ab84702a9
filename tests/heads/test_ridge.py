"""Claims: the path is scikit-learn's Ridge at every penalty; selection finds the best."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from probe.errors import ProbeError
from probe.heads import Moments, SelectionErrors, best_penalty, fold_errors, solve_path

PENALTIES = [1e-8, 1e-4, 1e-2, 1.0, 30.0]


def gather(stream, target, batch=64):
    moments = Moments((stream.shape[0], stream.shape[2]), stream.shape[-1], target.shape[-1])
    for rows, wanted in zip(stream.split(batch, dim=1), target.split(batch), strict=True):
        moments.update(rows, wanted)
    return moments


def draw(prompts=400, seed=0, layers=3, contexts=2, width=7):
    """Returns a stream of correlated features away from zero, and targets that have little to do with it."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(layers, 1, width, width, generator=torch.Generator().manual_seed(11))
    stream = torch.randn(layers, prompts, contexts, width, generator=generator) @ mixing + 3
    return stream, torch.randn(prompts, contexts, 2, generator=generator) - 1


def planted(prompts, width=6, noise=0.0, seed=0, layers=2, contexts=3):
    """Returns a stream and targets that are linear in its last layer; the first layer is unrelated."""
    generator = torch.Generator().manual_seed(seed)
    stream = torch.randn(layers, prompts, contexts, width, generator=generator)
    truth = torch.randn(contexts, width, 2, generator=torch.Generator().manual_seed(99))
    target = torch.einsum("bcw,cwk->bck", stream[-1], truth) + 0.5
    return stream, target + noise * torch.randn(target.shape, generator=generator), truth


def sklearn_cell(stream, target, layer, context, alpha, intercept=True):
    model = Ridge(alpha=alpha, solver="svd", fit_intercept=intercept)
    return model.fit(stream[layer, :, context].double().numpy(), target[:, context].double().numpy())


def standardised_cell(stream, target, layer, context, alpha, intercept=True):
    """Returns scikit-learn's ridge of features divided by their deviation, or their size without an intercept."""
    rows = stream[layer, :, context].double()
    scale = (rows - rows.mean(0) * intercept).square().mean(0).sqrt()
    model = sklearn_cell(stream.double() / scale, target, layer, context, alpha, intercept)
    model.coef_ = model.coef_ / scale.numpy()
    return model


def ill_conditioned(prompts, width=16, seed=0):
    """Returns a stream whose covariance has condition number 1e6, and targets that need every direction."""
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(width, width, generator=torch.Generator().manual_seed(5))).Q.double()
    latent = torch.randn(1, prompts, 1, width, generator=generator, dtype=torch.float64)
    stream = latent * torch.logspace(0, -3, width, dtype=torch.float64) @ basis.T
    return (stream + 5).float(), latent[0].sum(-1, keepdim=True)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("absolute", [True, False])
def test_every_penalty_of_every_cell_is_sklearns_ridge(intercept, absolute):
    stream, target = draw()
    moments = gather(stream, target)
    path = solve_path(moments, PENALTIES, intercept=intercept, absolute=absolute)
    for place, strengths in enumerate(path.strengths):
        heads = path.choose(torch.full((3, 2), place))
        for layer, context in np.ndindex(3, 2):
            theirs = sklearn_cell if absolute else standardised_cell
            model = theirs(stream, target, layer, context, float(strengths[layer, context]), intercept)
            np.testing.assert_allclose(heads.weight[layer, context].T, model.coef_, rtol=1e-7, atol=1e-9)
            np.testing.assert_allclose(heads.intercept[layer, context], model.intercept_, rtol=1e-7, atol=1e-8)


def test_penalties_are_relative_to_the_number_of_prompts_unless_absolute():
    moments = gather(*draw())
    assert (solve_path(moments, [0.5]).strengths == 200).all()
    assert (solve_path(moments, [0.5], absolute=True).strengths == 0.5).all()


def test_predictions_of_the_path_are_those_of_its_heads():
    stream, target = draw()
    path = solve_path(gather(stream, target), PENALTIES)
    predicted = path.predict_path(stream)
    assert predicted.shape == (5, 3, 400, 2, 2)
    for place in range(5):
        heads = path.choose(torch.full((3, 2), place))
        torch.testing.assert_close(predicted[place], heads(stream), rtol=1e-10, atol=1e-10)


def test_a_planted_map_is_found_and_shuffled_targets_are_not():
    stream, target, truth = planted(2000)
    held, wanted, _ = planted(500, seed=1)
    path = solve_path(gather(stream, target), [1e-10])
    heads = path.choose(torch.zeros(2, 3, dtype=torch.long))
    torch.testing.assert_close(heads.weight[1], truth.double(), rtol=1e-5, atol=1e-5)
    variance = (wanted - wanted.mean(0)).square().mean()
    assert (heads(held)[1] - wanted).square().mean() < 1e-8 * variance
    assert (heads(held)[0] - wanted).square().mean() > 0.95 * variance
    shuffled = target[torch.randperm(2000, generator=torch.Generator().manual_seed(2))]
    missed = solve_path(gather(stream, shuffled), [1e-10]).choose(torch.zeros(2, 3, dtype=torch.long))
    assert (missed(held)[1] - wanted).square().mean() > 0.95 * variance


def test_selection_picks_sklearns_argmin_whatever_the_batch():
    stream, target, _ = planted(40, width=20, noise=3.0)
    held, wanted, _ = planted(60, width=20, noise=3.0, seed=1)
    path = solve_path(gather(stream, target))
    whole, first, second = SelectionErrors(path), SelectionErrors(path), SelectionErrors(path)
    whole.update(held, wanted)
    first.update(held[:, :13], wanted[:13])
    second.update(held[:, 13:], wanted[13:])
    merged = first.merge(second)
    torch.testing.assert_close(merged.errors, whole.errors, rtol=1e-10, atol=1e-10)
    assert torch.equal(merged.best(), whole.best())
    assert merged.count == 60
    for layer, context in np.ndindex(2, 3):
        errors = [
            np.square(
                standardised_cell(stream, target, layer, context, float(strength)).predict(held[layer, :, context])
                - wanted[:, context].numpy()
            ).sum()
            for strength in path.strengths[:, layer, context]
        ]
        assert whole.best()[layer, context] == np.argmin(errors)
        np.testing.assert_allclose(whole.errors[:, layer, context], errors, rtol=1e-5)
    assert len(set(whole.best().flatten().tolist())) > 1, "the case should tell penalties apart"


def test_errors_from_moments_are_those_from_predictions():
    stream, target = draw(seed=0)
    held, wanted = draw(prompts=90, seed=1)
    for intercept in (True, False):
        path = solve_path(gather(stream, target), PENALTIES, intercept=intercept)
        direct = SelectionErrors(path)
        direct.update(held, wanted)
        torch.testing.assert_close(path.squared_errors(gather(held, wanted)), direct.errors, rtol=1e-9, atol=1e-9)


def test_cross_validation_over_fold_accumulators_is_cross_validation():
    stream, target, _ = planted(50, width=20, noise=2.0)
    folds = [gather(stream[:, k::5], target[k::5]) for k in range(5)]
    errors = fold_errors([*folds, Moments((2, 3), 20, 2)], PENALTIES, absolute=True)
    expected = np.zeros((5, 2, 3))
    fold = np.arange(50) % 5
    for (place, alpha), layer, context, k in (
        (penalty, layer, context, k)
        for penalty in enumerate(PENALTIES)
        for layer, context in np.ndindex(2, 3)
        for k in range(5)
    ):
        model = sklearn_cell(stream[:, fold != k], target[fold != k], layer, context, alpha)
        rest = model.predict(stream[layer, fold == k, context]) - target[fold == k, context].numpy()
        expected[place, layer, context] += np.square(rest).sum()
    np.testing.assert_allclose(errors, expected, rtol=1e-5)
    np.testing.assert_array_equal(best_penalty(errors), expected.argmin(0))
    with pytest.raises(ProbeError, match="needs two"):
        fold_errors(folds[:1])


def test_ill_conditioned_features_are_solved_to_1e_6():
    stream, target = ill_conditioned(4000)
    held, _ = ill_conditioned(500, seed=1)
    heads = solve_path(gather(stream, target, batch=128), [1e-12]).choose(torch.zeros(1, 1, dtype=torch.long))
    x, y = stream[0, :, 0].double(), target[:, 0]
    weight = torch.linalg.lstsq(x - x.mean(0), y - y.mean(0), driver="gelsd").solution
    expected = (held[0, :, 0].double() - x.mean(0)) @ weight + y.mean(0)
    assert (heads(held)[0, :, 0] - expected).norm() < 1e-6 * expected.norm()


@pytest.mark.parametrize("penalty", [0.0, 1e-12, 1.0])
def test_constant_features_add_nothing(penalty):
    stream, target, _ = planted(200)
    wide = torch.cat([stream, torch.full_like(stream[..., :2], 0.1)], dim=-1)
    wide[0] = 7.0  # a layer where nothing varies at all
    index = torch.zeros(2, 3, dtype=torch.long)
    narrow = solve_path(gather(stream, target), [penalty], absolute=True).choose(index)
    heads = solve_path(gather(wide, target), [penalty], absolute=True).choose(index)
    torch.testing.assert_close(heads(wide)[1], narrow(stream)[1], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(heads(wide)[0], target.double().mean(0).expand(200, -1, -1))
    relative = solve_path(gather(wide, target)).coefficients
    assert relative.isfinite().all()
    assert (relative[0] == 0).all()


def test_fewer_prompts_than_features_work():
    stream, target, _ = planted(9, width=30)
    path = solve_path(gather(stream, target), [1e-10, 1e-2])
    fitted = path.predict_path(stream)
    torch.testing.assert_close(fitted[0, 0], target.double(), rtol=1e-6, atol=1e-6)
    model = standardised_cell(stream, target, 1, 2, float(path.strengths[1, 1, 2]))
    heads = path.choose(torch.ones(2, 3, dtype=torch.long))
    np.testing.assert_allclose(heads.weight[1, 2].T, model.coef_, rtol=1e-8, atol=1e-10)


def test_one_prompt_gives_its_target():
    stream, target, _ = planted(1)
    torch.testing.assert_close(solve_path(gather(stream, target)).predict_path(stream)[3, 1], target.double())


def test_selection_without_prompts_or_with_nan_is_refused():
    stream, target, _ = planted(50)
    chosen = SelectionErrors(solve_path(gather(stream, target)))
    with pytest.raises(ProbeError, match="No selection prompts"):
        chosen.best()
    stream[1, 4, 0, 0] = float("nan")
    chosen.update(stream, target)
    with pytest.raises(ProbeError, match="selection prompts at layer 1,"):
        chosen.best()


def test_cells_solved_side_by_side_are_the_same_and_leave_the_threads_alone():
    stream, target = draw()
    moments, threads = gather(stream, target), torch.get_num_threads()
    solved = {}
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            solved[number] = solve_path(moments)
            assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(threads)
    torch.testing.assert_close(solved[1].values, solved[2].values)
    torch.testing.assert_close(solved[1].predict_path(stream), solved[2].predict_path(stream))
