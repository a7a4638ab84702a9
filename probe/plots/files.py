"""Pictures as files."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from matplotlib.figure import Figure

from probe.errors import ProbeError
from probe.files import write_atomically
from probe.plots.style import page

METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
}
ABOUT = {"png": "Description", "pdf": "Subject", "svg": "Description"}
"""Where a kind of file holds what it is about."""


def rendered(figure: Figure, path: str | Path) -> bytes:
    """Returns a picture's file as its suffix says (png, pdf, svg), the same bytes each time."""
    content = BytesIO()
    _draw(figure, Path(path), content)
    return content.getvalue()


def save_figure(figure: Figure, path: str | Path, about: str | None = None) -> Path:
    """Writes a picture as its suffix says (png, pdf, svg), whole or not at all, the same bytes each time.

    Args:
        about: what the picture is about, to be held in its file beside it.
    """
    path = Path(path)
    _kind(path)
    write_atomically(path, lambda file: _draw(figure, path, file, about))
    return path


def _draw(figure: Figure, path: Path, file: BinaryIO, about: str | None = None) -> None:
    kind = _kind(path)
    told = {} if about is None else {ABOUT[kind]: about}
    with page():
        figure.savefig(file, format=kind, metadata=METADATA[kind] | told)


def _kind(path: Path) -> str:
    kind = path.suffix.lower().removeprefix(".")
    if kind not in METADATA:
        ending = f"ends in {path.suffix}" if path.suffix else "has no ending"
        raise ProbeError(f"{path} {ending}, but a picture is a .png, .pdf or .svg. Name it so.")
    return kind
