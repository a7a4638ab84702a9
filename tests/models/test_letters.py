"""Claims: every mixer of the layout text is causal, independent of its batch, and counts its work."""

import pytest
import torch
from torch import Tensor, nn

from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.models import LETTERS, Mixer, ResidualModel

WIDTH, TIME = 16, 9
PLANTED = ("P", "Q")
"""Algorithms as blocks: they read prompts of pairs in a stream of their own layout."""
every_letter = pytest.mark.parametrize("letter", [letter for letter in LETTERS if letter not in PLANTED])


def model(letter: str) -> ResidualModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = ModelConfig(layout=f"{letter}2", dim=3, width=WIDTH, attention_heads=2)
        return ResidualModel(config).double().eval()


def inputs(batch: int = 2) -> Tensor:
    return torch.randn(batch, TIME, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@every_letter
@torch.no_grad()
def test_no_mixer_sees_a_later_token_or_another_prompt(letter: str) -> None:
    own, given = model(letter), inputs()
    changed = given.clone()
    changed[0, 5:] += 1
    before, after = own(given), own(changed)
    torch.testing.assert_close(after[0, :5], before[0, :5])
    torch.testing.assert_close(after[1], before[1])
    assert not torch.allclose(after[0, 5:], before[0, 5:])


@every_letter
def test_every_mixer_is_titled_counts_its_work_and_learns(letter: str) -> None:
    own = model(letter)
    mixer = own.blocks[0].mixer
    assert isinstance(mixer, Mixer)
    assert mixer.title
    assert 0 < mixer.flops(TIME) < mixer.flops(2 * TIME)
    own(inputs()).square().sum().backward()
    assert all(parameter.grad is not None for parameter in mixer.parameters())


class Shift(Mixer):
    """Writes the token before, through a linear map."""

    title = "shift"
    recipe = "mamba"

    def __init__(self, width: int, blocks: int, scale: float = 1.0) -> None:
        super().__init__()
        self.map, self.scale = nn.Linear(width, width), scale

    def forward(self, hidden: Tensor) -> Tensor:
        written: Tensor = self.scale * self.map(nn.functional.pad(hidden, (0, 0, 1, -1)))
        return written

    def flops(self, time: int) -> int:
        return 2 * time * self.map.weight.numel()


def test_a_mixer_of_ones_own_stands_in_the_layout_with_its_settings() -> None:
    config = ModelConfig(layout="X[scale=0.5]F", dim=3, width=WIDTH)
    own = ResidualModel(config, mixers={"X": Shift})
    assert isinstance(own.blocks[0].mixer, Shift)
    assert own.blocks[0].mixer.scale == 0.5
    assert own.cumulative_flops(TIME)[1] - own.cumulative_flops(TIME)[0] == 2 * TIME * WIDTH**2
    with pytest.raises(ProbeError, match="X shift"):
        ResidualModel(ModelConfig(layout="Z", dim=3, width=WIDTH), mixers={"X": Shift})
