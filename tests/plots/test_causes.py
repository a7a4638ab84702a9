"""Claims: the picture of interventions shows every kind that its rows have, one row of panels a model."""

import pandas as pd
import pytest

from probe.errors import ProbeError
from probe.plots.causes import causes_figure
from probe.records import EVIDENCE_COLUMNS, Record

LAYERS = range(3)


def line(model, site, metric, value, layer=None, head=None):
    cells = [model, "causes", site, head, layer, None, None, 10, metric, value, value / 2, value * 2, 64]
    return dict(zip(EVIDENCE_COLUMNS, cells, strict=True))


def table(model, recurrent):
    rows = [line(model, "whole", "error", 0.01)]
    for layer in LAYERS:
        rows += [line(model, "stream", "share", 0.4, layer), line(model, "stream", "r2", 0.9, layer, "linear")]
        rows += [line(model, f"steer:{way}", "slope", 0.5, layer, "linear") for way in ("head", "pattern", "random")]
        rows += [line(model, "exit", "error", 0.3, layer, head) for head in ("linear", "lens")]
        rows += [line(model, edit, "error", 0.2, layer) for edit in ("skip", "repeat", "swap") if layer]
        if recurrent and layer:
            rows += [line(model, "state", "share", 0.3, layer), line(model, "mean:B", "error", 0.02, layer)]
    return pd.DataFrame(rows)


def panels(figure):
    return [axes for part in figure.subfigs for axes in part.axes if axes.get_visible()]


def titles(figure):
    return [axes.get_title("left") for axes in panels(figure)]


def drawn(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def test_every_kind_with_rows_has_a_panel_and_no_other():
    whole = causes_figure([Record(table("mamba", True), {"kind": "claim"})])
    assert len(titles(whole)) == 6
    fewer = causes_figure([Record(table("transformer", False), {"kind": "claim"})])
    assert titles(fewer) == [
        "stream at the query exchanged", "steered along the head", "blocks edited", "all later blocks left out"
    ]  # fmt: skip


def test_curves_hold_the_values_and_the_level_is_the_error_of_the_whole():
    figure = causes_figure([Record(table("mamba", True), {"kind": "claim"})])
    edited = next(axes for axes in panels(figure) if axes.get_title("left") == "blocks edited")
    lines = drawn(edited)
    assert lines["skipped"].get_xdata().tolist() == [1, 2]
    assert lines["skipped"].get_ydata().tolist() == [0.2, 0.2]
    assert lines["level"].get_ydata()[0] == 0.01
    assert edited.get_yscale() == "log"
    assert len(edited.collections) == 3


def test_a_model_without_states_beside_one_with_them_says_so():
    both = pd.concat([table("mamba", True), table("transformer", False)])
    figure = causes_figure([Record(both, {"kind": "claim"})])
    assert [part._suptitle.get_text() for part in figure.subfigs] == [
        "mamba: 10 examples in context, 64 prompts", "transformer: 10 examples in context, 64 prompts"
    ]  # fmt: skip
    assert len(titles(figure)) == 12
    silent = [axes.get_title("left") for axes in panels(figure) if axes.texts]
    assert silent == ["states exchanged, block by block", "internals held at their mean"]


def test_a_record_without_interventions_is_refused():
    other = table("mamba", True).assign(evidence="trend")
    for given in (other, pd.DataFrame({"model": ["mamba"]})):
        with pytest.raises(ProbeError, match="no interventions to draw"):
            causes_figure([Record(given, {"kind": "claim"})])


def test_two_records_of_one_checkpoint_are_not_laid_into_one_panel():
    same = [Record(table("mamba", True), {"kind": "claim"}) for _ in range(2)]
    with pytest.raises(ProbeError, match="Records of mamba were given twice"):
        causes_figure(same)
