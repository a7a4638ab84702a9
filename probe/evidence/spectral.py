"""How much of w each layer's answers hold along every eigenvector of X'X, against its eigenvalue.

Algorithms for least squares are filters of the spectrum: after k steps of gradient descent 1 - (1 - eta lambda)^k of w
is found along an eigenvector of eigenvalue lambda, by ridge regression lambda / (lambda + mu). The shape needs no list
of algorithms to be compared with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from probe.evidence.answers import Asked, induced_weights
from probe.evidence.rows import row
from probe.statistics import RatioBootstrap

BINS = 8
LARGEST = 1 - 1e-9
TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Followed:
    """An algorithm that is laid along the layers, as one reading sees them.

    Attributes:
        weights: of the step that each layer stands at, scaled as the layer's, on the prompts of the spectrum.
    """

    head: str
    algorithm: str
    weights: Float64[Tensor, "layer prompt dim"]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The response of every layer's induced weights in bins of the eigenvalue.

    Attributes:
        eigenvalues: of X'X over the prompt's largest: each bin's mean and ends, ascending.
        responses: by the name of the reading, the slope through the origin of v.w_l on v.w over eigenvectors v in the
            bin, w the weights behind the true answers.
        nonlinear: by the name of the reading, the share of the squares of a layer's answers that no weights explain.
        context: examples before the queries.
        followed: by the names of a reading and of an algorithm, the same slope for the algorithm's weights.
    """

    eigenvalues: Float64[Tensor, "bin 3"]
    responses: dict[str, RatioBootstrap]
    nonlinear: dict[str, RatioBootstrap]
    context: int
    followed: dict[tuple[str, str], RatioBootstrap] = field(default_factory=dict)

    def rows(self, model: str) -> list[dict[str, Any]]:
        """Returns a record's rows; a step is a bin's place among them, the first being 1."""
        prompts = next(iter(self.responses.values())).prompts
        about: dict[str, Any] = {"context": self.context, "prompts": prompts}
        rows = [
            row(model, "spectral", "eigenvalue", *self.eigenvalues[place].tolist(), step=place + 1, **about)
            for place in range(len(self.eigenvalues))
        ]
        for head, found in self.responses.items():
            for layer, place, band in _cells(found):
                rows.append(row(model, "spectral", "response", *band, head=head, layer=layer, step=place + 1, **about))
        for (head, algorithm), found in self.followed.items():
            named = about | {"site": algorithm, "head": head}
            for layer, place, band in _cells(found):
                rows.append(row(model, "spectral", "followed response", *band, layer=layer, step=place + 1, **named))
        for head, found in self.nonlinear.items():
            value, (low, high) = found.estimate(), found.interval()
            for layer in (~value.isnan()).nonzero()[:, 0].tolist():
                band = [each[layer].item() for each in (value, low, high)]
                rows.append(row(model, "spectral", "nonlinear", *band, head=head, layer=layer, **about))
        return rows


def spectrum(asked: Asked, seed: int, followed: Sequence[Followed] = ()) -> Spectrum:
    """Returns the response of every layer to the eigenvalues of the examples' X'X.

    The weights behind the true answers are those of least squares on the queries, exact without noise.

    Args:
        asked: more queries a prompt than dimensions.
        seed: of the bootstrap.
        followed: algorithms whose weights are seen through the same eigenvectors.
    """
    x = asked.examples.x.double()
    eigenvalues, vectors = torch.linalg.eigh(x.transpose(1, 2) @ x)
    relative = eigenvalues.clamp(min=0) / eigenvalues[:, -1:].clamp(min=TINY)
    bins, ends = _bins(relative)
    within = torch.nn.functional.one_hot(bins, len(ends)).double()
    w = torch.einsum("pde,pd->pe", vectors, induced_weights(asked.queries, asked.targets)[0])
    whole = torch.einsum("pe,peb->pb", w.square(), within)

    def response(weights: Float64[Tensor, "layer prompt dim"]) -> RatioBootstrap:
        along = torch.einsum("pde,lpd->lpe", vectors, weights)
        numerator = torch.einsum("lpe,peb->plb", along * w, within)
        found = RatioBootstrap(numerator.shape[1:], seed=seed)
        found.update(asked.numbers, numerator, whole[:, None].expand_as(numerator))
        return found

    responses, nonlinear = {}, {}
    for name, answers in asked.answers.items():
        induced, linear = induced_weights(asked.queries, answers)
        responses[name] = response(induced)
        squares = answers.square().sum(-1).T
        nonlinear[name] = RatioBootstrap(squares.shape[1:], seed=seed)
        nonlinear[name].update(asked.numbers, (1 - linear.T) * squares, squares)
    laid = {(one.head, one.algorithm): response(one.weights) for one in followed}
    return Spectrum(ends, responses, nonlinear, asked.examples.x.shape[1], laid)


def _cells(found: RatioBootstrap) -> Iterator[tuple[int, int, list[float]]]:
    """Yields every layer and bin with its value and band."""
    value, (low, high) = found.estimate(), found.interval()
    for layer, place in torch.cartesian_prod(*map(torch.arange, value.shape)).tolist():
        yield layer, place, [each[layer, place].item() for each in (value, low, high)]


def _bins(
    relative: Float64[Tensor, "prompt dim"],
) -> tuple[Int64[Tensor, "prompt dim"], Float64[Tensor, "bin 3"]]:
    """Returns each eigenvalue's bin and every bin's mean and ends; as many fall into each, but for equal ones."""
    below = relative[:, :-1].flatten()
    shares = torch.linspace(0, 1, BINS + 1, dtype=torch.float64)[1:-1]
    inner = below.quantile(shares).tolist() if below.numel() else []
    # the largest of every prompt is 1, and has a bin to itself
    edges = torch.tensor(sorted({*inner, LARGEST}), dtype=torch.float64)
    places = torch.bucketize(relative, edges)
    filled = torch.tensor(sorted(set(places.flatten().tolist())))
    bins = torch.bucketize(places, filled)
    inside = [relative[bins == place] for place in range(len(filled))]
    return bins, torch.stack([torch.stack([one.mean(), one.min(), one.max()]) for one in inside])
