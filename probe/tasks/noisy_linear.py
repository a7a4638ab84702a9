"""Linear regression with noise on the examples' y."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from probe.errors import ProbeError
from probe.fields import Dimension, Range, Scale, Size, Spread
from probe.randomness import Source, pool
from probe.tasks.choices import check_functions, weights
from probe.tasks.prompts import Prompts, paired, truncate
from probe.tasks.task import Task


@dataclass(frozen=True)
class NoisyLinear(Task):
    """Draws y = w.x + noise * e with w, x, e standard normal (Grazzi et al., 2024, arXiv:2402.03170, A.1.3).

    With w = (1, -2), x = (3, 1), noise 0.5 and e = -1, y = 0.5; a clean target is 1, a noisy one 0.5. The target's
    variance is dim * x_scale² * y_scale², plus noise² for a noisy target.

    Args:
        dim: dimension of x.
        noise: standard deviation of the noise.
        target: whether the query's target is the noisy y, as released, or the clean w.x.
        renormalise: whether y is multiplied by sqrt(dim) / std(y), the standard deviation over a whole group, as in
            the released code; the paper does not mention it. A clean target is multiplied alike.
        group_size: prompts that are renormalised together, by number: 64 as released.
        x_scale: factor on x.
        y_scale: factor on w.x, before the noise.
        functions: how many different w there are; 0 draws a fresh one for each prompt. The pool is that of `linear`.
            Dimension 8, noise 0.5 and 2 to 2^20 functions are the setting of Raventós et al. (2023), arXiv:2306.15063,
            section 3. A pool cannot be renormalised, which would give each prompt another w.
    """

    linear: ClassVar[bool] = True
    references: ClassVar[tuple[str, ...]] = ("least_squares", "ridge", "averaging", "knn")

    dim: Dimension = 20
    noise: Spread = 1.0
    target: Literal["noisy", "clean"] = "noisy"
    renormalise: bool = False
    group_size: Size = 1
    x_scale: Scale = 1.0
    y_scale: Scale = 1.0
    functions: Annotated[int, Range(0, 2**20)] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_functions(self.functions, self.dim)
        if self.functions and self.renormalise:
            raise ProbeError(
                f"functions={self.functions} was given with renormalise, which scales w by the y of its group, but "
                "learners that know a pool need its w as they are. Drop renormalise, or functions."
            )

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts with `context` examples before the last query; coordinates from `active` on are 0."""
        # a group is renormalised whole, also where only some of its prompts are asked for
        wide, chosen = source.completed(self.group_size) if self.renormalise else (source, None)
        w = weights(wide, self.dim, self.functions)
        x = truncate(wide.normal(context + 1, self.dim) * self.x_scale, active)
        clean = self.y_scale * torch.einsum("bcd,bd->bc", x, w)
        y = clean + self.noise * wide.normal(context + 1)
        factor = renormalising(y, self.dim, self.group_size) if self.renormalise else torch.ones_like(y[:, :1])
        y, clean, w = y * factor, clean * factor, self.y_scale * w * factor
        if chosen is not None:
            x, y, clean, w, factor = x[chosen], y[chosen], clean[chosen], w[chosen], factor[chosen]
        target = y if self.target == "noisy" else clean
        drawn = {"w": w, "noise": self.noise * factor.squeeze(1)}
        return paired(x, y, drawn, targets=target)

    @property
    def known(self) -> Tensor | None:
        """The w that there are, where they are a finite set."""
        return self.y_scale * pool(self.functions, self.dim) if self.functions else None

    @property
    def variance(self) -> float:
        """The target's expected square: the mean squared error of predicting zero."""
        clean, noise = self.dim * self.x_scale**2 * self.y_scale**2, self.noise**2
        if self.renormalise:
            return self.dim * (1.0 if self.target == "noisy" else clean / (clean + noise))
        return clean + (noise if self.target == "noisy" else 0.0)


def renormalising(y: Float[Tensor, "batch context"], dim: int, group_size: int) -> Float[Tensor, "batch 1"]:
    """Returns, for each prompt, what brings its whole group's y to the standard deviation sqrt(dim).

    Raises:
        ProbeError: if a group holds a single y.
    """
    groups = torch.split(y, group_size)
    if any(group.numel() < 2 for group in groups):
        raise ProbeError(
            "renormalise was asked for a single y, which has no standard deviation. "
            "Ask for a larger context or group_size."
        )
    return torch.cat([(dim**0.5 / group.std()).expand(len(group), 1) for group in groups])
