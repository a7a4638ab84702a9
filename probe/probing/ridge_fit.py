"""Heads for several targets that read the same features: one pass and one eigendecomposition for all."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from probe.config import FitConfig
from probe.heads import LinearHeads, Moments, best_penalty, solve_path

Targets = dict[str, Float[Tensor, "batch context target"]]
Pass = Literal["fit", "select"]


class Fitting:
    """Gathers the second moments of features and of targets, by name, and fits ridge heads for each target.

    Penalties are chosen for every target, layer and context on the selection prompts, from their moments, so that no
    features are kept.

    Args:
        device: where the moments live; it must know float64.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = device
        self._moments: dict[Pass, Moments] = {}
        self._parts: dict[str, slice] = {}

    @staticmethod
    def passes(config: FitConfig) -> tuple[tuple[Pass, int], tuple[Pass, int]]:
        """Returns the two passes over prompts that heads need, each with its number of prompts."""
        return ("fit", config.prompts), ("select", -(-config.prompts // 4))

    def update(
        self,
        purpose: Pass,
        stream: Float[Tensor, "layer batch context width"],
        targets: Targets,
        counted: Bool[Tensor, "batch context"] | None = None,
    ) -> None:
        """Adds a batch of prompts; no tensor is kept.

        Args:
            counted: at which contexts a prompt counts; at all of them unless given.
        """
        joint = torch.cat([target.to(self._device, torch.float64) for target in targets.values()], dim=-1)
        if purpose not in self._moments:
            self._moments[purpose] = Moments(
                (len(stream), stream.shape[2]), stream.shape[-1], joint.shape[-1], self._device
            )
            start = 0
            for name, target in targets.items():
                self._parts[name] = slice(start, start := start + target.shape[-1])
        self._moments[purpose].update(stream, joint, counted)

    def solve(self) -> dict[str, LinearHeads]:
        """Returns the heads for every target."""
        fit, select = self._moments["fit"], self._moments["select"]
        path = solve_path(fit)
        found: dict[str, list[LinearHeads]] = {name: [] for name in self._parts}
        for layer in range(fit.grid[0]):
            for name, part in self._parts.items():
                own = path.part(layer, part)
                errors = own.squared_errors(select.part(layer, part))
                found[name].append(own.choose(best_penalty(errors)))
        return {name: _stacked(each) for name, each in found.items()}


def _stacked(layers: list[LinearHeads]) -> LinearHeads:
    return LinearHeads(
        torch.cat([one.weight for one in layers]),
        torch.cat([one.intercept for one in layers]),
        torch.cat([one.penalty for one in layers]),
    )
