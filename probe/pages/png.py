"""A picture as text within a page."""

from __future__ import annotations

import base64
import io

from matplotlib.figure import Figure

from probe.plots import style


def encoded(figure: Figure) -> str:
    """Returns a picture as base64 of its PNG file."""
    file = io.BytesIO()
    with style.page():
        figure.savefig(file, format="png", dpi=200, metadata={"Software": None})
    return base64.b64encode(file.getvalue()).decode()
