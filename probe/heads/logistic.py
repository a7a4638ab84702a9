"""The logistic head: a category's probabilities from the stream, fitted by scikit-learn on streams that are held."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from numpy.typing import NDArray
from torch import Tensor

from probe.errors import ProbeError
from probe.heads.fitted import LinearHeads
from probe.heads.head import Decoder, Head, Probed
from probe.randomness import Purpose

MOST = 2**28
"""Numbers of a stream that are held: 1 GB. Ridge heads hold none, and have no such limit."""
STRENGTHS = (0.01, 1.0, 100.0)
"""Inverse penalties among which the selection prompts choose, in units of standardised features."""
SIDES: tuple[Purpose, ...] = ("fit", "select")
"""What prompts are for while heads are fitted."""
ABSENT = -1e3
"""The logarithm of the probability of a category that no prompt to fit on had at a context."""
Held = tuple[Float[Tensor, "layer batch context width"], Int[Tensor, "batch context"], Float64[Tensor, "batch context"]]
"""Features, categories, and how much each of them counts."""

Rows = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float64]]
"""The same of all prompts, held."""


class Logistic(Head):
    """Multinomial logistic regression from the stream to a category, for every layer and context, by scikit-learn."""

    logits: ClassVar[bool] = True
    held: ClassVar[bool] = True

    def features(
        self, model: Decoder, stream: Float[Tensor, "layer batch context width"]
    ) -> Float[Tensor, "layer batch context width"]:
        """Returns the stream itself."""
        return stream

    def check(self, experiment: Probed, prompts: int) -> None:
        """Refuses targets that are no categories, and more streams than are held.

        Raises:
            ProbeError: for either.
        """
        super().check(experiment, prompts)
        if experiment.task.objective != "symbol":
            raise ProbeError(
                "The head logistic predicts a category, but the target holds numbers. Use --head linear, or give a "
                "target of whole numbers or words."
            )
        contexts = len(getattr(experiment, "contexts", ())) or 1
        numbers = prompts * experiment.layers * contexts * self.width(experiment.model)
        if numbers > MOST:
            most = MOST // (experiment.layers * contexts * self.width(experiment.model))
            raise ProbeError(
                f"The head logistic holds the streams that it is fitted on, here {numbers / 2**28:.1f} GB, but 1 GB "
                f"is held. Give --prompts {most} or fewer --context, or use --head linear."
            )


def fit_logistic(batches: Callable[[Purpose], Iterable[Held]], categories: int) -> LinearHeads:
    """Returns logistic heads, the penalty of each layer and context the best on the selection prompts.

    Args:
        batches: called with ``fit`` and then with ``select``; returns what is read of these prompts.
        categories: how many there are.
    """
    fit, select = (_joined(batches(purpose)) for purpose in SIDES)
    layers, _, contexts, width = fit[0].shape
    weight = torch.zeros(layers, contexts, width, categories, dtype=torch.float64)
    intercept = torch.zeros(layers, contexts, categories, dtype=torch.float64)
    penalty = torch.zeros(layers, contexts, dtype=torch.float64)
    for layer in range(layers):
        for context in range(contexts):
            rows, judge = (_counted(one, layer, context) for one in (fit, select))
            weight[layer, context], intercept[layer, context], penalty[layer, context] = _best(rows, judge, categories)
    return LinearHeads(weight, intercept, penalty)


def _joined(batches: Iterable[Held]) -> Rows:
    features, codes, weights = zip(*batches, strict=True)
    return (
        torch.cat([one.float().cpu() for one in features], dim=1).numpy(),
        torch.cat(codes).numpy(),
        torch.cat(weights).numpy(),
    )


def _counted(rows: Rows, layer: int, context: int) -> Rows:
    """Returns one layer's features at a context, categories and weights, of the prompts that count."""
    features, codes, weights = rows
    counts = weights[:, context] > 0
    return features[layer, counts, context], codes[counts, context], weights[counts, context]


def _best(rows: Rows, judge: Rows, categories: int) -> tuple[Tensor, Tensor, float]:
    """Returns weights, intercepts and the inverse of the strength that errs least on other prompts."""
    x, y, share = rows
    weight, intercept = torch.zeros(x.shape[1], categories).double(), torch.full((categories,), ABSENT).double()
    present = np.unique(y)
    intercept[present] = 0.0
    if len(present) < 2:
        return weight, intercept, 0.0
    mean = np.average(x, axis=0, weights=share)
    scale = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=share))
    scale[scale == 0] = 1.0
    found = [(*_solved((x - mean) / scale, y, share, strength), 1 / strength) for strength in STRENGTHS]
    losses = [_loss((judge[0] - mean) / scale, judge[1], judge[2], present, one[0], one[1]) for one in found]
    slopes, shift, penalty = found[int(np.argmin(losses))]
    slopes = slopes / scale[:, None]
    weight[:, present] = torch.from_numpy(slopes)
    intercept[present] = torch.from_numpy(shift - mean @ slopes)
    return weight, intercept, penalty


def _solved(
    x: NDArray[Any], y: NDArray[Any], share: NDArray[Any], strength: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Returns a weight and an intercept for each category that is present."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=strength / share.sum(), max_iter=500)
        model.fit(x.astype(np.float64), y, sample_weight=share)
    slopes, shift = model.coef_.T, model.intercept_
    if slopes.shape[1] == 1:  # two categories share one direction
        return np.concatenate([-slopes / 2, slopes / 2], axis=1), np.concatenate([-shift / 2, shift / 2])
    return slopes, shift


def _loss(
    x: NDArray[Any],
    y: NDArray[Any],
    share: NDArray[Any],
    present: NDArray[Any],
    slopes: NDArray[Any],
    shift: NDArray[Any],
) -> float:
    """Returns the mean negative logarithm of the probability of what was right, of categories that were fitted."""
    known = np.isin(y, present)
    if not known.any():
        return 0.0
    logits = torch.from_numpy(x[known] @ slopes + shift).log_softmax(-1)
    right = logits[torch.arange(len(logits)), torch.from_numpy(np.searchsorted(present, y[known]))]
    return float(-np.average(right.numpy(), weights=share[known]))
