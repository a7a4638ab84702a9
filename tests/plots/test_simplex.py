"""Claims: a simplex puts beliefs between the corners of their states, in the colour of the true ones.

One of more than three states is seen along the two directions in which the true beliefs vary most.
"""

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


def wide(states):
    """A record of beliefs over more states, which vary mostly between the states 3 and 4, then 0 and 1."""
    drawn = np.random.default_rng(0).dirichlet([0.3, 0.3, 0.05, 3.0, 3.0, *[0.01] * (states - 5)], 40)
    sure = np.eye(states)[[3, 4] * 10 + [0, 1] * 5]
    true = np.concatenate([drawn, sure])
    names = [f"{kind}_{state}" for kind in ("true", "predicted") for state in range(states)]
    table = pd.DataFrame(np.hstack([true, true[::-1]]), columns=names).assign(model="mamba", layer=4)
    return Record(table.assign(prompt=range(len(table))), {"kind": "beliefs", "models": {"mamba": {}}})


def test_more_states_are_seen_along_the_two_directions_in_which_the_true_beliefs_vary_most():
    record = wide(5)
    beliefs = record.table[[f"true_{state}" for state in range(5)]].to_numpy()
    true, predicted = simplex_figure([record]).axes
    at, colours = points(true)
    variances = np.sort(np.linalg.eigvalsh(np.cov(beliefs.T, ddof=0)))[::-1]
    np.testing.assert_allclose(np.sort(np.var(at, axis=0))[::-1], variances[:2])
    np.testing.assert_allclose(points(predicted)[0], at[::-1])
    np.testing.assert_allclose(points(predicted)[1], colours)
    said = simplex_figure([record]).texts or [simplex_figure([record])._suptitle]
    assert f"{variances[:2].sum() / variances.sum():.0%} of the true beliefs' variance" in " ".join(
        text.get_text().replace("\n", " ") for text in said
    )


def test_a_state_that_is_certain_lies_at_its_corner_in_its_colour():
    axes = simplex_figure([wide(5)]).axes[0]
    corners = {text.get_text(): text.xy for text in axes.texts}
    at, colours = points(axes)
    np.testing.assert_allclose(at[40], corners["state 3"])
    np.testing.assert_allclose(at[41], corners["state 4"])
    assert len({tuple(colour) for colour in colours[[40, 41, 60, 61]].round(6)}) == 4


def test_more_states_than_there_are_colours_are_refused():
    with pytest.raises(ProbeError, match="over 13 states were given, but 12 colours"):
        simplex_figure([wide(13)])
