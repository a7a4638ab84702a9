"""Settings of what draws records: probe plot and probe view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from probe.arguments import Delivery, Needed, Positional
from probe.config.kinds import Context
from probe.fields import NameOf, OrObject, Settings


@dataclass(frozen=True)
class PlotConfig(Settings):
    """Draws a figure from saved records, without the models."""

    records: Positional[tuple[Annotated[str, OrObject("probe.records:at_hand")], ...]]
    """RECORD.csv files; several are laid over one another."""
    out: Needed[str | None] = None
    """The figure, FILE.png, FILE.pdf or FILE.svg."""
    kind: Annotated[str, NameOf("picture")] = "auto"
    """The record's own unless given. Of fit: error by layer, error by examples, both as a map, scale and shift by
    layer, error by layer and kept step; the training curve; what probe evaluate, compare or claim (ten pictures)
    measured; what probe evaluate, fit or compare measured on language tasks."""
    depth: Literal["auto", "layer", "depth", "parameters", "flops"] = "auto"
    """The axis of a layer curve."""
    context: Context | None = None
    """The number of examples a layer curve is drawn at; the largest by default."""
    target: str | None = None
    """The target whose errors are drawn, y or a drawn parameter; all of the record's by default, a panel each."""
    json: Delivery[bool] = False
    """Print what was written as JSON on stdout instead of lines."""


@dataclass(frozen=True)
class ViewConfig(Settings):
    """Makes one HTML page of saved records, to be looked into: without the models, and without a network."""

    records: Positional[tuple[Annotated[str, OrObject("probe.records:at_hand")], ...]]
    """RECORD.csv files; those of one kind are laid over one another, of several kinds follow one another."""
    out: str | None = None
    """The page, FILE.html; by default named as the first record, and beside it."""
    follow: bool | None = None
    """Whether the page is drawn anew until the trainings have ended that write its records; from the command line it is
    unless told otherwise, from Python it is not."""
    json: Delivery[bool] = False
    """Print what was written as JSON on stdout instead of lines."""
