"""The calibrated lens of Grazzi et al. (2024): a scale and a shift per prompt, by two protocols that differ.

As published (arXiv:2402.03170, section 3.2), both are fitted on m = 10 queries appended alone to the k examples and
judged on n = 40 others. As released, they are fitted on the predictions at the last 10 examples of the prompt
itself, made with fewer examples before them, and judged on 30 queries appended alone; 64 tasks, k = 40 for each of
them. There errors are mean squares, which the paper divides by d; a record has both the mean square and its ratio
to that of predicting 0. analyses/compare_protocol.py runs the released script beside this one.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Float64
from torch import Tensor

from probe.heads.affine import apply, fit_affine


@dataclass(frozen=True)
class Protocol:
    """How many prompts and queries a protocol takes.

    Args:
        prompts: tasks drawn.
        fitted: predictions that scale and shift are fitted on.
        tested: queries that the calibrated predictions are judged on.
        in_context: whether the fitted ones stand inside the prompt (as released) or are appended alone.
    """

    prompts: int
    fitted: int
    tested: int
    in_context: bool

    @property
    def appended(self) -> int:
        """The queries appended alone, one a forward pass."""
        return self.tested if self.in_context else self.fitted + self.tested


PROTOCOLS = {
    "published": Protocol(prompts=128, fitted=10, tested=40, in_context=False),
    "released": Protocol(prompts=64, fitted=10, tested=30, in_context=True),
}


@dataclass(frozen=True, eq=False)
class Calibration:
    """A batch of prompts, calibrated: scale, shift and the mean squared error over the tested queries."""

    scale: Float64[Tensor, "layer batch"]
    shift: Float64[Tensor, "layer batch"]
    squared: Float64[Tensor, "layer batch"]
    zero: Float64[Tensor, " batch"]


def calibrate(
    fitted: Float[Tensor, "layer batch fitted"],
    fitted_target: Float[Tensor, "batch fitted"],
    tested: Float[Tensor, "layer batch tested"],
    tested_target: Float[Tensor, "batch tested"],
) -> Calibration:
    """Fits scale and shift on some predictions of each prompt and judges them on others, layer by layer."""
    scale, shift = fit_affine(fitted, fitted_target.expand_as(fitted))
    residual = apply(tested, scale, shift) - tested_target.double()
    return Calibration(scale, shift, residual.square().mean(-1), tested_target.double().square().mean(-1))
