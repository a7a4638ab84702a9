"""What may be read of a model beside its stream: states, attention, feed-forward blocks, heads, any module."""

from probe.capture.sites.listing import SITES, Registered, site_named
from probe.capture.sites.memory import half_memory, influences
from probe.capture.sites.narrow import Narrow
from probe.capture.sites.reading import AtSite, capture_site
from probe.capture.sites.site import Cell, Site
from probe.capture.sites.stepped import states_after_tokens

__all__ = [
    "SITES",
    "AtSite",
    "Cell",
    "Narrow",
    "Registered",
    "Site",
    "capture_site",
    "half_memory",
    "influences",
    "site_named",
    "states_after_tokens",
]
