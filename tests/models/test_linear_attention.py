"""Claims: linear attention adds every value under its key; its plain form is the sum that the theory speaks of."""

import pytest
import torch

from probe.errors import ProbeError
from probe.models.linear_attention import LinearAttention


def test_the_plain_layer_is_attention_without_softmax():
    """Of every head: sum over s <= t of v_s (k_s . q_t); then the output projection."""
    torch.manual_seed(0)
    mixer = LinearAttention(8, 1, heads=2, conv="off", feature="none", norm="off").double()
    hidden = torch.randn(2, 60, 8, dtype=torch.float64)
    query, key, value = (
        (hidden @ projection.weight.T).unflatten(-1, (2, 4))
        for projection in (mixer.q_proj, mixer.k_proj, mixer.v_proj)
    )
    scores = torch.einsum("bthk,bshk->bhts", query, key).tril()
    read = torch.einsum("bhts,bshv->bthv", scores, value).flatten(-2)
    torch.testing.assert_close(mixer(hidden), read @ mixer.o_proj.weight.T)


def test_the_plain_layer_is_cubic_in_its_input_and_the_usual_one_is_not():
    """Linear in each of query, key and value; the usual layer's SiLU and norms break that."""
    torch.manual_seed(0)
    hidden = torch.randn(1, 5, 8, dtype=torch.float64)
    for settings, cubic in (({"conv": "off", "feature": "none", "norm": "off"}, True), ({}, False)):
        mixer = LinearAttention(8, 1, **settings).double()
        assert torch.allclose(mixer(2 * hidden), 8 * mixer(hidden)) == cubic


def test_states_are_sums_of_outer_products():
    torch.manual_seed(0)
    mixer = LinearAttention(8, 1, heads=2, conv="off", feature="none").double()
    hidden = torch.randn(1, 3, 8, dtype=torch.float64)
    key, value = ((hidden @ p.weight.T)[0].unflatten(-1, (2, 4)) for p in (mixer.k_proj, mixer.v_proj))
    states = mixer.states(hidden)
    assert states.shape == (1, 2, 3, 4, 4)
    for t in range(3):
        expected = sum(torch.einsum("hv,hk->hvk", value[s], key[s]) for s in range(t + 1))
        torch.testing.assert_close(states[0, :, t], expected)


def test_a_silu_cannot_be_switched_off_inside_the_convolution():
    with pytest.raises(ProbeError) as raised:
        LinearAttention(8, 1, feature="none")
    assert str(raised.value) == (
        "Linear attention was given feature=none with a short convolution, which contains a SiLU. "
        "Switch it off too, by conv=off."
    )


@pytest.mark.parametrize("heads", [3, 0, -1])
def test_heads_that_do_not_divide_the_width_are_refused(heads):
    with pytest.raises(ProbeError) as raised:
        LinearAttention(8, 1, heads=heads)
    expected = f"A width of 8 cannot be split into {heads} heads. Give a number that divides it."
    assert str(raised.value) == expected


def test_operations_are_counted_part_by_part():
    """Width 8, 2 heads of 4, three tokens: four maps, three convolutions, 2 multiply-adds a number of the state."""
    assert LinearAttention(8, 1, heads=2).flops(3) == 3 * (2 * 4 * 64 + 2 * 3 * 8 * 4 + 4 * 2 * 4 * 4)
