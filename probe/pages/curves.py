"""What charts of errors share: how heads are drawn, and what is true of every model laid under none of them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from probe.pages.chart import Line
from probe.plots import style

HEADS: dict[str, Line] = {
    "linear": Line(style.name("linear"), "solid"),
    "normed": Line(style.name("normed"), "dashdot"),
    "lens": Line("lens", "dash"),
    "calibrated": Line(style.name("calibrated"), "dot"),
}
"""Heads whose line has a meaning of its own, the usual one first."""
AGREE = 0.02
"""References that differ by at most this share are one."""


def lines(names: Sequence[str], known: dict[str, Line]) -> dict[str, Line]:
    """Returns how each of some heads and learners is drawn, those that are known first."""
    from probe.pages.chart import DASHES

    others = [name for name in dict.fromkeys(names) if name not in known]
    rest = {name: Line(style.name(name), DASHES[place % len(DASHES)]) for place, name in enumerate(others)}
    return {**known, **rest}


def shared(table: pd.DataFrame, chosen: pd.Series[bool], by: Sequence[str]) -> pd.DataFrame:
    """Returns a chart's rows in which what all series agree on stands once, under no series.

    Args:
        chosen: the rows that may be shared, such as those of classical learners.
        by: the columns that tell such rows apart.
    """
    references = table[chosen]
    if references.empty:
        return table
    groups = references.groupby(["line", *by], sort=False, dropna=False)["y"]
    low, high = groups.transform("min"), groups.transform("max")
    agreed = (high - low) <= AGREE * high.abs() + 1e-9
    one = references[agreed].assign(series=None).drop_duplicates(["line", *by])
    return pd.concat([table[~chosen], references[~agreed], one], ignore_index=True)
