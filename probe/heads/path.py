"""The ridge solutions of every cell at every penalty: standardised from one eigendecomposition, or one by one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from probe.heads.fitted import LinearHeads, affine
from probe.heads.moments import Moments

RESOLVED = 1.1e6
"""The condition number up to which second moments in float64 leave three digits of a solution: they square it."""

EPSILON = torch.finfo(torch.float64).eps


class PrecisionWarning(UserWarning):
    """Says that features depend on one another so nearly that rounding had a say in a solution."""


def rounding(values: Float64[Tensor, "*cell width"]) -> Float64[Tensor, "*cell 1"]:
    """Returns the size below which an eigenvalue cannot be told from 0."""
    return values.shape[-1] * EPSILON * values.amax(-1, keepdim=True)


@dataclass(frozen=True, eq=False)
class RidgePath:
    """The ridge solutions of every cell at every penalty.

    Args:
        penalties: as given, ascending or not.
        strengths: what each penalty adds to the diagonal of a cell's second moments, which are of the standardised
            features where the path is standardised.
        mean_x: the origin of the stream; zero where there is no intercept.
        mean_y: the origin of the targets.
        condition: of the features at each penalty, once each is scaled to one size: the root of the mean eigenvalue
            over the smallest, which the penalty raises. Above `RESOLVED`, choosing the penalty warns.
    """

    penalties: Float64[Tensor, " penalty"]
    strengths: Float64[Tensor, "penalty layer context"]
    mean_x: Float64[Tensor, "layer context width"]
    mean_y: Float64[Tensor, "layer context target"]
    condition: Float64[Tensor, "penalty layer context"]

    @cached_property
    def coefficients(self) -> Float64[Tensor, "layer context width penalty target"]:
        """The weights at every penalty."""
        raise NotImplementedError

    @cached_property
    def intercepts(self) -> Float64[Tensor, "layer context penalty target"]:
        """The intercepts at every penalty."""
        return self.mean_y[..., None, :] - torch.einsum("lcw,lcwpk->lcpk", self.mean_x, self.coefficients)

    def predict_path(
        self, stream: Float[Tensor, "layer batch context width"]
    ) -> Float64[Tensor, "penalty layer batch context target"]:
        """Predicts the targets at every penalty, by one matrix product a cell, in float64."""
        return torch.stack([rows.permute(2, 1, 0, 3) for rows in self.predict_layers(stream)], dim=1)

    def predict_layers(
        self, stream: Float[Tensor, "layer batch context width"]
    ) -> Iterator[Float64[Tensor, "context batch penalty target"]]:
        """Predicts the targets at every penalty, layer by layer, so that one layer's are held at a time."""
        for rows, weight, shift in zip(stream, self.coefficients, self.intercepts, strict=True):
            predicted = affine(rows, weight.flatten(-2), shift.flatten(-2))
            yield predicted.reshape(*predicted.shape[:2], *shift.shape[-2:])

    def squared_errors(self, moments: Moments) -> Float64[Tensor, "penalty layer context"]:
        """Returns the sums of squared errors over the prompts of other moments, without their streams.

        An error is never below its own rounding, which grows with the size of the weights: a penalty so small that
        its error cannot be told from 0 is then not taken for the best.
        """
        weight = self.coefficients.flatten(-2)
        step_x, step_y = moments.mean_x - self.mean_x, moments.mean_y - self.mean_y
        quadratic = (weight * (moments.xx @ weight)).sum(-2).reshape(self.intercepts.shape)
        cross = (self.coefficients * moments.xy[..., None, :]).sum(-3)
        offset = step_y[..., None, :] - torch.einsum("lcw,lcwpk->lcpk", step_x, self.coefficients)
        total = moments.yy.diagonal(dim1=-2, dim2=-1)[..., None, :]
        errors = (total - 2 * cross + quadratic + moments.counts[:, None, None] * offset.square()).sum(-1)
        diagonal = moments.xx.diagonal(dim1=-2, dim2=-1)
        size = torch.einsum("lcw,lcwpk->lcp", diagonal, self.coefficients.square())
        least = EPSILON * (total.sum(-1) + self.mean_x.shape[-1] * size)
        return errors.maximum(least).permute(2, 0, 1)

    def choose(self, index: Int64[Tensor, "layer context"]) -> LinearHeads:
        """Returns the heads at one penalty a cell, given by its place on the path.

        Warns with `PrecisionWarning` where the features' condition at that penalty is above `RESOLVED`.
        """
        self._say_what_is_unresolved(index)
        weight = self._weight_at(index)
        intercept = self.mean_y - (self.mean_x[..., None, :] @ weight)[..., 0, :]
        return LinearHeads(weight, intercept, self.penalties[index])

    def part(self, layers: slice, targets: slice) -> RidgePath:
        """Returns the path of some of the layers and some of the targets."""
        raise NotImplementedError

    def _weight_at(self, index: Int64[Tensor, "layer context"]) -> Float64[Tensor, "layer context width target"]:
        """Returns the weights at one penalty a cell."""
        raise NotImplementedError

    def _say_what_is_unresolved(self, index: Int64[Tensor, "layer context"]) -> None:
        condition = self.condition.gather(0, index[None])[0]
        layers = (condition > RESOLVED).any(-1).nonzero()[:, 0].tolist()
        if layers:
            place = condition.argmax()
            penalty = self.penalties[index].flatten()[place].item()
            warnings.warn(
                f"Features at layer {', '.join(map(str, layers))} are linearly dependent, or so nearly that second "
                f"moments in float64 cannot tell: at penalty {penalty:.3g} their condition number is "
                f"{condition.max().item():.1e} or more, and up to {RESOLVED:.1e} is resolved. Give a larger penalty, "
                "leave dependent features out, or fit rows held in memory by a solver that works on them, such as "
                "scikit-learn's LinearRegression.",
                PrecisionWarning,
                stacklevel=3,
            )


