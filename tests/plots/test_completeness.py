"""Claims: the picture of completeness shows every way of exchanging an answer, and says what 1 and 0 mean."""

import numpy as np
import pandas as pd
import pytest

from probe.errors import ProbeError
from probe.evidence.causes.completeness import WAYS as COUNTED
from probe.plots.completeness import METRICS, WAYS, completeness_figure, draw_completeness
from probe.plots.rows import in_column
from probe.plots.style import COLOURS
from probe.records import EVIDENCE_COLUMNS, Record

VALUES = {"completeness": 0.2, "selectivity": 0.8, "reliability": 0.32}


def row(site, metric, value, layer):
    cells = ["m", "causes", site, "linear", layer, None, None, 10, metric, value, value - 0.1, value + 0.1, 64]
    return dict(zip(EVIDENCE_COLUMNS, cells, strict=True))


def table(ways=tuple(WAYS)):
    return pd.DataFrame(
        [
            row(way, metric, value * (1 + 0.1 * place), layer)
            for place, way in enumerate(ways)
            for metric, value in VALUES.items()
            for layer in (0, 1, 2)
        ]
    )


def drawn(axes):
    return {line.get_label(): line for line in axes.get_lines() if not line.get_label().startswith("_")}


def test_every_way_that_is_measured_is_drawn_in_a_colour_line_and_marker_of_its_own():
    assert set(WAYS) == {f"counterfactual:{way}" for way in COUNTED}
    looks = list(zip(*(look[1:] for look in WAYS.values()), strict=True))
    assert all(len(set(kind)) == len(WAYS) for kind in looks)
    assert set(looks[0]) <= set(COLOURS)


@pytest.mark.parametrize("drawn_by", [draw_completeness, lambda rows: in_column(draw_completeness, rows)])
def test_a_panel_a_metric_holds_its_values_by_layer_with_their_bands(drawn_by):
    panels = drawn_by(table()).axes
    assert [axes.get_title("left").split("\n")[0] for axes in panels] == list(METRICS)
    for axes, value in zip(panels, VALUES.values(), strict=True):
        lines = drawn(axes)
        assert list(lines) == [look[0] for look in WAYS.values()]
        for place, line in enumerate(lines.values()):
            np.testing.assert_array_equal(line.get_xdata(), [0, 1, 2])
            np.testing.assert_allclose(line.get_ydata(), value * (1 + 0.1 * place))
        assert len(axes.collections) == len(WAYS)
        assert "1 = " in axes.get_ylabel()
        assert "0 = " in axes.get_ylabel()
    assert len({tuple(axes.get_position().bounds[:2]) for axes in panels}) == 3


def test_a_way_without_rows_is_not_in_the_legend():
    figure = draw_completeness(table(("counterfactual:stream",)))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        WAYS["counterfactual:stream"][0],
        "95 % band, by prompt",
    ]


def test_interventions_of_another_kind_are_refused():
    other = table().assign(site="steer:head")
    with pytest.raises(ProbeError, match="no rows of causes"):
        completeness_figure([Record(other, {"kind": "claim"})])
