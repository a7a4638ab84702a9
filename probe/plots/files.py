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


def rendered(figure: Figure, path: str | Path) -> bytes:
    """Returns a picture's file as its suffix says (png, pdf, svg), the same bytes each time."""
    content = BytesIO()
    _draw(figure, Path(path), content)
    return content.getvalue()


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Writes a picture as its suffix says (png, pdf, svg), whole or not at all, the same bytes each time."""
    path = Path(path)
    _kind(path)
    write_atomically(path, lambda file: _draw(figure, path, file))
    return path


def _draw(figure: Figure, path: Path, file: BinaryIO) -> None:
    kind = _kind(path)
    with page():
        figure.savefig(file, format=kind, metadata=METADATA[kind])


def _kind(path: Path) -> str:
    kind = path.suffix.lower().removeprefix(".")
    if kind not in METADATA:
        ending = f"ends in {path.suffix}" if path.suffix else "has no ending"
        raise ProbeError(f"{path} {ending}, but a picture is a .png, .pdf or .svg. Name it so.")
    return kind
