"""A page that was drawn: bytes of HTML that can be saved, or shown in a notebook."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from pathlib import Path

from probe.errors import ProbeError
from probe.files import write_atomically

HEIGHT = 900
"""Pixels of a page in a notebook."""


@dataclass(frozen=True, eq=False)
class Page:
    """One HTML file that needs nothing from elsewhere.

    Attributes:
        content: its bytes.
        path: where it was written, if anywhere.
    """

    content: bytes = field(repr=False)
    path: Path | None = None

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Writes the page as FILE.html, whole or not at all, and returns its path.

        Raises:
            ProbeError: if the file has another ending, is there already and may not be replaced, or cannot be written.
        """
        path = Path(path)
        if path.suffix != ".html":
            raise ProbeError(f"{path} was given for a page, but a page is an .html file. Name it so.")
        if path.exists() and not overwrite:
            raise ProbeError(f"{path} is there already. Give another name, or replace it with overwrite=True.")
        write_atomically(path, lambda file: file.write(self.content))
        return path

    def _repr_html_(self) -> str:
        """Returns the page in a frame of its own, for notebooks."""
        page = html.escape(self.content.decode())
        return f'<iframe srcdoc="{page}" style="width:100%;height:{HEIGHT}px;border:0" title="probe view"></iframe>'
