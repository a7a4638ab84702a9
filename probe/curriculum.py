"""How numbers of dimensions and examples grow during a training (Garg et al., 2022, arXiv:2208.01066)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Curriculum:
    """A number that grows from `start` by `increment` every `every` steps until it reaches its final value."""

    start: int
    increment: int
    every: int

    def at(self, step: int, final: int) -> int:
        """Returns the value at a step, counted from 0."""
        return min(final, self.start + self.increment * (step // self.every))
