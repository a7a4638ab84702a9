"""The pictures of a claim's evidence: what each shows, and the criteria that it stands beside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from probe.errors import ProbeError
from probe.pages.png import encoded
from probe.plots import style
from probe.plots.causes import draw_causes
from probe.plots.completeness import draw_completeness
from probe.plots.evidence import (
    draw_curves,
    draw_distances,
    draw_similarities,
    draw_steps,
    draw_transfer,
    draw_unexplained,
)
from probe.plots.exchanged import draw_exchanged
from probe.plots.influence import draw_influence
from probe.plots.known import draw_known
from probe.plots.loop import draw_moved
from probe.plots.one_map import draw_one_map
from probe.plots.online import draw_online
from probe.plots.rows import in_column
from probe.plots.spectral import draw_spectral
from probe.plots.states import draw_states
from probe.records import Record, with_dtypes


@dataclass(frozen=True)
class Picture:
    """A picture of the report, drawn where one of its kinds of evidence is there.

    Attributes:
        criteria: those that it stands beside, the first on the page with the picture and the others with a link; a
            picture of none stands beneath them.
    """

    evidence: str
    draw: Callable[[Record], Figure]
    caption: str
    criteria: tuple[str, ...] = ()


def _one_column(*panels: Callable[[Axes, pd.DataFrame], None]) -> Callable[[Record], Figure]:
    """Returns what draws panels beneath one another, as wide as a telephone."""

    def draw(record: Record) -> Figure:
        with style.page():
            figure = style.new_figure(1, 3.1 * len(panels), None)
            for panel, axes in zip(panels, figure.subplots(len(panels), 1, squeeze=False)[:, 0], strict=True):
                panel(axes, with_dtypes(record.table))
        return figure

    return draw


def _causes(record: Record) -> Figure:
    with style.page():
        figure = style.new_figure(1, 1.0, None)
        draw_causes(record.table, figure, across=1)
    return figure


PICTURES: tuple[Picture, ...] = (
    Picture(
        "curve",
        _one_column(draw_curves),
        "Error by layer, of heads refitted at every layer, of the last layer's head applied at all, of the lens, and "
        "of the nulls in grey. Bands: 95 % by prompt, for all layers at once.",
        (
            "gradual fall",
            "beyond an untrained model",
            "beyond one fixed function",
            "no leak between prompts",
            "inputs alone",
            "lens",
        ),
    ),
    Picture("transfer", _one_column(draw_transfer), "Every layer's head at every other.", ("one direction",)),
    Picture(
        "loop",
        lambda record: draw_exchanged(record.table, "share"),
        "A quarter of the stream at one layer, its part that heads read the answer by, or a block's state is exchanged "
        "for another prompt's: how far the model's own answer follows, beside how far the layer's own answer does. "
        "At 0 nothing after the layer uses it.",
        ("used by later blocks",),
    ),
    Picture(
        "causes",
        lambda record: in_column(draw_completeness, record.table),
        "A layer's answer at the query is exchanged for another prompt's. Complete: the model then answers as the "
        "other prompt would have it; an answer that is decoded and acts on nothing is at 0. Selective: what heads "
        "read of the query and of the examples stays. Bands: 95 % by prompt.",
        ("used by later blocks",),
    ),
    Picture(
        "loop",
        lambda record: draw_exchanged(record.table, "kept"),
        "The same exchange: which share of the answer that it brought is left after the later blocks. Where nothing "
        "corrects it all of it is left, 1.",
        ("closed loop",),
    ),
    Picture(
        "map",
        lambda record: in_column(draw_one_map, record.table),
        "Every block is run in its neighbour's place: what its map leaves of the neighbour's step, beside what would "
        "be left if blocks wrote the same whatever they read; and how large the steps are.",
        ("one map",),
    ),
    Picture(
        "matching",
        _one_column(draw_distances, draw_unexplained),
        "How far the layers' answers are from the closest algorithms' steps, each scaled, beside the final answer "
        "scaled; and which share of the final answer's distance the algorithms leave, on all prompts and on those "
        "whose examples are conditioned best and worst.",
        ("a named family",),
    ),
    Picture(
        "matching",
        _one_column(draw_steps, draw_similarities),
        "Which steps of the closest algorithms these are, and how similar they are to the layers' answers in "
        "direction.",
    ),
    Picture(
        "online",
        lambda record: in_column(draw_online, record.table),
        "How online learners, and algorithms that take all examples at once, follow w from example to example; and "
        "what another order of the examples changes.",
        ("online learner", "online state"),
    ),
    Picture(
        "spectral",
        lambda record: in_column(draw_spectral, record.table),
        "How much of w each layer's answers hold along every eigenvector of X'X, by its eigenvalue, beside what "
        "gradient descent and ridge regression would hold; beneath, what the closest algorithm holds at the steps that "
        "the layers stand at, without what the model itself ends off by; and what of the answers is not linear in the "
        "query.",
    ),
    Picture(
        "known",
        lambda record: in_column(draw_known, record.table),
        "What linear heads read at the query: the answer, w, and what algorithms would hold; what each block wrote of "
        "what was still missing; and a two-layer head beside the linear one, with both on the untrained model.",
    ),
    Picture(
        "states",
        lambda record: in_column(draw_states, record.table),
        "What stands inside the blocks after each example: the cosine of w with what heads read of it, beside those "
        "that algorithms reach; and the errors by site and by target.",
    ),
    Picture(
        "influence",
        lambda record: in_column(draw_influence, record.table),
        "By how much each example's y moves the answer, beside least squares; and where a Mamba's implicit attention "
        "falls.",
    ),
    Picture(
        "causes",
        _causes,
        "What the answer does when the stream or a state is exchanged for that of other examples, when it is steered "
        "along the heads' directions, when blocks are skipped, repeated or exchanged, and when parts of a block are "
        "switched off.",
    ),
    Picture(
        "loop",
        lambda record: in_column(draw_moved, record.table),
        "What later blocks keep of an answer that was moved along what heads read of it, at the query alone; and how "
        "much of the final answer is fixed there.",
    ),
)
"""Every picture, those of criteria first; one more is one more line."""


def drawn(picture: Picture, record: Record, number: str) -> dict[str, Any] | None:
    """Returns a picture, or None where the record does not hold what it shows."""
    if not (record.table["evidence"] == picture.evidence).any():
        return None
    try:
        figure = picture.draw(record)
    except ProbeError:  # of this kind of evidence there is another part
        return None
    return {"id": f"picture-{number}", "caption": picture.caption, "data": encoded(figure)}
