"""Claims: the picture of known quantities shows each error by layer, what was left of y, and both heads with nulls."""

import numpy as np
import pandas as pd
import pytest

from probe.errors import ProbeError
from probe.plots import KINDS, View
from probe.plots.known import draw_known
from probe.records import EVIDENCE_COLUMNS, Record


def row(target, layer, value, head="linear", site="stream at x", context=8):
    found = {"model": "m", "evidence": "known", "metric": f"error of {target}", "value": value, "low": value}
    found |= {"high": value, "head": head, "site": site, "layer": layer, "context": context}
    return {name: found.get(name) for name in EVIDENCE_COLUMNS}


def table(compared):
    rows = []
    for layer in range(3):
        rows += [row("y", layer, 0.9**layer), row("y", layer, 1.0, context=2), row("gradient", layer, 0.5**layer)]
        rows.append(row("remainder", layer, 0.3**layer, site="written at x"))
        for head in ("linear", "two_layer", "two_layer, untrained") if compared else ():
            rows.append(row("y", layer, 0.2 if head == "two_layer" else 0.8, head, "stream at x, in memory"))
    return pd.DataFrame(rows)


def line(axes, label):
    (found,) = [one for one in axes.get_lines() if one.get_label() == label]
    return found


def test_quantities_are_drawn_after_the_most_examples_and_the_remainder_beside_what_was_left():
    panels = draw_known(table(compared=False)).axes
    assert len(panels) == 2
    np.testing.assert_allclose(line(panels[0], "y").get_ydata(), [1, 0.9, 0.81])
    np.testing.assert_allclose(line(panels[0], "gradient").get_ydata(), [1, 0.5, 0.25])
    np.testing.assert_allclose(line(panels[1], "remainder").get_ydata(), [1, 0.3, 0.09])
    before = line(panels[1], "left by the layer before")
    np.testing.assert_allclose(before.get_xdata(), [1, 2])
    np.testing.assert_allclose(before.get_ydata(), [1, 0.9])


def test_both_heads_are_drawn_where_they_were_compared():
    panels = draw_known(table(compared=True), "a title").axes
    assert len(panels) == 3
    np.testing.assert_allclose(line(panels[2], "two_layer").get_ydata(), [0.2] * 3)
    np.testing.assert_allclose(line(panels[2], "two_layer, untrained").get_ydata(), [0.8] * 3)


def test_other_records_are_refused():
    with pytest.raises(ProbeError, match="no rows of known"):
        draw_known(table(False).assign(evidence="states"))


def test_it_is_drawn_from_one_record_of_a_claim():
    record = Record(table(compared=True), {"kind": "claim"})
    assert len(KINDS["claim-known"]([record], View()).axes) == len(draw_known(record.table).axes)
    with pytest.raises(ProbeError, match="one record of probe claim"):
        KINDS["claim-known"]([record, record], View())
    with pytest.raises(ProbeError, match="one record of probe claim"):
        KINDS["claim-known"]([Record(pd.DataFrame({"model": ["m"]}), {"kind": "fit"})], View())
