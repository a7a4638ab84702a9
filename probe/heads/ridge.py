"""Ridge heads for a whole grid of cells and a whole path of penalties, from the moments of the prompts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from probe.errors import ProbeError
from probe.heads.absolute import solve_absolute
from probe.heads.moments import Moments
from probe.heads.path import EPSILON, AbsolutePath, RidgePath, StandardisedPath, rounding
from probe.processes.side_by_side import side_by_side

PENALTIES = tuple(10.0 ** (exponent / 2) for exponent in range(-24, 3))
"""Twenty-seven penalties, two a decade from 1e-12 to 10 times what a standardised feature adds to the moments."""


class SelectionErrors:
    """Sums, over selection prompts, the squared errors of every penalty, for every layer, context and target.

    Args:
        path: the solutions to choose among.
    """

    def __init__(self, path: RidgePath) -> None:
        self.path = path
        self.count = 0
        self.by_target = torch.zeros(
            *path.strengths.shape, path.mean_y.shape[-1], dtype=torch.float64, device=path.strengths.device
        )

    @property
    def errors(self) -> Float64[Tensor, "penalty layer context"]:
        """The sums over all targets."""
        return self.by_target.sum(-1)

    @torch.no_grad()
    def update(
        self,
        stream: Float[Tensor, "layer batch context width"],
        target: Float[Tensor, "batch context target"],
        counted: Bool[Tensor, "batch context"] | None = None,
        weights: Float[Tensor, " batch"] | None = None,
    ) -> None:
        """Adds a batch of selection prompts, each where it counts, or at all contexts, and as often as it weighs."""
        truth = target.to(self.by_target).transpose(0, 1)[:, :, None]
        for layer, predicted in enumerate(self.path.predict_layers(stream)):
            squared = predicted.sub_(truth).square_()
            if counted is not None:
                # not multiplied by 0, which would keep a NaN
                squared.masked_fill_(~counted.T[..., None, None].to(squared.device), 0.0)
            if weights is not None:
                squared.mul_(weights.to(squared)[:, None, None])
            self.by_target[:, layer] += squared.sum(dim=1).transpose(0, 1)
        self.count += stream.shape[1]

    def merge(self, other: SelectionErrors) -> SelectionErrors:
        """Returns the sums over both sets of prompts; both must judge the same path."""
        assert torch.equal(self.path.strengths, other.path.strengths), "errors of different paths do not add"
        merged = SelectionErrors(self.path)
        merged.count = self.count + other.count
        merged.by_target = self.by_target + other.by_target
        return merged

    def best(self) -> Int64[Tensor, "layer context"]:
        """Returns each cell's best place on the path, the first of equals."""
        if self.count == 0:
            raise ProbeError("No selection prompts were given, but a penalty needs some. Give at least one.")
        return best_penalty(self.errors)


def best_penalty(errors: Float64[Tensor, "penalty layer context"]) -> Int64[Tensor, "layer context"]:
    """Returns each cell's place of the smallest error, the first of equals."""
    _refuse_not_finite("stream or the targets of the selection prompts", errors.sum(0))
    return errors.argmin(0)


def solve_path(
    moments: Moments,
    penalties: Sequence[float] | None = None,
    *,
    intercept: bool = True,
    absolute: bool = False,
) -> RidgePath:
    """Solves ridge regression (Hoerl & Kennard 1970) for every cell and penalty, the intercept unpenalised.

    Features are scaled to unit variance inside, from the moments, and the scale is undone in the weights, so that
    predictions do not depend on the unit of any feature; as ridge solutions are not equivariant under scaling, this
    is what Hastie, Tibshirani & Friedman (2009, section 3.4.1) advise and what glmnet does. A grid of penalties for
    unscaled features would have to reach from the smallest to the largest feature's variance, and one feature in
    another unit would shift it for all. Absolute penalties are scikit-learn's, in the features' own units.

    A context at which no prompt counts gets heads that predict 0.

    Args:
        moments: of the prompts to fit on.
        penalties: relative to what one standardised feature adds to the second moments, which is the number of
            prompts; `PENALTIES` unless given.
        intercept: whether to fit one; without it, moments about zero are used, for the scale as well.
        absolute: takes the penalties as scikit-learn's alpha, added to the second moments of unscaled features.

    Raises:
        ProbeError: if there are no prompts, or values that are not finite or whose squares float64 does not hold.
    """
    if moments.count == 0:
        raise ProbeError("No prompts were given, but heads need some to be fitted on. Give at least one.")
    counts = moments.counts[:, None]
    mean_x, mean_y = (mean.where(counts > 0, 0.0) for mean in (moments.mean_x, moments.mean_y))
    xx, xy = moments.xx, moments.xy
    _refuse_not_finite("stream", mean_x.sum(-1))
    if wrong := (~mean_y[0].isfinite()).any(-1).nonzero()[:, 0].tolist():
        raise ProbeError(
            f"The targets hold NaN or infinite values at place {', '.join(map(str, wrong))} of the contexts, "
            "but heads need finite ones. Check the task."
        )
    if not intercept:
        xx = xx + counts[..., None] * mean_x[..., :, None] * mean_x[..., None, :]
        xy = xy + counts[..., None] * mean_x[..., :, None] * mean_y[..., None, :]
        mean_x, mean_y = torch.zeros_like(mean_x), torch.zeros_like(mean_y)
    variance = xx.diagonal(dim1=-2, dim2=-1)
    _refuse_unsquarable(variance, moments.vanished, moments.yy, xy)
    chosen = torch.tensor(list(PENALTIES if penalties is None else penalties), dtype=torch.float64, device=xx.device)
    rank = (moments.rows - int(intercept)).clamp(min=1).long()
    if absolute:
        solved = [solve_absolute(xx, xy, penalty, rank) for penalty in chosen.tolist()]
        weights, condition = (torch.stack(each) for each in zip(*solved, strict=True))
        strengths = chosen[:, None, None].expand_as(condition)
        return AbsolutePath(chosen, strengths, mean_x, mean_y, condition, weights.permute(1, 2, 3, 0, 4))
    rows = counts.where(counts > 0, 1.0)
    scale = (variance / rows).sqrt().where(variance > 0, 1.0)
    values, vectors = _eigh(xx / scale[..., None, :] / scale[..., :, None])
    values = values.clamp(min=0)
    vectors = vectors / scale[..., :, None]
    strengths = (chosen[:, None, None] * rows[:, 0]).expand(-1, *values.shape[:2])
    condition = _condition(values, strengths, (variance > 0).sum(-1).minimum(rank))
    return StandardisedPath(chosen, strengths, mean_x, mean_y, condition, values, vectors, vectors.mT @ xy)


