"""Claims: no foreign text becomes a formula, a hidden entry or a wall; a line says what a picture shows."""

import pandas as pd
import pytest
from matplotlib.figure import Figure

from probe.language.tasks import LANGUAGE_TASKS
from probe.plots import View, layer_curve, words
from probe.records import Record, with_dtypes


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("a$b$", r"a\$b\$"),
        ("_hidden", " _hidden"),
        ("red\x1b[31m\nline\u202eback", "red?[31m?line?back"),
        ("x" * 500, "x" * 57 + "..."),
        ("mamba-2, seed 1", "mamba-2, seed 1"),
    ],
)
def test_foreign_text_is_shown_as_what_it_is(foreign, shown):
    assert words.text(foreign) == shown


def record(
    model: str = "m", task: str = "linear", units: dict | None = None, targets: tuple[str, ...] = ("y",)
) -> Record:
    rows = [
        {"model": model, "layer": layer, "context": 3, "target": target, "head": "linear", "error": 0.5**layer}
        | {"low": 0.4**layer, "high": 0.6**layer, "prompts": 128, "mse": 1.0, "depth": layer / 2}
        for target in targets
        for layer in range(3)
    ]
    about = {"kind": "fit", "config": {"task": task}, "models": {model: {"blocks": 2}}}
    return Record(with_dtypes(pd.DataFrame(rows)), about | ({} if units is None else {"units": units}))


def drawn(figure: Figure) -> str:
    figure.canvas.draw()
    return " ".join(text.get_text() for text in figure.findobj(match=lambda one: hasattr(one, "get_text")))


def test_dollars_and_escapes_in_names_and_titles_are_drawn_as_letters():
    figure = layer_curve([record("a$x$b", task="linear:x$y$=1")], View(title="cost $5 or $6"))
    shown = drawn(figure)
    assert r"a\$x\$b (2 blocks)" in shown
    assert r"cost \$5 or \$6" in shown


def test_a_picture_names_task_checkpoint_prompts_and_band():
    shown = drawn(layer_curve([record()])).replace("\n", " ")
    assert "task linear; m; 128 prompts; bands: 95 % by prompt, each point's own" in shown


@pytest.mark.parametrize(
    ("task", "units", "label"),
    [
        ("linear", None, "1 = predicting zero"),
        ("sparse_parity:size=2", None, "1 = knowing nothing"),
        ("linear", {"y": "knowing nothing"}, "1 = knowing nothing"),
        ("linear", {"y": "something $else$"}, r"1 = something \$else\$"),
    ],
)
def test_the_unit_is_the_records_and_of_older_ones_their_tasks(task, units, label):
    assert label in layer_curve([record(task=task, units=units)]).axes[0].get_ylabel()


def test_two_targets_have_two_panels_on_one_axis_each_under_its_unit():
    figure = layer_curve([record(targets=("y", "w"), units={"y": "knowing nothing", "w": "predicting zero"})])
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "target y, 3 examples in context",
        "target w, 3 examples in context",
    ]
    assert ["knowing nothing" in axes.get_ylabel() for axes in figure.axes] == [True, False]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    (alone,) = layer_curve([record(targets=("y", "w"))], View(target="w")).axes
    assert alone.get_title(loc="left") == "target w, 3 examples in context"


@pytest.mark.parametrize("task", sorted(LANGUAGE_TASKS))
def test_a_task_of_word_pairs_is_told_without_abbreviations_of_languages(task):
    told = words.pairs(task)
    assert "_" not in told
    assert not {"en", "es", "fr", "it", "prev"} & set(told.split())
