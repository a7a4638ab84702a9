"""Small models of our own with random weights, and two batches of prompts for them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from probe.capture import NativeModel
from probe.config import ModelConfig
from probe.models import ResidualModel

DIM, WIDTH, TIME = 3, 16, 9


@pytest.fixture
def built() -> Callable[..., NativeModel]:
    """A function that builds a layout, far enough from its first weights that every part of it matters."""

    def make(layout: str, kernel: str = "reference", dtype: torch.dtype = torch.float32) -> NativeModel:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = ResidualModel(ModelConfig(layout, dim=DIM, width=WIDTH, attention_heads=2))
            for name, weight in model.named_parameters():
                if name.endswith(("proj.weight", "mixer.B", "mixer.C")):
                    weight.data.mul_(2)
                if not weight.any():
                    weight.data.normal_(std=0.3)
        stream = NativeModel(model.eval().requires_grad_(False).to(dtype))
        stream.use_kernel(kernel)
        return stream

    return make


@pytest.fixture
def prompts() -> tuple[Tensor, Tensor]:
    """Two batches of four prompts of nine tokens."""
    drawn = torch.randn(2, 4, TIME, DIM, generator=torch.Generator().manual_seed(1))
    return drawn[0], drawn[1]
