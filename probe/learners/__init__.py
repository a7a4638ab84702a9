"""Classical algorithms run on the same prompts as the models."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from probe.learners.least_squares import least_squares

Learner = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Takes examples x [batch, examples, dim], their y [batch, examples] and queries [batch, dim]; returns [batch]."""

LEARNERS: dict[str, Learner] = {"least_squares": least_squares}

__all__ = ["LEARNERS", "Learner", "least_squares"]
