"""Examples to learn from."""

from collections.abc import Callable

import pytest
import torch

from probe.learners import Examples

Draw = Callable[..., tuple[Examples, torch.Tensor]]


@pytest.fixture
def draw() -> Draw:
    """The function ``draw(count, dim, prompts)``: noisy linear examples in float64, the same each time, and queries."""

    def drawn(count: int, dim: int = 4, prompts: int = 6) -> tuple[Examples, torch.Tensor]:
        generator = torch.Generator().manual_seed(1000 * count + dim)
        x = torch.randn(prompts, count + 1, dim, generator=generator).double()
        w = torch.randn(prompts, 1, dim, generator=generator).double()
        y = (x * w).sum(-1) + 0.3 * torch.randn(prompts, count + 1, generator=generator).double()
        return Examples(x[:, :-1], y[:, :-1]), x[:, -1]

    return drawn
