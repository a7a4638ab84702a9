"""Prompts, and what the layers of a planted model answer to them."""

from collections.abc import Callable

import pytest
from torch import Tensor

from probe import learners
from probe.capture import NativeModel, capture
from probe.models.controls import planted_model
from probe.randomness import PromptSource
from probe.tasks import SkewedLinear
from probe.tasks.prompts import Prompts

DIM, BLOCKS, CONTEXT = 3, 6, 8


@pytest.fixture(scope="session")
def prompts() -> Prompts:
    """Returns twenty prompts of 8 examples in 3 dimensions."""
    return SkewedLinear(DIM).draw(PromptSource(0, "score", range(20)), CONTEXT)


@pytest.fixture(scope="session")
def lens(prompts: Prompts) -> Callable[..., Tensor]:
    """Returns a function: what every layer of a planted model answers, [layer, batch, context]."""

    def answers(algorithm: str, blocks: int = BLOCKS, **settings: float) -> Tensor:
        model = NativeModel(planted_model(algorithm, DIM, blocks, **settings))  # type: ignore[arg-type]
        return model.decode(capture(model, prompts.inputs, prompts.queries).stream)[..., 0]

    return answers


@pytest.fixture(scope="session")
def learned(prompts: Prompts) -> Callable[[str], Tensor]:
    """Returns a function: what a learner answers, [batch, context]."""

    def answers(name: str) -> Tensor:
        return learners.run(learners.make(name), prompts.x, prompts.y, prompts.contexts).float()

    return answers
