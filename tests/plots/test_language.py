"""Claims: both pictures draw what the record holds, redraw to the byte, and refuse other records with a sentence."""

import pandas as pd
import pytest

from probe.errors import ProbeError
from probe.plots import View, language_accuracy, language_curves, save_figure
from probe.records import Record

PUBLISHED = {"antonyms": {"Mamba 0.13B": [0.34, 0.26], "LLaMA 7B": [0.76, 0.33]}}


def row(model, task, context, value, **further):
    given = {"layer": 2, "depth": 1.0, "target": "answer", "head": "model", "metric": "accuracy", "tasks": 1}
    ends = {"value_low": value - 0.05, "value_high": value + 0.05, "error": 1 - value}
    return {"model": model, "task": task, "context": context, "value": value, **given, **ends, **further}


def evaluated(models=("a", "b"), mean=True):
    rows = [
        row(model, task, context, 0.1 * context + 0.1 * place)
        for place, model in enumerate(models)
        for task in ("antonyms", "to_upper")
        for context in (0, 5)
    ]
    if mean:
        rows += [row(model, "mean", context, 0.1 * context, tasks=2) for model in models for context in (0, 5)]
    rows += [row("a", "antonyms", 5, 0.9, metric="prefix")]
    return Record(pd.DataFrame(rows), {"kind": "language", "published": PUBLISHED})


def fitted(models=("a",), tasks=("antonyms", "to_upper")):
    rows = []
    for model in models:
        for task in tasks:
            for context in (0, 5):
                for layer in range(3):
                    lens = {"layer": layer, "head": "lens"}
                    rows.append(row(model, task, context, 0.2 * layer, **lens))
                    rows.append(row(model, task, context, 0.1 * layer, **lens, metric="probability"))
                    rows.append(row(model, task, context, 10.0 ** (3 - layer), **lens, metric="rank"))
            rows += [row(model, task, 5, 0.3, layer=layer, head="task_vector") for layer in range(3)]
            rows += [
                row(model, task, 5, value, layer=None, head=h)
                for h, value in (("demonstrations", 0.8), ("zero_shot", 0.1))
            ]
    return Record(pd.DataFrame(rows), {"kind": "language-layers", "models": {m: {"blocks": 2} for m in models}})


def lines(axes):
    return {line.get_label(): list(line.get_ydata()) for line in axes.lines if not line.get_label().startswith("_")}


def test_the_mean_over_tasks_is_drawn_and_every_task_beside_it():
    left, right = language_accuracy([evaluated()]).axes
    assert lines(left) == {"a": [0, 0.5], "b": [0, 0.5]}
    assert "mean of 2 tasks" in left.get_ylabel()
    drawn = {line.get_label(): line.get_xdata()[0] for line in right.lines}
    assert drawn["a antonyms"] == 0.5
    assert drawn["b to_upper"] == 0.6
    assert [tick.get_text() for tick in right.get_yticklabels()] == ["antonyms", "to upper"]


def test_published_accuracies_stand_at_five_demonstrations_alone():
    def ticks(figure):
        return [list(line.get_xdata()) for line in figure.axes[1].lines if line.get_marker() == "|"]

    assert ticks(language_accuracy([evaluated()])) == [[0.34, 0.76]]
    assert ticks(language_accuracy([evaluated()], View(context=0))) == []


def test_without_a_mean_the_tasks_are_drawn():
    left = language_accuracy([evaluated(("a",), mean=False)]).axes[0]
    assert len(left.lines) == 2


def test_a_panel_for_every_head_and_metric_and_a_curve_for_every_task():
    figure = language_curves([fitted()])
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert [title.split(":")[0].split(" ")[0] for title in titles] == ["lens", "lens", "lens", "accuracy"]
    accuracy, _, rank, vectors = figure.axes
    assert lines(accuracy)["antonyms 5"] == pytest.approx([0, 0.2, 0.4])
    assert set(lines(accuracy)) == {"antonyms 5", "antonyms 0", "to upper 5", "to upper 0"}
    assert rank.get_yscale() == "log"
    assert rank.yaxis_inverted()
    assert sum(line.get_linestyle() == "--" or line.is_dashed() for line in vectors.lines) == 4
    assert len(lines(language_curves([fitted()], View(context=5)).axes[0])) == 2


def test_models_are_told_apart_where_there_are_several():
    figure = language_curves([fitted(("a", "b"), ("antonyms",))], View(x="depth"))
    assert set(lines(figure.axes[0])) == {"a 5", "a 0", "b 5", "b 0"}
    assert list(figure.axes[0].lines[0].get_xdata()) == [0, 0.5, 1]


@pytest.mark.parametrize(("draw", "record"), [(language_accuracy, evaluated()), (language_curves, fitted())])
def test_pictures_repeat_to_the_byte_and_refuse_what_does_not_fit(draw, record, tmp_path):
    files = [save_figure(draw([record]), tmp_path / name) for name in ("one.png", "other.png")]
    assert files[0].read_bytes() == files[1].read_bytes()
    for records, words in (([], "No record"), ([Record(pd.DataFrame({"model": ["a"], "layer": [1]}), {})], "Give its")):
        with pytest.raises(ProbeError, match=words):
            draw(records)
    with pytest.raises(ProbeError, match="emonstrations"):
        draw([record], View(context=3))
    with pytest.raises(ProbeError, match="no use"):
        draw([record], View(heads=("lens",)))


def test_a_record_of_another_verb_is_refused_by_every_picture_of_language():
    compared = Record(pd.DataFrame([{"task": "a", "metric": "accuracy", "value": 0.5, "difference": 0.1}]), {})
    for draw, other in ((language_accuracy, compared), (language_curves, compared), (language_curves, evaluated())):
        with pytest.raises(ProbeError, match=r"Give its \.csv"):
            draw([other])
