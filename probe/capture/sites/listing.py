"""The sites that can be named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from probe.capture.sites.heads import HeadSite
from probe.capture.sites.site import Site
from probe.capture.sites.state import StateSite
from probe.capture.sites.written import ModuleSite, PartSite
from probe.errors import ProbeError
from probe.registries import registered


@dataclass(frozen=True)
class Registered:
    """A site as it is named.

    Attributes:
        words: what stands there.
        make: returns the site, from what is written behind its name and a colon; None for the stream itself.
    """

    words: str
    make: Callable[[str], Site] | None


SITES: dict[str, Registered] = {
    "stream": Registered("The residual stream, at the read-in and after every block.", None),
    "state": Registered("The recurrent state of every block that has one, after the token.", lambda _: StateSite()),
    "attention": Registered("What every attention writes.", lambda _: PartSite("attention")),
    "mlp": Registered("What every feed-forward part writes.", lambda _: PartSite("mlp")),
    "attention-head": Registered(
        "What every attention head mixes, before the output projection.", lambda _: HeadSite(added=False)
    ),
    "attention-head-output": Registered(
        "What every attention head adds to the stream.", lambda _: HeadSite(added=True)
    ),
    "module": Registered("What a module returns, module:PATH; * in PATH is a block's number.", ModuleSite),
}
"""Every site by its name."""


def site_named(text: str) -> Site | None:
    """Returns the site that a text names; None for the stream.

    Raises:
        ProbeError: if there is no such site, or module is given no path.
    """
    name, _, rest = registered("site", text).partition(":")
    make = SITES[name].make
    if name == "module" and not rest:
        raise ProbeError(
            "--site module was given without a path, but it needs one. Write --site module:layers.*.self_attn."
        )
    if name != "module" and rest:
        raise ProbeError(f"--site {text} was given, but {name} takes nothing behind a colon. Write --site {name}.")
    return None if make is None else make(rest)
