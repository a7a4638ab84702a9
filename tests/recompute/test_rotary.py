"""Claims: rotary positions turn pairs as the paper has it, by frequencies that settings stretch."""

import math

import pytest
import torch

from probe.recompute.rotary import Rotation, rotated, rotation_of
from probe.recompute.weights import ImpossibleError


def test_neighbours_are_turned_as_the_paper_has_it() -> None:
    """Eq. 34 there, and the same coordinates sorted by halves."""
    x = torch.randn(1, 5, 2, 6, dtype=torch.float64)
    turned = rotated(x, Rotation(100.0, 1.0, {}, neighbours=True))
    angle = torch.arange(5) * 100.0 ** (-2 / 6)
    expected = x[..., 2] * angle.cos()[:, None] - x[..., 3] * angle.sin()[:, None]
    torch.testing.assert_close(turned[..., 2], expected)
    order = [0, 2, 4, 1, 3, 5]
    torch.testing.assert_close(rotated(x[..., order], Rotation(100.0, 1.0, {})), turned[..., order])


def test_only_the_first_coordinates_are_turned_and_lengths_are_kept() -> None:
    x = torch.randn(1, 5, 2, 8, dtype=torch.float64)
    turned = rotated(x, Rotation(100.0, 0.5, {}))
    assert torch.equal(turned[..., 4:], x[..., 4:])
    assert torch.equal(turned[:, 0], x[:, 0])
    assert not torch.allclose(turned[:, 1, :, :4], x[:, 1, :, :4])
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))


@pytest.mark.parametrize(
    ("settings", "angle"),
    [
        ({}, 100.0**-0.5),
        ({"rope_type": "linear", "factor": 4.0}, 100.0**-0.5 / 4),
        ({"type": "linear", "factor": 2.0}, 100.0**-0.5 / 2),
        # a wave of 20 pi tokens: longer than all 40 tokens of the original, so stretched by the whole factor
        ({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1, "high_freq_factor": 4,
          "original_max_position_embeddings": 40}, 100.0**-0.5 / 8),
        # a quarter of the original and shorter: as it was
        ({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1, "high_freq_factor": 4,
          "original_max_position_embeddings": 400}, 100.0**-0.5),
    ],
)  # fmt: skip
def test_the_second_pair_turns_by_this_angle_a_token(settings: dict[str, object], angle: float) -> None:
    one = torch.tensor([0.0, 1.0, 0.0, 0.0], dtype=torch.float64).expand(1, 2, 1, 4)
    turned = rotated(one, Rotation(100.0, 1.0, settings))[0, 1, 0]
    assert turned[1].item() == pytest.approx(math.cos(angle))
    assert turned[3].item() == pytest.approx(math.sin(angle))


def test_settings_are_read_in_new_words_and_in_old() -> None:
    new = {"rope_parameters": {"rope_type": "default", "rope_theta": 5.0, "partial_rotary_factor": 0.5}}
    old = {"rotary_emb_base": 5, "rotary_pct": 0.5}
    for config in (new, old):
        found = rotation_of(config, "rotary_emb_base", 10_000.0, "rotary_pct", 0.25)
        assert (found.theta, found.share) == (5.0, 0.5)
    nothing = rotation_of({}, "rotary_emb_base", 10_000.0, "rotary_pct", 0.25)
    assert (nothing.theta, nothing.share) == (10_000.0, 0.25)
    assert rotation_of({"partial_rotary_factor": 0.5}, "rope_theta", 10_000.0).share == 1.0


def test_other_stretchings_are_said_to_be_unknown() -> None:
    with pytest.raises(ImpossibleError, match="rotary positions of type dynamic"):
        rotated(torch.ones(1, 2, 1, 4), Rotation(100.0, 1.0, {"rope_type": "dynamic", "factor": 2.0}))
