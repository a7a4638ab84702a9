"""Claims: what records say of data is what scikit-learn says of the same streams, masks, weights and groups."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, balanced_accuracy_score, r2_score
from torch import nn

import probe
from probe.heads.logistic import STRENGTHS

COUNT = 480
RNG = np.random.default_rng(1)
INPUTS = RNG.standard_normal((COUNT, 2, 3)).astype(np.float32)
REAL = (INPUTS[:, 0, :2] * [1, 3] + 0.3 * RNG.standard_normal((COUNT, 2))).astype(np.float32)
WORDS = np.select([REAL[:, 0] > 0.5, REAL[:, 0] < -0.5], ["high", "low"], "middle")
GROUPS = np.arange(COUNT) // 3
SPLIT = np.repeat(RNG.permutation(np.repeat(["fit", "select", "score"], [90, 30, 40])), 3)
WEIGHTS = RNG.integers(0, 4, COUNT).astype(float)
MASK = RNG.random((COUNT, 2)) < 0.8
GIVEN = {"groups": GROUPS, "split": SPLIT, "weights": WEIGHTS, "mask": MASK}
CELLS = [(layer, context) for layer in range(3) for context in range(2)]


@pytest.fixture(scope="module")
def module() -> probe.Checkpoint:
    torch.manual_seed(0)
    mine = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 6), nn.Linear(6, 1))
    return probe.from_model(probe.ModuleModel(mine, ["1:input", "1", "2"], mine[3], inputs=3), "mine", context=0)


@pytest.fixture(scope="module")
def stream(module) -> np.ndarray:
    """The stream of all prompts, [layer, prompt, context, width]."""
    return probe.capture_stream(module.stream, torch.tensor(INPUTS), torch.arange(2)).stream.double().numpy()


def counted(purpose: str, context: int) -> np.ndarray:
    """Which prompts of a side count at a context."""
    return (purpose == SPLIT) & MASK[:, context] & (WEIGHTS > 0)


def standardised(stream: np.ndarray, context: int) -> np.ndarray:
    """A layer's stream in units of the prompts to fit on."""
    fit = counted("fit", context)
    mean = np.average(stream[fit, context], axis=0, weights=WEIGHTS[fit])
    spread = np.average((stream[fit, context] - mean) ** 2, axis=0, weights=WEIGHTS[fit]) ** 0.5
    return (stream[:, context] - mean) / spread


def answers(found, head: str, stream: np.ndarray, layer: int, context: int) -> np.ndarray:
    """What a fitted head answers on the prompts to score on."""
    score = counted("score", context)
    seen = torch.from_numpy(stream[:, score][:, :, [context, context]]).float()
    return found.heads[head].predict(seen)[layer, :, context].double().numpy()


def row(found, head: str, layer: int, context: int):
    """The record's row."""
    return found.table.query("head == @head and layer == @layer and context == @context").iloc[0]


@pytest.mark.parametrize(("layer", "context"), CELLS)
def test_numbers_are_read_by_scikit_learns_weighted_ridge_and_judged_as_it_judges(module, stream, layer, context):
    """Of several numbers R2 is scikit-learn's with variance_weighted."""
    found = probe.fit(ckpt=module, data=probe.Data(INPUTS, {"z": REAL}, **GIVEN), head="linear")
    told, fit, score = row(found, "linear", layer, context), counted("fit", context), counted("score", context)
    seen = standardised(stream[layer], context)
    ridge = Ridge(alpha=told["penalty"] * WEIGHTS[fit].sum(), solver="svd")
    expected = ridge.fit(seen[fit], REAL[fit], sample_weight=WEIGHTS[fit]).predict(seen[score])
    own = answers(found, "linear", stream, layer, context)
    assert own == pytest.approx(expected, abs=2e-4)
    weights = WEIGHTS[score]
    squares = weights @ (own - REAL[score]) ** 2
    assert told["error"] == pytest.approx(squares.sum() / (weights @ REAL[score] ** 2).sum(), rel=1e-5)
    assert told["mse"] == pytest.approx(squares.sum() / weights.sum(), rel=1e-5)
    explained = r2_score(REAL[score], own, sample_weight=weights, multioutput="variance_weighted")
    assert told["r2"] == pytest.approx(explained, abs=1e-5)


