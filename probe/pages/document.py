"""A page as one file: style, scripts and numbers within it, and a policy that lets nothing in from outside."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from probe import text
from probe.pages.origin import commands, origins
from probe.pages.section import Section, filled
from probe.records import Record

SCRIPTS = ("text", "state", "look", "curves", "map", "table", "controls", "download", "again", "start")
"""Our own scripts, in the order in which one uses those before it."""


def document(
    sections: Sequence[Section],
    found: Sequence[Record],
    names: Sequence[str],
    standing: Sequence[str] = (),
    every: int = 0,
) -> bytes:
    """Returns a page of sections as the bytes of one HTML file.

    Args:
        found: the records that it is drawn from.
        names: their files, as far as there are any.
        standing: sentences on the trainings that it shows.
        every: seconds after which it loads itself anew; never unless given.
    """
    charts = [chart for section in sections for chart in section.charts]
    library, own = _library() if charts else "", _own() if charts else ""
    style = _read("page.css")
    lines = commands(found, names)
    page = filled(
        "page.html",
        title=text.line("; ".join(section.title for section in sections)),
        policy=policy([library, own]) if charts else policy([]),
        style=Markup(style),
        standing=list(standing),
        every=every,
        sections=_placed(sections),
        commands=[asdict(line) for line in lines],
        origins=origins(found, names),
        library=Markup(library),
        script=Markup(own),
        numbers=Markup(_json({"charts": [chart.plain() for chart in charts], "command": lines[-1].line})),
    )
    return page.encode()


def policy(scripts: Sequence[str]) -> str:
    """Returns a content security policy: these scripts alone, no other source, no request, no eval.

    Styles are free within the page, since plotly.js sets them as it draws.
    """
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts) or "'none'"
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _library() -> str:
    """Returns the script of plotly.js, as the package plotly brings it."""
    from plotly.offline import get_plotlyjs

    script = str(get_plotlyjs())
    assert "</script" not in script.lower(), "it would end where it stands"
    return script.replace("\r\n", "\n")


def _own() -> str:
    return '"use strict";\n' + "\n".join(_read(f"scripts/{name}.js") for name in SCRIPTS)


def _read(name: str) -> str:
    return files("probe.pages").joinpath(name).read_text(encoding="utf-8")


def _placed(sections: Sequence[Section]) -> list[dict[str, Any]]:
    """Returns sections with the places of their charts among all charts of the page."""
    placed, first = [], 0
    for section in sections:
        places = range(first, first + len(section.charts))
        first += len(section.charts)
        charts = [{"place": place, "title": chart.title} for place, chart in zip(places, section.charts, strict=True)]
        placed.append({"title": section.title, "before": section.before, "after": section.after, "charts": charts})
    return placed


def _json(value: object) -> str:
    """Returns JSON that ends no script element, whatever texts it holds."""
    written = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        written = written.replace(letter, f"\\u{ord(letter):04x}")
    return written
