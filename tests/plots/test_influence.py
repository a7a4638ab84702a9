"""Claims: the picture of influence shows derivatives by place with the half-life, and implicit attention by layer."""

import math

import numpy as np
import pandas as pd
import pytest

from probe.errors import ProbeError
from probe.plots.influence import draw_influence
from probe.records import EVIDENCE_COLUMNS


def row(metric, value, **rest):
    found = {"model": "m", "evidence": "influence", "metric": metric, "value": value, "low": value, "high": value}
    return {name: (found | rest).get(name) for name in EVIDENCE_COLUMNS}


def table(rate=(0.5, 0.4, 0.8), layers=(1, 3)):
    value, low, high = rate
    rows = [row("halvings per example", value, head="model", low=low, high=high)]
    for place in (1, 2, 3):
        rows.append(row("mean absolute derivative", 0.1 * place, head="model", step=place, context=3))
        rows.append(row("mean absolute derivative", 0.2, head="least_squares", step=place, context=3))
        rows += [
            row("share of implicit attention", place / 6, head="mamba", layer=layer, step=place, context=3)
            for layer in layers
        ]
    rows += [row("halvings per example", 0.1 * layer, head="mamba", layer=layer) for layer in layers]
    return pd.DataFrame(rows)


def line(axes, label):
    (found,) = [one for one in axes.get_lines() if one.get_label() == label]
    return found


def test_derivatives_stand_beside_least_squares_under_the_half_life():
    panels = draw_influence(table()).axes
    np.testing.assert_allclose(line(panels[0], "model").get_ydata(), [0.1, 0.2, 0.3])
    np.testing.assert_allclose(line(panels[0], "least squares").get_ydata(), [0.2] * 3)
    assert panels[0].get_title(loc="left") == "half-life 2 examples\n(1.25 to 2.5)"
    np.testing.assert_allclose(line(panels[1], "layer 3").get_ydata(), [1 / 6, 2 / 6, 3 / 6])
    assert len(panels) == 3


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        ((-0.1, -0.2, -0.05), "no half-life: not forgotten"),
        ((0.1, -0.1, 0.25), "half-life undecided: 4 examples or more"),
        ((-0.1, -0.3, 0.1), "half-life undecided: 10 examples or more"),
        ((math.nan, math.nan, math.nan), "half-life unknown"),
    ],
)
def test_a_rate_that_may_be_none_is_not_called_forgetting(rate, said):
    (axes,) = draw_influence(table(rate, ())).axes
    assert axes.get_title(loc="left") == said


def test_other_records_are_refused():
    with pytest.raises(ProbeError, match="no rows of influence"):
        draw_influence(table().assign(evidence="states"))
