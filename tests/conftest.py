"""Checks shapes and types at run time in every room of tensors, and keeps every test process to one thread."""

import pytest
import torch
from jaxtyping import install_import_hook

# compiled kernels are left out: numba must see the functions themselves
CHECKED = ["tasks", "models", "heads", "capture", "learners", "statistics", "randomness"]

install_import_hook([f"probe.{room}" for room in CHECKED], "beartype.beartype")
torch.set_num_threads(1)


class Planted:
    """A source that hands out given draws, one a call, so that a worked example can be written down."""

    def __init__(self, *draws: list) -> None:
        self._draws = [torch.tensor(draw, dtype=torch.float32) for draw in draws]
        self.prompts = len(self._draws[0])

    def normal(self, *shape: int) -> torch.Tensor:
        draw = self._draws.pop(0)
        assert draw.shape == (self.prompts, *shape)
        return draw

    def grouped(self, size: int) -> "Planted":
        return self

    def completed(self, size: int) -> tuple["Planted", torch.Tensor]:
        return self, torch.arange(self.prompts)


@pytest.fixture
def planted() -> type[Planted]:
    """The class `Planted`: ``planted(w, x, ...)`` is a source."""
    return Planted
