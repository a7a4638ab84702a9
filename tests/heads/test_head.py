"""Claims: every registered head explains itself, and a head of one's own is a head like any other."""

import pytest
import torch

from probe.errors import ProbeError
from probe.heads import HEADS, Head, make, make_all
from probe.heads.head import read


class SquaredStream(Head):
    """Ridge regression from the stream and its squares."""

    def width(self, model):
        return 2 * model.width

    def features(self, model, stream):
        return torch.cat([stream, stream.square()], dim=-1)


class Wrong(SquaredStream):
    """Forgets to say how wide it is."""

    def width(self, model):
        return model.width


class Model:
    """Stands for a model with a stream 3 wide."""

    width = 3

    def normalise(self, stream):
        return stream

    def decode(self, stream):
        return stream


def test_heads_are_known_by_name_and_explain_themselves():
    assert list(HEADS)[:6] == ["linear", "normed", "logistic", "lens", "calibrated", "task_vector"]
    for name, head in ((name, kind()) for name, kind in HEADS.items()):
        assert head.name == name
        assert type(head).__doc__ and type(head).__doc__ != Head.__doc__
        hooks = [hook for hook in ("features", "answer", "judge") if head.overrides(hook)]
        assert len(hooks) == (0 if name == "task_vector" else 1)
        assert head.fitted == (hooks == ["features"])


def test_a_head_is_given_by_name_as_an_object_or_as_its_class():
    mine = SquaredStream()
    assert make(mine) is mine
    assert isinstance(make(SquaredStream), SquaredStream)
    assert [head.name for head in make_all(["lens", mine, "lens"])] == ["lens", "squared_stream"]
    assert make("calibrated", "released").own_prompts == 64
    with pytest.raises(ProbeError, match="Did you mean linear"):
        make("liner")
    with pytest.raises(ProbeError, match="squared_stream was given, which two heads have"):
        make_all([mine, SquaredStream()])


def test_a_name_that_rows_bear_already_is_refused():
    class Chance(SquaredStream):
        """Bears the name of the chance line."""

    with pytest.raises(ProbeError, match="chance was given, which no head may have"):
        make_all([Chance()])


def test_features_have_the_shape_that_the_head_says():
    stream = torch.randn(2, 4, 1, 3, generator=torch.Generator().manual_seed(0))
    assert read(SquaredStream(), Model(), stream).shape == (2, 4, 1, 6)
    with pytest.raises(ProbeError, match=r"head wrong have the shape \(2, 4, 1, 6\), but \(2, 4, 1, 3\)"):
        read(Wrong(), Model(), stream)
