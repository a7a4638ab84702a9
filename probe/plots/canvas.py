"""What a picture is drawn on: a page of its own, or a figure or axes of the reader's."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from probe.errors import ProbeError

PAGE = {1: 3.5, 2: 7.2}
"""Width in inches of one and of two columns of a paper."""
DPI = 110
"""Dots an inch of a picture that a notebook shows."""


class Page(Figure):
    """A figure of its own, which a notebook shows."""

    def _repr_png_(self) -> bytes:
        """Returns the picture as PNG, for notebooks that have not set up matplotlib."""
        return _png(self)


class Column(Page):
    """A page as wide as a telephone, which lays the panels of a picture beneath one another."""

    def subplots(  # type: ignore[override]
        self, nrows: int = 1, ncols: int = 1, *, squeeze: bool = True
    ) -> Any:
        """Returns panels in the grid that a picture asks for; each is as high as it would be there."""
        self.set_figheight(self.get_figheight() * ncols)
        panels = super().subplots(nrows * ncols, 1, squeeze=False).reshape(nrows, ncols)
        return np.squeeze(panels)[()] if squeeze else panels

    def close(self) -> None:
        """Moves panels together where a picture has removed some."""
        rows = self.axes[0].get_subplotspec()
        assert rows is not None, "panels stand in a grid"
        before = rows.get_gridspec().nrows
        self.set_figheight(self.get_figheight() * len(self.axes) / before)
        grid = self.add_gridspec(len(self.axes), 1)
        for place, axes in enumerate(self.axes):
            axes.set_subplotspec(grid[place])


def inline(figure: Figure, alternative: str) -> str:
    """Returns a picture as an element of HTML that holds it.

    Args:
        alternative: what is read where no picture is shown.
    """
    data = base64.b64encode(_png(figure)).decode()
    return f'<img alt="{html.escape(alternative)}" src="data:image/png;base64,{data}">'


def _png(figure: Figure) -> bytes:
    content = BytesIO()
    figure.savefig(content, format="png", dpi=DPI)
    return content.getvalue()


class OneAxes:
    """Axes of the reader's own that a picture of one panel is drawn into, in the place of a figure."""

    def __init__(self, axes: Axes) -> None:
        self.own = axes

    @property
    def axes(self) -> list[Axes]:
        """The axes that were given, as a figure lists its own."""
        return [self.own]

    def subplots(
        self,
        down: int = 1,
        across: int = 1,
        *,
        squeeze: bool = True,
        sharex: bool = False,
        width_ratios: Sequence[float] | None = None,
    ) -> Any:
        """Returns the axes that were given, as a grid unless squeezed.

        Raises:
            ProbeError: if more than one panel is needed.
        """
        if down * across > 1:
            raise ProbeError(
                f"One axes was given, but this picture has {down * across} panels. Give a figure or subfigure as ax, "
                "or leave it out."
            )
        return self.own if squeeze else np.array([[self.own]])

    def colorbar(self, mappable: Any, *, ax: Any, pad: float, fraction: float) -> Any:
        """Adds a colour bar beside the axes, which become narrower."""
        del ax, pad, fraction
        return whole(self).colorbar(mappable, ax=self.own)

    def align_ylabels(self, panels: object) -> None:
        """Leaves one label where it is."""


Canvas = Figure | SubFigure | OneAxes
"""Where a picture is drawn."""


def canvas(ax: Axes | SubFigure | Figure | None, columns: int, height: float) -> Canvas:
    """Returns the axes or figure that were given, or an empty page.

    Args:
        columns: of a paper, that a page spans.
        height: of a page in inches, before a legend beneath it.
    """
    if ax is None:
        return Page(figsize=(PAGE[columns], height), layout="constrained")
    return OneAxes(ax) if isinstance(ax, Axes) else ax


def whole(drawn: Canvas) -> Figure:
    """Returns the figure that was drawn on, or that holds what was."""
    found = drawn.own.figure if isinstance(drawn, OneAxes) else drawn
    while isinstance(found, SubFigure):
        found = found.figure
    assert isinstance(found, Figure), "axes and subfigures stand in a figure"
    return found


def width(drawn: Figure | SubFigure) -> float:
    """Returns how wide a figure or a part of one is, in inches."""
    return float(drawn.bbox.width / whole(drawn).dpi)
