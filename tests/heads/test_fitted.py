"""Claims: fitted heads predict what they are asked on the stream they were fitted on, and refuse any other."""

import pytest
import torch

from probe.errors import ProbeError
from probe.heads import FittedHeads, LinearHeads, Origin


@pytest.fixture
def heads():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(3, 2, 5, 1, generator=generator, dtype=torch.float64)
    origin = Origin("m", "d1", "linear", "y", "linear", (0, 1, 2), (3, 7))
    return LinearHeads(weight, weight[:, :, 0] + 1, weight[:, :, 0, 0].exp(), origin)


def test_predictions_are_the_stream_along_the_directions(heads):
    stream = torch.randn(3, 4, 2, 5, generator=torch.Generator().manual_seed(1))
    expected = torch.einsum("lbcw,lcwt->lbct", stream.double(), heads.directions) + heads.intercept[:, None]
    torch.testing.assert_close(heads.predict(stream), expected)
    torch.testing.assert_close(heads(stream), expected)


@pytest.mark.parametrize("shape", [(2, 4, 2, 5), (3, 4, 1, 5), (3, 4, 2, 6), (4, 2, 5), (3, 4, 2, 5, 1)])
def test_a_stream_of_another_shape_is_refused_with_the_shape_that_is_needed(heads, shape):
    with pytest.raises(ProbeError, match=r"linear heads for y on m, layers 0 to 2 after 3, 7 .*\[3, any, 2, 5\]"):
        heads.predict(torch.zeros(shape))


def test_heads_cannot_be_changed_and_say_what_they_are(heads):
    with pytest.raises(AttributeError):
        heads.weight = heads.weight + 1
    assert "model='m'" in repr(heads)
    assert "'width': 5" in repr(heads)
    assert heads.to("cpu").origin == heads.origin


def test_a_mistyped_name_is_a_key_error_that_suggests_the_right_one(heads):
    found = FittedHeads({"linear": heads, "normed": heads})
    with pytest.raises(KeyError):
        found["lienar"]
    with pytest.raises(ProbeError, match=r"No fitted head is called 'lienar'. Did you mean linear\? Heads: linear, n"):
        found["lienar"]
    assert found.get("lienar") is None
    assert "lienar" not in found
    assert str(found).count("LinearHeads(") == 2
