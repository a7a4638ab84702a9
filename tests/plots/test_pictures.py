"""Claims: every kind of picture stands alone: task, checkpoints, prompts and bands are named, axes can be read."""

import re
from functools import cache
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.legend import Legend
from matplotlib.text import Text

from probe.errors import ProbeError
from probe.plots import KINDS, PICTURES, View
from probe.plots.canvas import canvas
from probe.records import Record, load

FIGURES = Path(__file__).parents[2] / "figures"
SHIPPED = {
    "fit": "fit-mamba-transformer-linear",
    "train": "mamba-training",
    "evaluate": "evaluate-skewed_linear-500",
    "compare": "compare-seeds",
    "claim": "claim-mamba",
    "health": "health-mamba",
    "language": "language-smollm2-135m",
    "language-layers": "language-lens-smollm2-135m",
}
"""A shipped record of each kind of record; of some kinds of picture another, which holds what they show."""
HOLDS = {"calibration": "grazzi-layers-skewed20-40", "steps": "through-layers"}
ELSEWHERE = {"language-comparison", "simplex"}
"""Of the one no record is shipped, and the other's triangles have no axes: tests/plots/test_language.py and
tests/plots/test_simplex.py draw them."""
DRAWN = [name for kind, names in PICTURES.items() for name in names if name not in ELSEWHERE]
ABBREVIATIONS = {"SimE": "cosine similarity of errors", "SPD": "squared difference of predictions", "ILWD": "weights"}
"""What a picture may call by its initials, and a part of what then explains it."""


def record_of(kind: str) -> Record:
    """Returns a record that holds what a kind of picture shows."""
    of = next(of for of, names in PICTURES.items() if kind in names)
    return load(FIGURES / HOLDS.get(kind, SHIPPED[of]))


@cache
def drawn(kind: str) -> Figure:
    """Returns a kind's picture, laid out as it is saved."""
    figure = KINDS[kind]([record_of(kind)], View())
    figure.canvas.draw()
    return figure


def texts(figure: Figure) -> str:
    """Returns all that is written in a picture, with line breaks as spaces."""
    found = [one.get_text() for one in figure.findobj(Text) if one.get_visible()]
    return re.sub(r"\s+", " ", " | ".join(found))


def ticks(axes: Axes) -> list[tuple[str, int]]:
    """Returns how many tick labels within its range each axis of a panel shows; one without any is shared."""
    found = []
    for place, axis in enumerate((axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        slack = 1e-6 * (high - low)
        labels = [one for which in ("major", "minor") for one in axis.get_ticklabels(which=which)]
        shown = [one for one in labels if one.get_text() and low - slack <= one.get_position()[place] <= high + slack]
        if any(one.get_visible() for one in labels):
            found.append(("xy"[place], len(shown)))
    return found


@pytest.mark.parametrize("kind", DRAWN)
def test_a_picture_names_task_checkpoint_prompts_and_what_a_band_is(kind):
    record, said = record_of(kind), texts(drawn(kind))
    assert re.search(r"\btasks? ", said)
    models = list(record.provenance.get("models") or record.table["model"].unique())
    assert all(name in said for name in models) if len(models) <= 4 else f"{len(models)} checkpoints" in said
    assert re.search(r"[\d,]+ prompts", said) or kind == "training"  # a training draws prompts without end
    assert re.search(r"\bbands?\b", said)


@pytest.mark.parametrize("kind", DRAWN)
def test_every_axis_has_two_tick_labels_at_least(kind):
    panels = [axes for axes in drawn(kind).axes if axes.axison and axes.get_visible()]
    assert panels
    assert {(axes.get_title("left"), *pair) for axes in panels for pair in ticks(axes) if pair[1] < 2} == set()


@pytest.mark.parametrize("kind", DRAWN)
def test_no_legend_is_higher_than_a_third_of_the_picture(kind):
    figure = drawn(kind)
    heights = [one.get_window_extent().height / figure.bbox.height for one in figure.findobj(Legend)]
    assert max(heights, default=0.0) <= 1 / 3


@pytest.mark.parametrize("kind", DRAWN)
def test_abbreviations_are_explained_where_they_stand(kind):
    said = texts(drawn(kind))
    assert [short for short, words in ABBREVIATIONS.items() if short in said and words not in said] == []


@pytest.mark.parametrize("kind", DRAWN)
def test_the_value_1_has_one_word_in_a_picture(kind):
    said = texts(drawn(kind))
    units = [word for word in ("predicting zero", "knowing nothing", "guessing", "zero error") if word in said]
    assert len(units) <= 1


@pytest.mark.parametrize("kind", DRAWN)
def test_a_picture_is_drawn_into_a_figure_or_a_part_of_one_that_is_given(kind):
    page = Figure(figsize=(14, 12), layout="constrained")
    above, beneath = page.subfigures(2, 1)
    assert isinstance(beneath, SubFigure)
    assert KINDS[kind]([record_of(kind)], View(ax=beneath)) is page
    inside = [axes for axes in beneath.findobj(Axes) if axes.axison]
    assert len(inside) == len([axes for axes in drawn(kind).axes if axes.axison])
    assert above.findobj(Axes) == []


@pytest.mark.parametrize("kind", DRAWN)
def test_axes_that_are_given_hold_a_picture_of_one_panel_and_one_of_several_says_how_many_it_has(kind):
    axes = Figure(layout="constrained").subplots()
    several = sum(one.axison and one.get_label() != "<colorbar>" for one in drawn(kind).axes) > 1
    if not several or kind == "training":  # which draws the loss alone
        assert KINDS[kind]([record_of(kind)], View(ax=axes)) is axes.figure
        assert axes.has_data()
        return
    with pytest.raises(ProbeError, match=r"this picture has \d+ panels. Give a figure or subfigure as ax"):
        KINDS[kind]([record_of(kind)], View(ax=axes))


def test_what_is_drawn_into_is_what_was_given():
    figure = Figure()
    assert canvas(figure, 1, 1.0) is figure