@dataclass(frozen=True, eq=False)
class StandardisedPath(RidgePath):
    """The solutions that penalise the weights of standardised features, from one eigendecomposition a cell.

    Args:
        values: eigenvalues of the standardised features' second moments.
        vectors: their eigenvectors in columns, each row divided by its feature's deviation.
        projected: cross moments in that basis.
    """

    values: Float64[Tensor, "layer context width"]
    vectors: Float64[Tensor, "layer context width width"]
    projected: Float64[Tensor, "layer context width target"]

    @cached_property
    def coefficients(self) -> Float64[Tensor, "layer context width penalty target"]:
        """The weights at every penalty."""
        shrunk = self._inverses(self.strengths)[..., None] * self.projected[..., None, :]
        return (self.vectors @ shrunk.flatten(-2)).reshape(shrunk.shape)

    def part(self, layers: slice, targets: slice) -> StandardisedPath:
        """Returns the path of some of the layers and some of the targets."""
        return StandardisedPath(
            penalties=self.penalties,
            strengths=self.strengths[:, layers],
            mean_x=self.mean_x[layers],
            mean_y=self.mean_y[layers, :, targets],
            condition=self.condition[:, layers],
            values=self.values[layers],
            vectors=self.vectors[layers],
            projected=self.projected[layers, :, :, targets],
        )

    def _weight_at(self, index: Int64[Tensor, "layer context"]) -> Float64[Tensor, "layer context width target"]:
        return self.vectors @ (self._inverses(self.strengths.gather(0, index[None])) * self.projected)

    def _inverses(
        self, strengths: Float64[Tensor, "some layer context"]
    ) -> Float64[Tensor, "layer context width some"]:
        """Returns 1 / (eigenvalue + strength); without a penalty, the pseudo-inverse (the least norm)."""
        strength, value = strengths.permute(1, 2, 0)[..., None, :], self.values[..., None]
        floor = torch.where(strength > 0, 0.0, rounding(self.values)[..., None])
        total = value + strength
        return torch.where(total > floor, 1 / total, 0.0)


@dataclass(frozen=True, eq=False)
class AbsolutePath(RidgePath):
    """The solutions of scikit-learn's Ridge, which penalises weights in the features' own units.

    Args:
        weights: at every penalty.
    """

    weights: Float64[Tensor, "layer context width penalty target"]

    @cached_property
    def coefficients(self) -> Float64[Tensor, "layer context width penalty target"]:
        """The weights at every penalty."""
        return self.weights

    def part(self, layers: slice, targets: slice) -> AbsolutePath:
        """Returns the path of some of the layers and some of the targets."""
        return AbsolutePath(
            penalties=self.penalties,
            strengths=self.strengths[:, layers],
            mean_x=self.mean_x[layers],
            mean_y=self.mean_y[layers, :, targets],
            condition=self.condition[:, layers],
            weights=self.weights[layers, ..., targets],
        )

    def _weight_at(self, index: Int64[Tensor, "layer context"]) -> Float64[Tensor, "layer context width target"]:
        place = index[..., None, None, None].expand(*index.shape, self.weights.shape[2], 1, self.weights.shape[-1])
        return self.weights.gather(3, place)[..., 0, :]
