"""Claims: the picture of states shows every layer's cosine beside what algorithms reach, and every site and target."""

import numpy as np
import pandas as pd
import pytest

from probe.errors import ProbeError
from probe.plots.states import draw_states
from probe.records import EVIDENCE_COLUMNS

EXAMPLES = (1, 4, 8)


def row(metric, value, **rest):
    found = {"model": "m", "evidence": "states", "metric": metric, "value": value, "low": value, "high": value}
    return {name: (found | rest).get(name) for name in EVIDENCE_COLUMNS}


def table(sites=("state", "stream", "gate")):
    rows = []
    for count in EXAMPLES:
        rows += [row("cosine with w", 0.9, head=head, context=count) for head in ("least_squares", "gradient")]
        for layer in (1, 2):
            for site in sites:
                for head, value in (
                    ("linear", 0.1 * layer * count**0.5),
                    ("linear, shuffled", 0.0),
                    ("linear, untrained", 0.1),
                ):
                    where = {"site": f"{site} at y", "layer": layer, "context": count}
                    rows.append(row("cosine with w", value, head=head, **where))
    for layer in (1, 2):
        for site in sites:
            for target in ("w", "gradient"):
                where = {"site": f"{site} at y", "layer": layer, "context": 8}
                rows.append(row(f"error of {target}", 0.5 / layer, head="linear", **where))
    return pd.DataFrame(rows)


def line(axes, label):
    (found,) = [one for one in axes.get_lines() if one.get_label() == label]
    return found


def test_every_layers_cosine_is_drawn_against_the_examples():
    panels = draw_states(table(), "a title").axes
    assert len(panels) == 4
    for layer in (1, 2):
        np.testing.assert_allclose(line(panels[0], f"layer {layer}").get_xdata(), EXAMPLES)
        np.testing.assert_allclose(line(panels[0], f"layer {layer}").get_ydata(), 0.1 * layer * np.sqrt(EXAMPLES))
    assert line(panels[0], "least_squares").get_color() == "black"
    assert line(panels[0], "linear, shuffled").get_ydata().max() == 0
    assert line(panels[0], "layer 1").get_color() == line(panels[1], "layer 1").get_color()


def test_sites_and_targets_are_drawn_along_the_layers():
    panels = draw_states(table()).axes
    np.testing.assert_allclose(line(panels[2], "gate").get_ydata(), [0.1 * 8**0.5, 0.2 * 8**0.5])
    np.testing.assert_allclose(line(panels[3], "gradient").get_ydata(), [0.5, 0.25])


def test_a_model_without_states_is_drawn_by_its_stream():
    assert len(draw_states(table(("stream",))).axes) == 3


def test_other_records_are_refused():
    with pytest.raises(ProbeError, match="no rows of states"):
        draw_states(table().assign(evidence="known"))
    with pytest.raises(ProbeError, match="shows one model"):
        draw_states(pd.concat([table(), table().assign(model="n")]))


def test_every_panel_has_its_own_legend_and_no_colour_two_meanings():
    figure = draw_states(table())
    assert all(axes.get_legend() is not None for axes in figure.axes)
    sites, held = figure.axes[-2:]
    colours = [
        {handle.get_color() for handle in axes.get_legend().get_lines()} - {"black", "#777777"}
        for axes in (sites, held)
    ]
    assert all(colours)
    assert not colours[0] & colours[1]
