"""Claims: a simplex puts beliefs between the corners of their states, in the colour of the true ones."""

import numpy as np
import pandas as pd
import pytest

from probe.errors import ProbeError
from probe.plots import View, simplex_figure
from probe.plots.simplex import CORNERS, PREDICTED, TRUE
from probe.records import Record

BELIEFS = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.5, 0.25, 0.25]])


def record(layers=(4,), models=("mamba",)):
    tables = []
    for model in models:
        for layer in layers:
            table = pd.DataFrame(np.hstack([BELIEFS, BELIEFS[::-1] + layer / 100]), columns=[*TRUE, *PREDICTED])
            tables.append(table.assign(model=model, layer=layer, prompt=[0, 0, 1, 1]))
    return Record(pd.concat(tables, ignore_index=True), {"kind": "beliefs", "models": {model: {} for model in models}})


def points(axes):
    (found,) = axes.collections
    return np.asarray(found.get_offsets()), np.asarray(found.get_facecolors())[:, :3]


def test_beliefs_lie_between_the_corners_and_colours_are_the_true_ones():
    true, predicted = simplex_figure([record((0,))]).axes
    at, colours = points(true)
    np.testing.assert_allclose(at[:3], CORNERS)
    np.testing.assert_allclose(colours, BELIEFS)
    at, colours = points(predicted)
    np.testing.assert_allclose(at, BELIEFS[::-1] @ CORNERS)
    np.testing.assert_allclose(colours, BELIEFS)


def test_every_model_has_a_panel_at_its_last_layer_or_the_one_asked_for():
    two = record((2, 4), ("mamba", "lstm"))
    titles = [axes.get_title() for axes in simplex_figure([two]).axes]
    assert titles == ["true beliefs", "mamba, layer 4", "lstm, layer 4"]
    assert simplex_figure([two], View(layers=(2,))).axes[1].get_title() == "mamba, layer 2"
    with pytest.raises(ProbeError, match="mamba has none"):
        simplex_figure([two], View(layers=(3,)))


def test_what_is_no_record_of_beliefs_is_refused():
    lacking = Record(record().table.drop(columns="true_2"), {"kind": "beliefs"})
    with pytest.raises(ProbeError, match="A record without true_2 was given"):
        simplex_figure([lacking])
    with pytest.raises(ProbeError, match="no use of it"):
        simplex_figure([record()], View(context=3))
