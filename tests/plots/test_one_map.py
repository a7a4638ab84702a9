"""Claims: the picture of the maps shows what each block leaves of the other's step, and how large the steps are."""

import numpy as np
import pandas as pd
import pytest

from probe.errors import ProbeError
from probe.plots.one_map import draw_one_map
from probe.records import EVIDENCE_COLUMNS


def row(metric, value, **rest):
    found = {"model": "m", "evidence": "map", "metric": metric, "value": value, "low": value, "high": value}
    return {name: (found | {"site": "blocks", "head": "read", "step": 1} | rest).get(name) for name in EVIDENCE_COLUMNS}


def table(telling=(1, 2, 3)):
    rows = [row("step", 0.5**layer, layer=layer, other_layer=layer + 1) for layer in (1, 2, 3)]
    for layer in telling:
        rows += [row("left", 0.1 * layer, layer=layer, other_layer=layer + 1)]
        rows += [row("left", 0.2 * layer, layer=layer + 1, other_layer=layer)]
        rows += [row("null", 0.5, layer=layer, other_layer=layer + 1)]
    return pd.DataFrame(rows)


def line(axes, label):
    (found,) = [one for one in axes.get_lines() if one.get_label() == label]
    return found


def test_each_block_in_the_others_place_is_a_line_of_its_own():
    left, step = draw_one_map(table(), "a title").axes
    np.testing.assert_allclose(line(left, "the later block, earlier").get_ydata(), [0.1, 0.2, 0.3])
    np.testing.assert_allclose(line(left, "the earlier block once more").get_xdata(), [2, 3, 4])
    np.testing.assert_allclose(line(left, "the later block, earlier, null").get_ydata(), 0.5)
    np.testing.assert_allclose(step.get_lines()[0].get_ydata(), [0.5, 0.25, 0.125])


def test_steps_too_small_to_tell_are_drawn_alone():
    left, _ = draw_one_map(table(())).axes
    assert [one.get_text() for one in left.get_legend().get_texts()] == ["if blocks wrote the same whatever they read"]


def test_other_records_are_refused():
    with pytest.raises(ProbeError, match="no rows of map"):
        draw_one_map(table().assign(evidence="states"))