@pytest.mark.parametrize(("layer", "context"), CELLS)
def test_categories_are_read_by_scikit_learns_logistic_regression_and_judged_as_it_judges(
    module, stream, layer, context
):
    """Weights enter the fit, the choice of the penalty and what is told."""
    found = probe.fit(ckpt=module, data=probe.Data(INPUTS, {"c": WORDS}, **GIVEN), head=("linear", "logistic"))
    fit, select, score = (counted(purpose, context) for purpose in ("fit", "select", "score"))
    seen, names = standardised(stream[layer], context), np.unique(WORDS)
    for head in ("linear", "logistic"):
        told = row(found, head, layer, context)
        chosen = names[answers(found, head, stream, layer, context).argmax(-1)]
        weights = WEIGHTS[score]
        assert told["accuracy"] == pytest.approx(accuracy_score(WORDS[score], chosen, sample_weight=weights))
        balanced = balanced_accuracy_score(WORDS[score], chosen, sample_weight=weights)
        assert told["balanced_accuracy"] == pytest.approx(balanced)
        assert told["error"] == pytest.approx((1 - told["accuracy"]) / (1 - 1 / 3))
    tried = []
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength / WEIGHTS[fit].sum(), max_iter=500)
        model.fit(seen[fit], WORDS[fit], sample_weight=WEIGHTS[fit])
        right = model.predict_log_proba(seen[select])[np.arange(select.sum()), np.searchsorted(names, WORDS[select])]
        tried.append((-np.average(right, weights=WEIGHTS[select]), strength, model.predict_proba(seen[score])))
    _, strength, expected = min(tried, key=lambda one: one[0])
    assert told["penalty"] == pytest.approx(1 / strength)
    own = torch.from_numpy(answers(found, "logistic", stream, layer, context)).softmax(-1).numpy()
    assert own == pytest.approx(expected, abs=1e-3)


def test_bands_are_those_of_resampled_groups(module, stream):
    """By hand: the groups to score on are drawn anew 4,000 times, with all their prompts."""
    found = probe.fit(ckpt=module, data=probe.Data(INPUTS, {"z": REAL}, **GIVEN), head="linear")
    told, score = row(found, "linear", 1, 0), counted("score", 0)
    own = answers(found, "linear", stream, 1, 0)
    _, member = np.unique(GROUPS[score], return_inverse=True)
    above, below = (
        np.bincount(member, WEIGHTS[score] * squares.sum(-1))
        for squares in ((own - REAL[score]) ** 2, REAL[score] ** 2)
    )
    drawn = np.random.default_rng(0).integers(0, len(above), (4000, len(above)))
    low, high = np.quantile(above[drawn].sum(1) / below[drawn].sum(1), [0.025, 0.975])
    assert (told["low"], told["high"]) == pytest.approx((low, high), rel=0.1)


def test_weights_of_the_prompts_to_select_on_choose_the_penalty(module):
    """Nothing else may change by them: where the penalty is the same, so is the error."""
    found = set()
    for seed in range(8):
        own = np.where(SPLIT == "select", np.random.default_rng(seed).exponential(size=COUNT) ** 3, 1.0)
        data = probe.Data(INPUTS, {"z": REAL[:, :1] ** 2}, **(GIVEN | {"weights": own}))
        found.add(tuple(row(probe.fit(ckpt=module, data=data, head="linear"), "linear", 2, 0)[["penalty", "error"]]))
    assert len(found) > 1
    assert len({penalty for penalty, _ in found}) == len(found)
