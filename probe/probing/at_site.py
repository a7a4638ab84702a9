"""A model's site set before a task: which cells heads read, through how many numbers, and whether that fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from probe.capture import Captured, DescribedModel
from probe.capture.sites import Cell, Narrow, capture_site, site_named
from probe.errors import ProbeError
from probe.tasks import Prompts

STREAM = "stream"
HEADS = ("linear", "lens")
"""The heads that fit has unless others are given; at other sites than the stream, the linear one alone."""


@dataclass(frozen=True, eq=False)
class AtSite:
    """Where heads read a model, beside its stream.

    Attributes:
        name: as `probe.capture.sites.site_named` takes it.
        cells: the layer of each place, and of attention heads the head.
        numbers: how many numbers stand in each cell.
        features: how many of them, or of their random projections, heads read.
    """

    name: str
    narrow: Narrow
    cells: tuple[Cell, ...]
    numbers: tuple[int, ...]
    features: int

    @property
    def layers(self) -> tuple[int, ...]:
        """The layer of each cell."""
        return tuple(cell.layer for cell in self.cells)

    def captured(self, model: DescribedModel, inputs: Tensor, tokens: Tensor) -> Captured:
        """Returns what stands in the cells in place of the stream at each layer."""
        found = capture_site(model, inputs, tokens, self.name, narrow=self.narrow)
        return Captured(found.values, found.output)

    def described(self) -> dict[str, Any]:
        """Returns what a record says of it."""
        widest = self.narrow.widest
        projected = bool(widest) and any(number > widest for number in self.numbers)
        return {
            "name": self.name,
            "layers": list(self.layers),
            "parts": [cell.part for cell in self.cells if cell.part >= 0],
            "numbers": list(self.numbers),
            "features": self.features,
            "projection": f"Gaussian, of seed {self.narrow.seed}" if projected else "none",
        }


def at_site(model: DescribedModel, prompts: Prompts, site: str, widest: int, seed: int) -> AtSite | None:
    """Returns a model's site, found in one pass over a prompt's first tokens; None for the stream.

    Raises:
        ProbeError: if there is no such site, or the model has none.
    """
    if site_named(site) is None:
        return None
    narrow = Narrow(seed, widest)
    weights = next(model.model.parameters(), None)
    if weights is None:
        raise ProbeError(
            f"--site {site} was given, but kept streams and learners have no modules beside their stream. Give a model "
            "by --ckpt, or drop --site."
        )
    device = weights.device
    found = capture_site(model, prompts.inputs[:1, :2].to(device), [0, 1], site, narrow=narrow)
    return AtSite(site, narrow, found.cells, found.numbers, found.values.shape[-1])


def heads_at(site: str, heads: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the heads that are meant: of those that fit has unless others are given, the linear one at a site.

    Raises:
        ProbeError: if a head was given that reads the stream alone.
    """
    if site == STREAM:
        return heads
    heads = ("linear",) if tuple(heads) == HEADS else tuple(heads)
    wrong = [head for head in heads if head != "linear"]
    if wrong:
        raise ProbeError(
            f"--head {wrong[0]} was given with --site {site}, but it reads the stream, and at other sites linear heads "
            "alone are fitted. Give --head linear, or --site stream."
        )
    return heads


def check_heads_at(site: AtSite, prompts: int) -> None:
    """Refuses, before any work, more features than prompts can fit.

    Raises:
        ProbeError: if there are too few prompts.
    """
    if prompts < 2 * (site.features + 1):
        raise ProbeError(
            f"--prompts {prompts} was given, but a linear head on {site.features} numbers of {site.name} needs "
            f"at least {2 * (site.features + 1)}. Give more prompts, or a smaller --widest."
        )
