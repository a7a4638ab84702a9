"""Prompts unlike those of training: how a model that has learned w.x generalises (Garg et al., 2022).

A *prompting* keeps what a task draws for w and lays other examples around it, all from standard normal x, whatever the
task's x and without its noise or outliers. Where only the query is unlike its context each index needs a sequence of
its own: those promptings return `Replaced`. As in Grazzi et al. (2024), arXiv:2402.03170, A.1.3, and their code.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from probe.errors import ProbeError
from probe.fields import Checked, Range, Scale, Size, Spread
from probe.options import build
from probe.randomness import Source
from probe.tasks.noisy_linear import renormalising
from probe.tasks.prompts import Prompts, interleave, paired, truncate
from probe.tasks.skewed_linear import skewed_root
from probe.tasks.task import Task

# prompts that share what the released code draws once: all that are ever drawn
EVERYONE = 2**40

Directions = Float[Tensor, "batch dim"]
Points = Float[Tensor, "batch point dim"]


@dataclass(frozen=True)
class Replaced:
    """Examples, and at each index a query that may not be the next example's x.

    Attributes:
        x_context: the examples' x, those before an index being its context.
        y_context: their y.
        x_query: the query at each index.
        y_query: its target.
        parameters: what was drawn for each prompt: ``w``.
    """

    x_context: Float[Tensor, "batch index dim"]
    y_context: Float[Tensor, "batch index"]
    x_query: Float[Tensor, "batch index dim"]
    y_query: Float[Tensor, "batch index"]
    parameters: dict[str, Tensor]

    def tokens(self, index: int) -> Float[Tensor, "batch time dim"]:
        """Returns x1 y1 ... and, behind `index` examples, the query."""
        x = torch.cat([self.x_context[:, :index], self.x_query[:, index : index + 1]], dim=1)
        y = torch.cat([self.y_context[:, :index], self.y_query[:, index : index + 1]], dim=1)
        return interleave(x, y)

    def asked(self, indices: Sequence[int]) -> Prompts:
        """Returns the queries at some indices as prompts that share one context, to be judged; never to be run."""
        x, y = self.x_query[:, list(indices)], self.y_query[:, list(indices)]
        return replace(paired(x, y, self.parameters), contexts=tuple(indices))


class Prompting(Checked, ABC):
    """Prompts unlike those of training, for tasks whose y is w.x."""

    def draw(self, task: Task, source: Source, context: int) -> Prompts | Replaced:
        """Draws prompts with `context` examples before the last query.

        Raises:
            ProbeError: if the task's y is not w.x.
        """
        if not task.linear:
            raise ProbeError(
                f"A prompting was asked for with {type(task).__name__}, but it needs a task whose y is w.x. "
                "Use one such as linear."
            )
        w = task.draw(source, context).parameters["w"]
        return self._lay_out(w, source.normal(context + 1, task.dim), source)

    @abstractmethod
    def _lay_out(self, w: Directions, x: Points, source: Source) -> Prompts | Replaced:
        """Returns prompts of a drawn w, made from standard normal x."""


def _labelled(w: Directions, x: Points) -> Float[Tensor, "batch point"]:
    return torch.einsum("bpd,bd->bp", x, w)


def _plain(w: Directions, x: Points) -> Prompts:
    return paired(x, _labelled(w, x), {"w": w})


def _replaced(w: Directions, x: Points, query: Points) -> Replaced:
    return Replaced(x, _labelled(w, x), query, _labelled(w, query), {"w": w})


@dataclass(frozen=True)
class Isotropic(Prompting):
    """Leaves x standard normal: the test of `linear`, whatever the task was."""

    def _lay_out(self, w: Directions, x: Points, source: Source) -> Prompts:
        return _plain(w, x)


@dataclass(frozen=True)
class ScaleX(Prompting):
    """Multiplies x; the target's variance grows with the factor's square.

    Args:
        factor: 1/3, 1/2, 2 and 3 as published.
    """

    factor: Scale = 2.0

    def _lay_out(self, w: Directions, x: Points, source: Source) -> Prompts:
        return _plain(w, self.factor * x)


@dataclass(frozen=True)
class ScaleY(Prompting):
    """Multiplies y, and w with it; the target's variance grows with the factor's square.

    Args:
        factor: 1/3, 1/2, 2 and 3 as published.
    """

    factor: Scale = 2.0

    def _lay_out(self, w: Directions, x: Points, source: Source) -> Prompts:
        return _plain(self.factor * w, x)


@dataclass(frozen=True)
class Noisy(Prompting):
    """Adds noise to y, the query's target included.

    Args:
        noise: standard deviation of the noise.
        renormalise: whether y is multiplied by sqrt(dim) / std(y) over a whole group, as in the released code; the
            paper does not mention it.
        group_size: prompts that are renormalised together, by number: 64 as released.
    """

    noise: Spread = 1.0
    renormalise: bool = False
    group_size: Size = 64

    def draw(self, task: Task, source: Source, context: int) -> Prompts | Replaced:
        """Draws prompts with `context` examples before the last query."""
        if not self.renormalise:
            return super().draw(task, source, context)
        # a group is renormalised whole, also where only some of its prompts are asked for
        wide, chosen = source.completed(self.group_size)
        prompts = super().draw(task, wide, context)
        assert isinstance(prompts, Prompts), "noise replaces no query"
        factor = renormalising(prompts.y, task.dim, self.group_size)
        w, y = prompts.parameters["w"] * factor, prompts.y * factor
        return paired(prompts.x[chosen], y[chosen], {"w": w[chosen]})

    def _lay_out(self, w: Directions, x: Points, source: Source) -> Prompts:
        noise = self.noise * source.normal(x.shape[1])
        return paired(x, _labelled(w, x) + noise, {"w": w})


@dataclass(frozen=True)
class Skewed(Prompting):
    """Gives x the covariance of `skewed_linear`, of trace dim.

    Args:
        power: decay of the eigenvalues of the covariance's root.
        released: whether, as in the released code, all prompts share one basis, and not each has its own.
    """

    power: Annotated[float, Range(0, 8)] = 1.0
    released: bool = False

    def _lay_out(self, w: Directions, x: Points, source: Source) -> Prompts:
        root = skewed_root(source.grouped(EVERYONE if self.released else 1), x.shape[-1], self.power)
        return _plain(w, torch.einsum("bpd,bde->bpe", x, root))


@dataclass(frozen=True)
class HalfSubspace(Prompting):
    """Keeps x in a subspace of dim // 2 dimensions.

    Args:
        released: whether, as in the released code, the subspace is a random one that all prompts share, and x is
            multiplied by sqrt(2), so that the target's variance stays dim where that is even; as published, the
            coordinates of the second half are 0.
    """

    released: bool = False

    def _lay_out(self, w: Directions, x: Points, source: Source) -> Prompts:
        dim = x.shape[-1]
        if not self.released:
            return _plain(w, truncate(x, dim // 2))
        basis = torch.linalg.qr(source.grouped(EVERYONE).normal(dim, dim)).Q[..., : dim // 2]
        return _plain(w, 2**0.5 * torch.einsum("bpd,bdk,bek->bpe", x, basis, basis))


@dataclass(frozen=True)
class RandomQuadrants(Prompting):
    """Draws one sign pattern a prompt for its examples; a query lies in any quadrant."""

    def _lay_out(self, w: Directions, x: Points, source: Source) -> Replaced:
        return _replaced(w, _in_one_quadrant(x, source), x)


@dataclass(frozen=True)
class OppositeQuadrants(Prompting):
    """Draws one sign pattern a prompt for its examples; a query lies in the opposite quadrant."""

    def _lay_out(self, w: Directions, x: Points, source: Source) -> Replaced:
        context = _in_one_quadrant(x, source)
        return _replaced(w, context, -context)


def _in_one_quadrant(x: Points, source: Source) -> Points:
    pattern = 1.0 - 2.0 * (source.uniform(x.shape[-1]) < 0.5)
    return x.abs() * pattern[:, None]


@dataclass(frozen=True)
class OverlappingTrainTest(Prompting):
    """Repeats as a query one of the examples before it, each equally likely; the first query has none to repeat."""

    def _lay_out(self, w: Directions, x: Points, source: Source) -> Replaced:
        index = torch.arange(x.shape[1], device=x.device)
        earlier = (source.uniform(x.shape[1]) * index).long()
        return _replaced(w, x, x.gather(1, earlier[..., None].expand_as(x)))


@dataclass(frozen=True)
class OrthogonalTrainTest(Prompting):
    """Takes a query's projection on its context's span off it and restores its norm.

    From `dim` examples on there is nothing orthogonal to them, and the query is 0.
    """

    def _lay_out(self, w: Directions, x: Points, source: Source) -> Replaced:
        first = x[:, : x.shape[-1]]
        # Gram and Schmidt: column i is what example i has beside the earlier ones, at norm 1 and up to its sign
        basis, triangle = torch.linalg.qr(first.mT)
        signs = triangle.diagonal(dim1=1, dim2=2).sign()
        query = torch.zeros_like(x)
        query[:, : first.shape[1]] = (basis * signs[:, None]).mT * first.norm(dim=-1, keepdim=True)
        return _replaced(w, x, query)


PROMPTINGS: dict[str, type[Prompting]] = {
    "half_subspace": HalfSubspace,
    "isotropic": Isotropic,
    "noisy": Noisy,
    "opposite_quadrants": OppositeQuadrants,
    "orthogonal_train_test": OrthogonalTrainTest,
    "overlapping_train_test": OverlappingTrainTest,
    "random_quadrants": RandomQuadrants,
    "scale_x": ScaleX,
    "scale_y": ScaleY,
    "skewed": Skewed,
}


def make_prompting(text: str) -> Prompting:
    """Returns the prompting that a text names, ``NAME`` or ``NAME:option=value,...``.

    Raises:
        ProbeError: if the name, an option or a value is not the prompting's.
    """
    return build(PROMPTINGS, "prompting", text, {})
