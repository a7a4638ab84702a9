"""The step sizes of gradient descent on least squares."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.fields import Positive

Rate = Literal["optimal", "inverse_lipschitz"] | Positive
"""By each prompt's Hessian, with L and mu its largest and smallest eigenvalue: 2 / (L + mu), the best constant
step, or 1 / L, under which every component shrinks monotonically. Else the step itself."""


def step_size(hessian: Float64[Tensor, "batch dim dim"], rate: Rate) -> Float64[Tensor, "batch 1"]:
    """Returns the step of each prompt, 0 where the Hessian is 0 and nan where it is not finite: what diverged stays so.

    With fewer examples than dimensions mu is 0 and the optimal step 2 / L: the component of the largest eigenvalue
    then changes its sign at every step and never shrinks.
    """
    if not isinstance(rate, str):
        return hessian.new_full((len(hessian), 1), rate)
    finite = hessian.isfinite().flatten(1).all(1)
    eigenvalues = torch.linalg.eigvalsh(hessian.where(finite[:, None, None], 0.0))
    smallest, largest = eigenvalues[:, :1].clamp(min=0), eigenvalues[:, -1:]
    step = 2 / (largest + smallest) if rate == "optimal" else 1 / largest
    return torch.where(largest > 0, step, 0.0).where(finite[:, None], torch.nan)
