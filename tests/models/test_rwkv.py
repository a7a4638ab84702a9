"""Claims: what the RWKV mixers share: the shift by a token, the place in depth, how matrices start."""

import pytest
import torch

from probe.models.rwkv import Place, orthogonal, previous, ramp


def test_every_token_gets_the_one_before_and_the_first_gets_zeros():
    hidden = torch.arange(1, 13.0).view(2, 3, 2)
    assert previous(hidden).tolist() == [[[0, 0], [1, 2], [3, 4]], [[0, 0], [7, 8], [9, 10]]]
    assert not previous(hidden[:, :1]).any()


def test_the_two_blocks_of_a_layer_stand_at_the_same_depth():
    """Three layers: 0, 1/2, 1 through the model; 1, 2/3, 1/3 of it remain."""
    places = [Place(index, blocks=6) for index in range(6)]
    assert [place.ratio for place in places] == [0, 0, 0.5, 0.5, 1, 1]
    assert [place.remaining for place in places] == pytest.approx([1, 1, 2 / 3, 2 / 3, 1 / 3, 1 / 3])


@pytest.mark.parametrize("blocks", [1, 2])
def test_a_model_of_one_layer_has_a_place_too(blocks):
    assert (Place(0, blocks).ratio, Place(0, blocks).remaining) == (0, 1)


def test_the_ramp_rises_from_0_to_almost_1():
    assert ramp(4).tolist() == [0, 0.25, 0.5, 0.75]


def test_matrices_start_orthogonal_with_the_gain_of_their_widening_or_at_zero():
    torch.manual_seed(0)
    square, wide, narrow = orthogonal(8, 8, 1.0), orthogonal(32, 8, 1.0), orthogonal(8, 32, 0.5)
    torch.testing.assert_close(square.weight @ square.weight.T, torch.eye(8), rtol=0, atol=1e-5)
    torch.testing.assert_close(wide.weight.T @ wide.weight, 4 * torch.eye(8), rtol=0, atol=1e-5)
    torch.testing.assert_close(narrow.weight @ narrow.weight.T, 0.25 * torch.eye(8), rtol=0, atol=1e-5)
    assert not orthogonal(8, 8, 0.0).weight.any()
    assert square.bias is None
