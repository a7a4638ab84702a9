"""Claims: every mix and depth of the released stacks has its layout, block by block."""

from pathlib import Path

import pytest

from probe.checkpoints.official.families import stack
from probe.checkpoints.official.settings import Settings
from probe.models.layout import parse_layout


@pytest.mark.parametrize(
    ("family", "mix", "layers", "letters"),
    [
        ("tf-mamba", "standard", 4, "AMAM"),
        ("tf-mamba", "standard", 3, "AMA"),
        ("tf-mamba", "standard", 1, "A"),
        ("tf-mamba", "mambaformer", 4, "MAMAM"),
        ("tf-mamba", "mambaformer", 1, "MA"),
        ("tf-mamba", "anything", 2, "AM"),
        ("tf-mamba", None, 3, "MMM"),
        ("tf-mamba", "", 2, "MM"),
        ("mamba", "standard", 2, "MM"),
        ("s4d", None, 2, "SS"),
        ("s4-mamba", None, 2, "TT"),
    ],
)
def test_blocks_follow_the_mix(family: str, mix: str | None, layers: int, letters: str) -> None:
    model = {"family": family, "mixed_attn": mix, "n_layer": layers, "n_embd": 8, "n_dims": 3, "n_positions": 9}
    translation = stack(Settings(Path("config.yaml"), model, {}), {})
    config = translation.config
    assert "".join(block.letter for block in parse_layout(config.layout)) == letters
    assert (config.positions, config.slots) == (("learned", 9) if mix == "standard" and "A" in letters else ("none", 0))
    assert (config.norm, config.attention_heads) == ("layer", 8)
