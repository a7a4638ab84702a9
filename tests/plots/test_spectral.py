"""Claims: the picture of the spectrum shows each layer's response against the eigenvalue beside known filters."""

import numpy as np
import pandas as pd
import pytest

from probe.errors import ProbeError
from probe.plots.spectral import LEAST, draw_spectral
from probe.records import EVIDENCE_COLUMNS

EIGENVALUES = (0.0, 0.2, 1.0)


def row(metric, value, **rest):
    found = {"model": "m", "evidence": "spectral", "metric": metric, "value": value, "low": value, "high": value}
    return {name: (found | rest).get(name) for name in EVIDENCE_COLUMNS}


def table(heads=("linear", "lens")):
    rows = [row("eigenvalue", value, step=place) for place, value in enumerate(EIGENVALUES, start=1)]
    for head in heads:
        for layer in range(3):
            rows.append(row("nonlinear", 0.1 * layer, head=head, layer=layer))
            for place, value in enumerate(EIGENVALUES, start=1):
                rows.append(row("response", 1 - (1 - value) ** layer, head=head, layer=layer, step=place))
    return pd.DataFrame(rows)


def line(axes, label):
    (found,) = [one for one in axes.get_lines() if one.get_label() == label]
    return found


def test_a_layers_response_lies_on_the_filter_that_it_is():
    panels = draw_spectral(table(), "a title").axes
    assert len(panels) == 3
    for axes in panels[:2]:
        found = line(axes, "layer 2")
        np.testing.assert_allclose(found.get_xdata(), [LEAST, 0.2, 1.0])
        np.testing.assert_allclose(found.get_ydata(), [0, 0.36, 1.0])
        known = [one for one in axes.get_lines() if one.get_linestyle() in (":", "--")]
        assert len(known) == 7
        nearest = min(np.abs(np.interp(0.2, one.get_xdata(), one.get_ydata()) - 0.36) for one in known)
        assert nearest < 1e-2
        assert axes.get_xscale() == "log"
    np.testing.assert_allclose(line(panels[2], "lens").get_ydata(), [0, 0.1, 0.2])


def test_one_reading_has_one_panel_of_responses():
    assert len(draw_spectral(table(("lens",))).axes) == 2


def test_the_closest_algorithm_stands_beneath_its_reading_with_what_was_read_as_points():
    algorithm = [
        row("followed response", 0.5 * value * layer, head="lens", layer=layer, step=place, site="ridge")
        for layer in range(3)
        for place, value in enumerate(EIGENVALUES, start=1)
    ]
    above = [axes.get_title("left") for axes in draw_spectral(table()).axes]
    panels = draw_spectral(pd.concat([table(), pd.DataFrame(algorithm)])).axes
    assert [axes.get_title("left") for axes in panels] == [*above, "the closest algorithm: ridge"]
    for layer in range(3):
        np.testing.assert_allclose(line(panels[1], f"layer {layer}").get_ydata()[1], 1 - 0.8**layer)
        np.testing.assert_allclose(line(panels[3], f"layer {layer}").get_ydata(), [0, 0.1 * layer, 0.5 * layer])
    points = [one for one in panels[3].get_lines() if one.get_marker() == "o"]
    np.testing.assert_allclose([one.get_ydata()[1] for one in points], [0, 0.2, 0.36])
    assert panels[3].get_ylim() == panels[1].get_ylim()


def test_other_records_are_refused():
    with pytest.raises(ProbeError, match="no rows of spectral"):
        draw_spectral(table().assign(evidence="states"))
