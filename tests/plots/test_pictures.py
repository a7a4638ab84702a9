"""Claims: every kind of picture stands alone: task, checkpoints, prompts and bands are named, axes can be read."""

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from PIL import Image
from shipped import HOLDS, SHIPPED
from standing import FIGURES, ROOT, Picture, found_in, texts, ticks

from probe.errors import ProbeError
from probe.plots import KINDS, PICTURES, View
from probe.plots.canvas import canvas
from probe.plots.panels import OWN_ROWS
from probe.records import Record, load

ELSEWHERE = {"language-comparison", "simplex"}
"""Of the one no record is shipped, and the other's triangles have no axes: tests/plots/test_language.py and
tests/plots/test_simplex.py draw them."""
DRAWN = [name for kind, names in PICTURES.items() for name in names if name not in ELSEWHERE]
UNITS = ("predicting zero", "knowing nothing", "guessing", "zero error")
ABBREVIATIONS = {
    "SimE": "cosine similarity of errors",
    "SPD": "squared difference of predictions",
    "ILWD": "weights",
    "dMMSE": "the posterior over",
    "GD": "gradient descent",
    "GD++": "transform",
    "IgLM": "a language model of",
    "X'": "the inputs",
}
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
    assert any(ticks(axes) for axes in drawn(kind).axes)
    assert found_in(drawn(kind)).ticks == []


@pytest.mark.parametrize("kind", DRAWN)
def test_no_legend_is_higher_than_a_third_of_the_picture(kind):
    assert found_in(drawn(kind)).legend <= 1 / 3


@pytest.mark.parametrize("kind", DRAWN)
def test_abbreviations_are_explained_where_they_stand(kind):
    said = texts(drawn(kind))
    assert [short for short, words in ABBREVIATIONS.items() if short in said and words not in said] == []


@pytest.mark.parametrize("kind", DRAWN)
def test_panels_of_one_quantity_have_one_range(kind):
    assert found_in(drawn(kind)).ranges == {}


@pytest.mark.parametrize("kind", DRAWN)
def test_the_value_1_has_one_word_in_a_picture(kind):
    said = texts(drawn(kind))
    assert len([word for word in UNITS if word in said]) <= 1


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


SHOWN = sorted(path.stem for path in FIGURES.glob("*.png"))
OF_MACHINES = "benchmarks"
"""The picture that shows programs and no task."""
WITHOUT_CHECKPOINTS = {
    "benchmarks",
    "grazzi-figure-11",
    "grazzi-learners",
    "park-table",
    "training-plateau-cubes",
    "training-plateau-parity",
    "verdict",
}
"""Of programs, of algorithms alone, of models that are no checkpoints, the table whose columns are checkpoints, and
trainings that ended where they began, whose weights are not kept."""
TRAININGS = {"training-mamba-transformer", "training-plateau-cubes", "training-plateau-parity"}
"""The pictures of losses: a training draws prompts without end."""


@cache
def found() -> dict[str, Picture]:
    """Returns what is found in every picture that analyses/ draw, from the records in figures/ alone."""
    settings = {"PROBE_BUDGET": "draw", "OMP_NUM_THREADS": "1"}
    python_path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    with TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        done = subprocess.run(
            [sys.executable, str(ROOT / "tests" / "standing.py"), str(out)],
            env=os.environ | settings | {"PYTHONPATH": python_path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return {name: Picture(**one) for name, one in json.loads(out.read_text(encoding="utf-8")).items()}


def test_every_picture_of_figures_is_drawn_from_the_records_beside_it():
    assert sorted(found()) == SHOWN


def test_every_picture_of_figures_names_its_task_its_prompts_and_what_a_band_is():
    tasks = {name for name, one in found().items() if not re.search(r"\btasks? ", one.texts)}
    prompts = {name for name, one in found().items() if not re.search(r"[\d,]+ prompts", one.texts)}
    bands = {name for name, one in found().items() if not re.search(r"\bbands?\b", one.texts)}
    assert (tasks, prompts, bands) == ({OF_MACHINES}, TRAININGS, set())


def test_every_picture_of_figures_names_its_checkpoints_or_says_how_many_they_are():
    known = {path.stem for path in (ROOT / "checkpoints").glob("*.pt")} | {"smollm2-135m", "IgLM"}
    lacking = {
        name
        for name, one in found().items()
        if not re.search(r"\d+ checkpoints", one.texts) and not known & set(re.split(r"[;,|] ", one.texts))
    }
    assert lacking == WITHOUT_CHECKPOINTS


def test_every_axis_of_figures_has_two_tick_labels_at_least():
    assert {name: one.ticks for name, one in found().items() if one.ticks} == {}


def test_no_legend_of_figures_is_higher_than_a_third_of_its_picture():
    assert {name: one.legend for name, one in found().items() if one.legend > 1 / 3} == {}


def test_one_look_of_a_line_means_one_thing_in_every_picture_of_figures():
    assert {name: two for name, one in found().items() if (two := ambiguous(one))} == {}


def ambiguous(picture: Picture) -> list[list[str]]:
    """Returns the entries that look alike and are not the same thing in longer or shorter words.

    A black line without a marker lies at the level that its panel's legend names.
    """
    several = [
        sorted(entries, key=len) for look, entries in picture.looks.items() if not look.startswith("#000000 None")
    ]
    return [names for names in several if not all(names[0] in name for name in names)]


def test_one_quantity_has_one_range_in_all_panels_of_a_picture_or_the_picture_says_that_it_has_several():
    several = {name: one.ranges for name, one in found().items() if one.ranges}
    assert {name: each for name, each in several.items() if OWN_ROWS not in found()[name].texts} == {}


def test_the_value_1_has_one_word_in_every_picture_of_figures():
    words = {name: [word for word in UNITS if word in one.texts] for name, one in found().items()}
    assert {name: said for name, said in words.items() if len(said) > 1} == {}


def test_abbreviations_are_explained_in_every_picture_of_figures():
    lacking = {
        (name, short)
        for name, one in found().items()
        for short, said in ABBREVIATIONS.items()
        if short in one.texts and said not in one.texts
    }
    assert lacking == set()


def test_every_picture_of_figures_is_a_column_or_a_page_wide_and_its_letters_have_five_points_there():
    assert {name for name, one in found().items() if one.width not in PRINTED} == set()
    small = {name: size for name, one in found().items() if (size := one.letters * PRINTED[one.width] / one.width) < 5}
    assert small == {}


PRINTED = {3.5: 85 / 25.4, 7.2: 170 / 25.4}
"""How wide in inches a journal prints a picture of one and of two columns."""


def test_the_files_of_figures_have_these_widths():
    sizes = {}
    for name in SHOWN:
        with Image.open(FIGURES / f"{name}.png") as image:
            sizes[name] = image.width
    assert {name: width for name, width in sizes.items() if width != round(300 * found()[name].width)} == {}
