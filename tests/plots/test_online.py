"""Claims: the picture of learning over time lays every learner beside what is read, where w is read best."""

import numpy as np
import pandas as pd
import pytest

from probe.errors import ProbeError
from probe.plots.online import LEARNERS, draw_online
from probe.records import EVIDENCE_COLUMNS


def row(metric, value, **rest):
    found = {"model": "m", "evidence": "online", "metric": metric, "value": value, "low": value, "high": value}
    return {name: (found | rest).get(name) for name in EVIDENCE_COLUMNS}


def table():
    rows = []
    for site, error in (("state at y", 0.2), ("stream at x", 0.5)):
        for layer in (1, 2):
            rows.append(row("error of w", error / layer, site=site, layer=layer))
            for place, learner in enumerate(LEARNERS):
                rows.append(row("r2 of steps", error + 0.1 * place, site=site, layer=layer, head=learner))
    for place, learner in enumerate(LEARNERS):
        rows += [row("cosine", 0.1 * place, site="state at y", layer=2, head=learner, context=t) for t in (1, 2, 3)]
        rows += [row(metric, 0.1 * place, site="order", head=learner) for metric in ("order over size", "recency")]
    for metric in ("order over size", "recency"):
        rows += [row(metric, 0.3 * layer, site="order", head="read", layer=layer) for layer in (1, 2)]
        rows.append(row(metric, 0.7, site="order", head="model"))
    return pd.DataFrame(rows)


def line(axes, label):
    (found,) = [one for one in axes.get_lines() if one.get_label() == label]
    return found


def test_learners_are_drawn_where_w_is_read_best():
    panels = draw_online(table(), "a title").axes
    assert "state at y" in panels[0].get_title("left")
    np.testing.assert_allclose(line(panels[0], "normalised LMS").get_ydata(), [0.3, 0.3])
    np.testing.assert_allclose(line(panels[1], "least mean squares (LMS)").get_xdata(), [1, 2, 3])
    for axes in panels[2:]:
        np.testing.assert_allclose(line(axes, "read at the layer").get_ydata(), [0.3, 0.6])
        np.testing.assert_allclose(line(axes, "the model's own answer").get_ydata(), 0.7)
        assert axes.get_legend() is not None


def test_other_records_are_refused():
    with pytest.raises(ProbeError, match="no rows of online"):
        draw_online(table().assign(evidence="states"))
