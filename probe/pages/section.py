"""A part of a page: what is drawn of the records of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from probe import text
from probe.pages.chart import Chart

NOTHING = Markup()
"""HTML of nothing."""


@dataclass(frozen=True, eq=False)
class Section:
    """A part of a page.

    Attributes:
        title: its heading.
        before: what stands above the charts, as HTML.
        charts: what a reader changes.
        after: what stands beneath them, as HTML.
    """

    title: str
    charts: Sequence[Chart] = ()
    before: Markup = NOTHING
    after: Markup = NOTHING


def filled(template: str, **told: Any) -> Markup:
    """Returns a template of this folder, filled: every text, whoever wrote it, is cleaned and then escaped."""
    environment = Environment(
        loader=PackageLoader("probe", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=cleaned,
    )
    return Markup(environment.get_template(template).render(told))


def paragraphs(lines: Sequence[object], look: str = "") -> Markup:
    """Returns lines as paragraphs, escaped."""
    opened = Markup('<p class="{}">').format(look) if look else Markup("<p>")
    return Markup("").join(opened + text.terminal(line) + Markup("</p>\n") for line in lines)


def cleaned(value: Any) -> Any:
    """Returns a value, of which a text from anybody is without what a terminal obeys."""
    return text.terminal(value) if isinstance(value, str) and not isinstance(value, Markup) else value
