"""The streaming ridge head alone, as a scikit-learn regressor for data that need not fit in memory."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float64
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from torch import Tensor

from probe.heads.moments import Moments
from probe.heads.path import PrecisionWarning
from probe.heads.ridge import best_penalty, fold_errors, solve_path
from probe.randomness import generator

ROWS = 4096
"""Rows taken in at a time, which bounds the memory a large array needs beside itself."""

UNEXPLAINED = 1e-6
"""The share of the variance up to which an error at the grid's end is not worth a word."""

FALLING = 0.99
"""The ratio of errors at the last two penalties below which they still fall there."""

if TYPE_CHECKING:
    T = TypeVar("T")
    Unchecked = Annotated[T, "left alone by runtime checks"]
else:

    class Unchecked:
        """Is Any to runtime checks: by scikit-learn's contract any value may be set or given, and fit refuses it."""

        def __class_getitem__(cls, hint):
            return Any


class StreamingRidge(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Ridge regression from one pass over the rows, its penalty chosen by cross-validation in the same pass.

    Minimises ``|y - X w|^2 + alpha |w|^2`` (Hoerl & Kennard 1970), the intercept unpenalised, like
    scikit-learn's Ridge. Rows are dealt to folds by their running number, and what a fold keeps are its
    second moments, so that chunks of any size lead to the same solution and memory does not grow with the
    rows. After `partial_fit` the solution is computed when it is first asked for.

    Unless penalties are given, they are relative and those of standardised features, as with StandardScaler before
    Ridge, the scale undone in the weights: no feature's unit matters then. Given penalties are scikit-learn's, in
    the features' own units. One feature in another unit costs the others no digits in either case.

    Second moments hold the square of the features' condition number, so that float64 resolves it, each feature
    scaled to one size, up to about 1e6 and not 1e15; beyond it a `PrecisionWarning` says so. An R factor would
    resolve the rest, for three times as long a pass on a CPU (width 128, batches of 256), and longer on a GPU.

    Rows may have weights. A row of weight 2 is fitted as two equal rows are; in cross-validation both stand in one
    fold, which two rows given apart need not.

    Args:
        alphas: penalties to choose among; if None, a grid for standardised features, relative to the number of rows.
        alpha: a fixed penalty; nothing is chosen then and `folds` is not used.
        folds: number of folds, at least 2.
        fit_intercept: whether to fit an intercept.
        random_state: deals the rows to folds in a random order, where None deals them in turn.
    """

    def __init__(
        self,
        alphas: Unchecked[Sequence[float] | NDArray[np.float64] | None] = None,
        alpha: Unchecked[float | None] = None,
        folds: Unchecked[int] = 5,
        fit_intercept: Unchecked[bool] = True,
        random_state: Unchecked[int | np.random.RandomState | None] = None,
    ) -> None:
        self.alphas = alphas
        self.alpha = alpha
        self.folds = folds
        self.fit_intercept = fit_intercept
        self.random_state = random_state

    def fit(
        self, X: Unchecked[ArrayLike], y: Unchecked[ArrayLike], sample_weight: Unchecked[ArrayLike | None] = None
    ) -> StreamingRidge:
        """Fits rows X [rows, features] and targets y [rows] or [rows, targets], forgetting earlier ones.

        Args:
            sample_weight: how often each row counts, 0 or more: a number for all, or [rows]; a row of weight 2 counts
                as two that stand in one fold, a row of weight 0 is left out.
        """
        self._start(*self._validated(X, y, sample_weight, reset=True))
        self._solve()
        return self

    def partial_fit(
        self, X: Unchecked[ArrayLike], y: Unchecked[ArrayLike], sample_weight: Unchecked[ArrayLike | None] = None
    ) -> StreamingRidge:
        """Adds rows; any split of the rows into chunks gives the solution of `fit` on all of them.

        Args:
            sample_weight: as for `fit`.
        """
        first = not hasattr(self, "_moments")
        rows, targets, weights = self._validated(X, y, sample_weight, reset=first)
        if first:
            self._start(rows, targets, weights)
        else:
            self._take(rows, targets, weights)
        return self

    def predict(self, X: Unchecked[ArrayLike]) -> NDArray[np.float64]:
        """Returns predictions [rows], or [rows, targets] if it was fitted on such."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float64, reset=False)
        predicted: NDArray[np.float64] = rows @ self.coef_.T + self.intercept_
        return predicted

    @property
    def coef_(self) -> NDArray[np.float64]:
        """The weights, [features] or [targets, features]."""
        coef: NDArray[np.float64] = self._solution()[0]
        return coef

    @property
    def intercept_(self) -> float | NDArray[np.float64]:
        """The intercept, a number or [targets]."""
        intercept: float | NDArray[np.float64] = self._solution()[1]
        return intercept

    @property
    def alpha_(self) -> float:
        """The penalty that was chosen or given, as it is added to the diagonal of ``X^T X``.

        If neither `alphas` nor `alpha` was given, X stands for the standardised features.
        """
        alpha: float = self._solution()[2]
        return alpha

    def _validated(
        self,
        X: Unchecked[ArrayLike],
        y: Unchecked[ArrayLike],
        sample_weight: Unchecked[ArrayLike | None],
        reset: bool,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]:
        """Returns rows, targets and weights as float64; rows of weight 0 are left out."""
        if self.alpha is None and self.folds < 2:
            raise ValueError(f"folds={self.folds} was given, but cross-validation needs at least 2. Or give alpha.")
        if any(penalty < 0 for penalty in self._penalties() or []):
            raise ValueError("A negative penalty was given, but it must be 0 or more. Give another.")
        rows, targets = validate_data(self, X, y, reset=reset, dtype=np.float64, multi_output=True, y_numeric=True)
        targets = np.asarray(targets, dtype=np.float64)
        if sample_weight is None:
            return rows, targets, None
        weights = _check_sample_weight(sample_weight, rows, dtype=np.float64)
        if (weights < 0).any() or not (reset is False or weights.any()):
            raise ValueError("The sample_weight must be 0 or more, and more than 0 for a row. Give other weights.")
        present = weights > 0
        return rows[present], targets[present], weights[present]

    def _penalties(self) -> list[float] | None:
        """Returns the penalties given, absolute, or None for the relative grid."""
        given = self.alphas if self.alpha is None else self.alpha
        return None if given is None else [float(penalty) for penalty in np.atleast_1d(np.asarray(given))]

    def _start(
        self, rows: NDArray[np.float64], targets: NDArray[np.float64], weights: NDArray[np.float64] | None
    ) -> None:
        self._flat = targets.ndim == 1
        shape = ((1, 1), rows.shape[1], 1 if self._flat else targets.shape[1])
        self._moments = [Moments(*shape) for _ in range(1 if self.alpha is not None else self.folds)]
        self._seed = (
            None if self.random_state is None else int(check_random_state(self.random_state).randint(2**31 - 1))
        )
        self._rows_seen = 0
        self._take(rows, targets, weights)

    def _take(
        self, rows: NDArray[np.float64], targets: NDArray[np.float64], weights: NDArray[np.float64] | None
    ) -> None:
        targets = targets.reshape(len(rows), -1)
        width = self._moments[0].targets
        if targets.shape[1] != width:
            raise ValueError(f"y has {targets.shape[1]} targets, but it was fitted on {width} targets before.")
        for start in range(0, len(rows), ROWS):
            chunk = slice(start, min(start + ROWS, len(rows)))
            fold = self._fold_of(np.arange(chunk.start, chunk.stop) + self._rows_seen)
            for number, moments in enumerate(self._moments):
                mine = fold == number
                x, y = torch.tensor(rows[chunk][mine]), torch.tensor(targets[chunk][mine])
                often = None if weights is None else torch.tensor(weights[chunk][mine])
                moments.update(x[None, :, None], y[:, None], weights=often)
        self._rows_seen += len(rows)
        self._solved: tuple[NDArray[np.float64], float | NDArray[np.float64], float] | None = None

    def _fold_of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns each row's fold: its number's remainder, shuffled within blocks of rows if so asked."""
        if self._seed is None or len(self._moments) == 1:
            return numbers % len(self._moments)
        block = ROWS * len(self._moments)
        orders = {b: generator(self._seed, "fold", b).permutation(block) for b in np.unique(numbers // block)}
        shuffled = [orders[number // block][number % block] for number in numbers]
        return np.array(shuffled, dtype=np.int64) % len(self._moments)

    def _solution(self) -> tuple[Any, Any, Any]:
        if not hasattr(self, "_moments"):
            name = type(self).__name__
            raise AttributeError(f"This {name} has no solution yet. Call fit or partial_fit first.")
        if self._solved is None:
            self._solve()
        assert self._solved is not None, "solving leaves a solution"
        return self._solved

    def _solve(self) -> None:
        """Chooses the penalty, unless it is given, and solves on all rows."""
        total = reduce(Moments.merge, self._moments)
        penalties = self._penalties()
        absolute = penalties is not None
        path = solve_path(total, penalties, intercept=self.fit_intercept, absolute=absolute)
        index = torch.zeros(1, 1, dtype=torch.long)
        if len(path.penalties) > 1:
            if total.count < 2:
                raise ValueError("n_samples=1 row was given, but cross-validation needs at least 2. Or give alpha.")
            errors = fold_errors(self._moments, penalties, intercept=self.fit_intercept, absolute=absolute)
            index = best_penalty(errors)
            if penalties is None and not index.any():
                _say_that_the_grid_ends(errors.flatten(), total.yy.diagonal(dim1=-2, dim2=-1).sum())
        heads = path.choose(index)
        weight, intercept = heads.weight[0, 0].T.numpy(), heads.intercept[0, 0].numpy()
        alpha = float(path.strengths.gather(0, index[None]))
        self._solved = (weight[0], float(intercept[0]), alpha) if self._flat else (weight, intercept, alpha)


def _say_that_the_grid_ends(errors: Float64[Tensor, " penalty"], spread: Float64[Tensor, ""]) -> None:
    """Warns if errors that are not small still fall where the grid of penalties ends."""
    if errors[0] > UNEXPLAINED * spread and errors[0] < FALLING * errors[1]:
        warnings.warn(
            f"The smallest penalty was chosen while errors still fell, {errors[0] / spread:.1e} of the variance "
            "being unexplained: the features depend on one another more closely than second moments in float64 "
            "resolve. Leave dependent features out, or fit rows held in memory by a solver that works on them.",
            PrecisionWarning,
            stacklevel=4,
        )
