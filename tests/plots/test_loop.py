"""Claims: the picture of the loop shows what is kept of a moved answer, what reaches the model's, and what is fixed."""

import numpy as np
import pandas as pd
import pytest

from probe.errors import ProbeError
from probe.evidence.contraction import SITE
from probe.evidence.criteria.loop import KEPT
from probe.evidence.exchanged import PLACES, READ_PLACES, STATE
from probe.plots.exchanged import PANELS, SITES, THRESHOLD, UNCORRECTED, draw_exchanged
from probe.plots.loop import draw_loop
from probe.records import EVIDENCE_COLUMNS


def row(metric, value, **rest):
    found = {"model": "m", "evidence": "loop", "metric": metric, "value": value, "low": value, "high": value}
    return {name: (found | rest).get(name) for name in EVIDENCE_COLUMNS}


def table(moved=("y", "w")):
    rows = [row(metric, 0.3 * layer, site="query", layer=layer) for metric in ("share", "read") for layer in range(4)]
    for name in moved:
        head = {"y": "linear", "w": "linear, w"}[name]
        for way in ("head", "pattern"):
            site = f"query, {name} by {way}"
            for layer in (1, 2, 3):
                rows.append(row("carry", 0.2 * layer, site=site, head="model", layer=layer))
                for later in range(layer, 4):
                    value = 0.5 ** (later - layer) * (1 if way == "pattern" else 7)
                    rows.append(row("kept", value, site=site, head=head, layer=layer, other_layer=later))
    return pd.DataFrame(rows)


def line(axes, label):
    (found,) = [one for one in axes.get_lines() if one.get_label() == label]
    return found


def test_what_is_kept_is_a_line_from_the_layer_where_it_was_moved():
    panels = draw_loop(table(), "a title").axes
    assert len(panels) == 4
    for axes in panels[:2]:
        np.testing.assert_allclose(line(axes, "layer 1").get_xdata(), [1, 2, 3])
        np.testing.assert_allclose(line(axes, "layer 1").get_ydata(), [1, 0.5, 0.25])
        np.testing.assert_allclose(line(axes, "layer 3").get_ydata(), [1])
    np.testing.assert_allclose(line(panels[2], "w moved, shortest vector").get_ydata(), [0.2, 0.4, 0.6])
    np.testing.assert_allclose(line(panels[3], "share").get_ydata(), [0, 0.3, 0.6, 0.9])
    assert all(axes.get_legend() is not None for axes in panels)


@pytest.mark.parametrize(("moved", "panels"), [(("y",), 3), ((), 2)])
def test_a_model_whose_weights_or_answer_no_head_reads_has_fewer_panels(moved, panels):
    assert len(draw_loop(table(moved)).axes) == panels


def exchanged(kept=0.3):
    sites = {"exchanged at query": 1.0, "exchanged at all tokens": 0.5}
    metrics = (("kept", kept, "read"), ("share", 1.0, "model"), ("known", 0.8, "model"))
    return pd.DataFrame(
        [
            row(metric, value * times * (layer / 4 if metric == "share" else 1), site=site, head=head, layer=layer)
            for site, times in sites.items()
            for metric, value, head in metrics
            for layer in (1, 2, 3)
        ]
    )


def test_what_is_left_of_an_exchanged_answer_stands_against_nothing_corrected_and_the_threshold():
    panels = draw_loop(pd.concat([table(), exchanged()])).axes
    assert len(panels) == 6
    np.testing.assert_allclose(line(panels[0], "at the query").get_ydata(), [0.3] * 3)
    np.testing.assert_allclose(line(panels[0], "at all tokens").get_ydata(), [0.15] * 3)
    levels = {one.get_ydata()[0] for one in panels[0].get_lines() if one.get_label().startswith("_")}
    assert levels == {UNCORRECTED, THRESHOLD} == {1.0, KEPT}
    np.testing.assert_allclose(line(panels[1], "at the query").get_ydata(), [0.25, 0.5, 0.75])
    np.testing.assert_allclose(line(panels[1], "known").get_ydata(), [0.4] * 3)
    np.testing.assert_allclose(line(panels[5], "share").get_ydata(), [0, 0.3, 0.6, 0.9])


def test_every_place_of_an_exchange_has_a_look_of_its_own():
    places = {*(f"exchanged at {place}" for place in (*PLACES, *READ_PLACES)), f"exchanged in {STATE}"}
    assert set(SITES) == places | {SITE}
    for looks in zip(*SITES.values(), strict=True):
        assert len(set(looks)) == len(SITES)


def test_exchanged_answers_alone_are_drawn_alone():
    assert len(draw_loop(exchanged()).axes) == 2


@pytest.mark.parametrize(("metric", "value"), [("kept", 0.15), ("share", 0.25)])
def test_what_is_left_and_how_far_the_answer_follows_are_drawn_apart(metric, value):
    assert set(PANELS) == {"kept", "share"}
    (axes,) = draw_exchanged(exchanged(), metric).axes
    assert line(axes, "at all tokens").get_ydata()[1] == pytest.approx(value)
    with pytest.raises(ProbeError, match="no rows of loop"):
        draw_exchanged(exchanged()[exchanged()["metric"] != metric], metric)


def test_other_records_are_refused():
    with pytest.raises(ProbeError, match="no rows of loop"):
        draw_loop(table().assign(evidence="states"))