def _condition(
    values: Float64[Tensor, "layer context width"],
    strengths: Float64[Tensor, "penalty layer context"],
    rank: Int64[Tensor, "layer context"],
) -> Float64[Tensor, "penalty layer context"]:
    """Returns the root of the mean over the smallest eigenvalue; without a penalty, of those that rows allow."""
    lowest = values.gather(-1, (values.shape[-1] - rank.clamp(min=1))[..., None])[..., 0].where(rank > 0, 1.0)
    lowest = lowest.where(lowest > rounding(values)[..., 0], 0.0)
    smallest = torch.where(strengths > 0, values[..., 0] + strengths, lowest)
    mean = values.mean(-1).where(rank > 0, 1.0)
    return (mean / smallest.maximum(EPSILON * mean)).sqrt()


def fold_errors(
    folds: Sequence[Moments],
    penalties: Sequence[float] | None = None,
    *,
    intercept: bool = True,
    absolute: bool = False,
) -> Float64[Tensor, "penalty layer context"]:
    """Returns cross-validated sums of squared errors: each fold is judged by a path fitted on the others.

    Args:
        folds: moments of disjoint sets of prompts; empty ones are passed over.
        penalties: as for `solve_path`, like the other two.
    """
    filled = [fold for fold in folds if fold.count]
    if len(filled) < 2:
        raise ProbeError(f"Cross-validation was given {len(filled)} folds with prompts, but it needs two. Give more.")
    errors = []
    for held, rest in zip(filled, _others(filled), strict=True):
        path = solve_path(rest, penalties, intercept=intercept, absolute=absolute)
        errors.append(path.squared_errors(held))
    return torch.stack(errors).sum(0)


def _others(folds: Sequence[Moments]) -> Iterator[Moments]:
    """Yields, for each fold, all others merged, by three merges a fold."""
    after = list(accumulate(reversed(folds[1:]), Moments.merge))
    before = folds[0]
    yield after.pop()
    for fold in folds[1:-1]:
        yield before.merge(after.pop())
        before = before.merge(fold)
    yield before


def _eigh(
    matrices: Float64[Tensor, "layer context width width"],
) -> tuple[Float64[Tensor, "layer context width"], Float64[Tensor, "layer context width width"]]:
    """Returns eigenvalues and eigenvectors of symmetric matrices; on a CPU every thread decomposes some of them."""
    threads = torch.get_num_threads()
    if matrices.device.type != "cpu" or not 1 < threads <= matrices.shape[:2].numel():
        values, vectors = torch.linalg.eigh(matrices)
        return values, vectors
    parts = list(side_by_side(torch.linalg.eigh, matrices.flatten(0, 1).chunk(threads), threads))
    values, vectors = (torch.cat([part[place] for part in parts]) for place in (0, 1))
    return values.reshape(matrices.shape[:3]), vectors.reshape(matrices.shape)


def _refuse_not_finite(what: str, cells: Float64[Tensor, "layer context"]) -> None:
    bad = (~cells.isfinite()).any(-1).nonzero()[:, 0].tolist()
    if bad:
        raise ProbeError(
            f"NaN or infinite values, or such as have an infinite sum, were met in the {what} at layer "
            f"{', '.join(map(str, bad))}, "
            "but heads need finite ones. Check the weights and the inputs."
        )


def _refuse_unsquarable(
    variance: Float64[Tensor, "layer context width"],
    vanished: Bool[Tensor, "layer context width"],
    yy: Float64[Tensor, "layer context target target"],
    xy: Float64[Tensor, "layer context width target"],
) -> None:
    """Refuses finite values whose squares leave float64, upwards or downwards."""
    # a square below this has lost digits to float64's smallest numbers
    faint = torch.finfo(torch.float64).tiny / EPSILON
    bad = ~variance.isfinite() | vanished | ((variance > 0) & (variance < faint))
    layers = bad.any(-1).any(-1).nonzero()[:, 0].tolist()
    if layers:
        features = bad.flatten(0, 1).any(0).nonzero()[:, 0].tolist()
        named = ", ".join(map(str, features[:5])) + (", ..." if len(features) > 5 else "")
        raise ProbeError(
            f"The stream at layer {', '.join(map(str, layers))} has features ({named}) that vary by more than 1e150 "
            "or less than 1e-146, but heads need squares that float64 holds. Multiply those features by a constant."
        )
    if not (yy.isfinite().all() and xy.isfinite().all()):
        raise ProbeError(
            "The targets vary by more than 1e150, but heads need squares that float64 holds. Divide the targets."
        )
