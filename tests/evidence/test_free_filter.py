"""Claims: beside the free filter stands what no weights explain, of all layers' answers together."""

import pytest

from probe.evidence.answers import ask
from probe.evidence.free_filter import free_filter
from probe.evidence.layers import filter_rows
from probe.evidence.matching import final_answer

DIM, CONTEXT = 3, 10


@pytest.mark.parametrize("bent", [0.0, 0.5])
def test_only_answers_that_are_not_linear_in_the_query_are_said_to_be_so(planted_experiment, bent):
    experiment, _ = planted_experiment("gradient")
    readings = {"lens": lambda stream: experiment.model.decode(stream)[..., 0]}
    selected, scored = (ask(experiment, readings, CONTEXT, 2 * DIM + 2, 0, way, 32) for way in ("select", "score"))
    for one in (selected, scored):
        one.answers["lens"] += bent * one.queries.square().sum(-1)
    found = free_filter(selected, scored, "lens", 0)
    rows = list(filter_rows("planted", "lens", found, final_answer(selected, scored, "lens")))
    (row,) = [one for one in rows if one["metric"] == "nonlinear"]
    assert (row["evidence"], row["site"], row["head"]) == ("matching", "free_filter", "lens")
    assert row["low"] <= row["value"] <= row["high"]
    assert row["value"] > 0.1 if bent else row["high"] < 1e-6
