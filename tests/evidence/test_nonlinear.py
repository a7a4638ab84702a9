"""Claims: a two-layer head finds what a layer holds as a product and equals the linear one elsewhere."""

import pytest
import torch

from probe.evidence.nonlinear import compare_heads, comparison_rows
from probe.heads.two_layer import TwoLayer


@pytest.fixture(scope="module")
def found(planted_experiment):
    """A gatherer: before its last block the stream holds X'y and x, whose product tells of y."""
    experiment, pass_ = planted_experiment("gather")
    compared = compare_heads(experiment, pass_, TwoLayer(hidden=24, epochs=30, rate=2e-2))
    return {one.target: one for one in compared}


def test_what_stands_as_a_product_is_found_by_the_two_layer_head_alone(found):
    linear, two = (errors.estimate() for errors in (found["y"].linear, found["y"].two_layer))
    assert linear[-2] > 0.9
    assert two[-2] < 0.7
    # nothing is known at the read-in, and everything linearly at the end
    assert two[0] > 0.9
    torch.testing.assert_close(two[-1], linear[-1], rtol=0.1, atol=1e-3)


def test_what_is_linear_is_found_as_well_by_either(found):
    linear, two = (errors.estimate() for errors in (found["w"].linear, found["w"].two_layer))
    assert (two < linear + 0.03).all()


def test_shuffled_targets_are_found_by_neither(found):
    for errors in (found["shuffled"].linear, found["shuffled"].two_layer):
        assert errors.estimate().min() > 0.9


def test_rows_hold_both_heads_and_their_difference(found):
    rows = comparison_rows([found["y"]], "m", ", untrained")
    assert {one["head"] for one in rows} == {
        "linear, untrained", "two_layer, untrained", "two_layer minus linear, untrained"
    }  # fmt: skip
    gain = [one for one in rows if one["metric"] == "difference of y"]
    assert [one["layer"] for one in gain] == list(range(7))
    assert gain[-2]["high"] < 0
