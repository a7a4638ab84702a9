"""What a command returns: a table, where it came from, a picture, and how all of it is saved and read again."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from probe import records, text
from probe.errors import ProbeError
from probe.files import Write, write_together
from probe.files.stems import Stem, named_stem
from probe.records import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from probe.pages import Page

FEW = 4
"""So many models are named in a line."""
HEAD = 8
"""Rows of a table that a notebook shows."""


@dataclass(frozen=True, eq=False, repr=False)
class Result(Record):
    """A record that shows itself: it is drawn, saved and read again.

    Attributes:
        table: tidy, a row a measured number (see `probe.records`).
        provenance: the kind of the result, config, versions, digests and everything else that is known of it.
    """

    def __post_init__(self) -> None:
        """Types the table as a loaded one is: whole numbers nullable, other numbers float64."""
        object.__setattr__(self, "table", records.with_dtypes(self.table))

    @property
    def kind(self) -> str:
        """What kind of record this is, which decides its pictures."""
        return str(self.provenance.get("kind", ""))

    def plot(
        self,
        ax: Axes | Figure | SubFigure | None = None,
        *,
        kind: str = "auto",
        x: Literal["layer", "depth", "parameters", "flops"] | None = None,
        context: int | None = None,
        target: str | None = None,
        heads: tuple[str, ...] | str = (),
        layers: tuple[int, ...] | int = (),
        title: str | None = None,
    ) -> Any:
        """Draws the result: into ``ax``, which is returned, or on a figure of its own.

        Args:
            ax: axes, for a picture of one panel; a figure or subfigure for one of several.
            kind: one of `probe.plots.KINDS` that suits this result; by default the usual one.

        Raises:
            ProbeError: if the kind does not suit the result, or makes no use of an argument.
        """
        from probe.plots import KINDS, View, choose_kind

        chosen = choose_kind([self], kind)
        some = (heads,) if isinstance(heads, str) else tuple(heads)
        view = View(x, context, some, (layers,) if isinstance(layers, int) else tuple(layers), target, title, ax=ax)
        figure = KINDS[chosen]([self], view)
        return figure if ax is None else ax

    def view(self) -> Page:
        """Returns a page of the result, to be looked into: one HTML file that needs nothing from elsewhere.

        Raises:
            ProbeError: if there is no page of such a result.
        """
        from probe.pages import view_page

        return view_page([self])

    def shown(self, ending: str) -> bytes:
        """Returns the file that shows this result, by its ending: .png, .pdf or .svg."""
        from probe.plots import rendered

        return rendered(self.plot(), Path(f"picture{ending}"))

    def ending(self, stem: Stem) -> str | None:
        """Returns the ending of the file that shows this result, or None if nothing does."""
        from probe.plots import PICTURES

        return stem.picture if PICTURES.get(self.kind) else None

    def save(self, stem: str | Path, *, overwrite: bool = False) -> list[Path]:
        """Writes STEM.csv, STEM.json and STEM.png, and returns what was written; .pdf or .svg is the picture's ending.

        Raises:
            ProbeError: if one of them is there already and may not be replaced, or cannot be written.
        """
        named = named_stem(str(stem), "The stem")
        there = [path for path in self.files(named) if path.exists()]
        if there and not overwrite:
            raise ProbeError(
                f"{there[0]} is there already, and this result would replace it. Give another name, or replace it with "
                "overwrite=True."
            )
        return self.written(named)

    def files(self, stem: Stem) -> list[Path]:
        """Returns the files that are written at a stem."""
        ending = self.ending(stem)
        return [*records.record_paths(stem.path), *([stem.file(ending)] if ending else [])]

    def written(self, stem: Stem) -> list[Path]:
        """Writes the record and what shows it as one; a record whose picture fails is written all the same."""
        ending, beside = self.ending(stem), self.beside(stem)
        if ending is None:
            write_together({**records.writes(self, stem.path), **beside})
            return self.files(stem)
        page = stem.file(ending)
        try:
            content = self.shown(ending)
        except KeyboardInterrupt:
            write_together({**records.writes(self, stem.path), **beside})
            paths = ", ".join(text.line(path) for path in self.files(stem) if path != page)
            raise KeyboardInterrupt(f"wrote {paths}, but not {page}") from None
        except Exception:
            write_together({**records.writes(self, stem.path), **beside})
            raise
        write_together({**records.writes(self, stem.path), **beside, page: lambda file: file.write(content)})
        return self.files(stem)

    def beside(self, stem: Stem) -> dict[Path, Write]:
        """Returns further files that are written with the record and its picture, by path."""
        return {}

    def about(self) -> str:
        """Returns in a few words what was done to what."""
        config = self.provenance.get("config")
        task = (config.get("task") if isinstance(config, Mapping) else None) or self.provenance.get("task")
        names = list(dict.fromkeys(self.table["model"])) if "model" in self.table.columns else []
        few = ", ".join(text.line(name, 40) for name in names) if len(names) <= FEW else f"{len(names)} models"
        return " on ".join(filter(None, (few, text.line(task, 60) if task else "")))

    def __repr__(self) -> str:
        """Returns the models, the task and the number of rows."""
        return f"{type(self).__name__}({', '.join(filter(None, (self.about(), f'{len(self.table):,} rows')))})"

    def _repr_html_(self) -> str:
        """Returns the first rows of the table and the picture, for notebooks."""
        words = self.table.head(HEAD)
        cleaned = words.assign(
            **{
                str(name): [text.line(value) if isinstance(value, str) else value for value in words[name]]
                for name in words.select_dtypes(exclude="number")
            }
        )
        rows = cleaned.to_html(index=False, border=0, na_rep="", float_format=lambda number: f"{number:.4g}")
        return f"<p>{html.escape(repr(self))}</p>{rows}{self._inline()}"

    def _inline(self) -> str:
        """Returns the picture as a part of a page, or nothing where there is none of such a result."""
        from probe.plots import PICTURES
        from probe.plots.canvas import inline

        try:
            return inline(self.plot(), self.kind) if PICTURES.get(self.kind) else ""
        except ProbeError as error:
            return f"<p>No picture: {html.escape(str(error))}</p>"
