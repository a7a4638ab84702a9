"""Claims: the architectures have the numbers of parameters of both papers' models."""

import pytest
import torch

from probe.config import ModelConfig
from probe.models import ResidualModel


def parameters(layout: str, width: int, norm: str = "layer", slots: int = 0, dim: int = 20) -> int:
    """Counts a model's parameters, without drawing them."""
    positions = "learned" if slots else "none"
    config = ModelConfig(layout=layout, dim=dim, width=width, norm=norm, positions=positions, slots=slots)
    with torch.device("meta"):
        model = ResidualModel(config)
    return sum(parameter.numel() for parameter in model.parameters())


# Park et al. (2024), arXiv:2402.04248, released code: L layers of two blocks, inputs of 20 dimensions, 101 positions
# (GPT-2 has two rows for each); tables that no model uses are not counted
PARK = {
    "(AF){n}": [114_433, 214_401, 614_273, 425_473, 822_017, 2_408_193, 1_637_377, 3_216_897, 9_534_977],
    "M{m}": [132_609, 263_681, 787_969, 470_017, 936_961, 2_804_737, 1_759_233, 3_512_321, 10_524_673],
    "(AM){n}": [107_073, 206_145, 602_433, 382_081, 748_161, 2_212_481, 1_435_905, 2_839_809, 8_455_425],
    "M(AM){n}": [133_377, 232_449, 628_737, 485_889, 851_969, 2_316_289, 1_848_321, 3_252_225, 8_867_841],
    "S[states=16]{m}": [44_033, 86_529, 256_513, 153_601, 304_129, 906_241, 569_345, 1_132_545, 3_385_345],
    "T{m}": [120_321, 239_105, 714_241, 437_249, 871_425, 2_608_129, 1_660_929, 3_315_713, 9_934_849],
}
SLOTS = {"(AF){n}": 202, "(AM){n}": 101}


@pytest.mark.parametrize("layout", PARK)
def test_the_models_of_park_et_al_have_their_sizes(layout: str) -> None:
    sizes = [(width, layers) for width in (64, 128, 256) for layers in (2, 4, 12)]
    found = [
        parameters(layout.format(n=layers, m=2 * layers), width, slots=SLOTS.get(layout, 0)) for width, layers in sizes
    ]
    assert found == PARK[layout]


def test_the_parity_models_of_park_et_al_have_their_sizes() -> None:
    """Ten dimensions, 300 positions, 256 wide, 12 layers."""
    assert parameters("(AF)12", 256, slots=600, dim=10) == 9_634_305
    assert parameters("M24", 256, dim=10) == 10_522_113
    assert parameters("M(AM)12", 256, dim=10) == 8_865_281


def test_the_models_of_grazzi_et_al_have_their_sizes() -> None:
    """arXiv:2402.03170, released code: GPT-2 without positions, Mamba with RMSNorm, S4 post-norm and 435 wide."""
    assert parameters("(AF)12", 256) == 9_483_265
    assert parameters("M24", 256, norm="rms") == 10_518_273
    assert parameters("S[residual=post]24", 435) == 10_491_331
