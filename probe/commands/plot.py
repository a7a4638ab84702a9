"""Draws a picture of saved records, without the models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from probe import records
from probe.commands.keywords import takes
from probe.config import PlotConfig
from probe.errors import ProbeError
from probe.files import check_writable, owned
from probe.plots import View, choose_kind, draw, save_figure
from probe.plots.canvas import inline
from probe.records import Record
from probe.registries import ObjectText


@dataclass(frozen=True, eq=False, repr=False)
class PlotResult:
    """A picture of records.

    Attributes:
        figure: that was drawn, or that holds what was.
        kind: of the picture, by name in `probe.plots.KINDS`.
        path: where it was written, if anywhere.
    """

    figure: Figure
    kind: str
    path: Path | None = None

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Writes the picture as FILE.png, FILE.pdf or FILE.svg.

        Raises:
            ProbeError: if the file is there already and may not be replaced, or cannot be written.
        """
        if Path(path).exists() and not overwrite:
            raise ProbeError(f"{path} is there already. Give another name, or replace it with overwrite=True.")
        return save_figure(self.figure, path)

    def __repr__(self) -> str:
        """Returns the kind of picture, and where it was written."""
        return f"PlotResult({self.kind}{f', {self.path}' if self.path else ''})"

    def _repr_html_(self) -> str:
        """Returns the picture, for notebooks."""
        return inline(self.figure, self.kind)


@takes(PlotConfig)
def plot(config: PlotConfig, *, ax: Axes | Figure | SubFigure | None = None) -> PlotResult:
    """Draws records that were saved, or results at hand, laid over one another.

    Args:
        ax: where to draw: axes, for a picture of one panel, or a figure or subfigure; by default a page of its own.

    Raises:
        ProbeError: if a record cannot be read, they do not suit one picture, or it cannot be written.
    """
    if config.out is None:
        return _plot(config, ax)
    out = Path(config.out)
    check_writable(out)
    with owned(out):
        found = _plot(config, ax)
        return PlotResult(found.figure, found.kind, save_figure(found.figure, out))


def _plot(config: PlotConfig, ax: Axes | Figure | SubFigure | None) -> PlotResult:
    loaded = [_record(one) for one in config.records]
    view = View(x=None if config.depth == "auto" else config.depth, context=config.context, target=config.target, ax=ax)
    kind = choose_kind(loaded, config.kind)
    return PlotResult(draw(loaded, kind, view, ", ".join(config.records)), kind)


def _record(one: str) -> Record:
    """Returns a record that was given by its name, or as an object."""
    given = one.given if isinstance(one, ObjectText) else None
    return given if isinstance(given, Record) else records.load(one)
