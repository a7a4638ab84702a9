"""Streams that were kept, as a model: what it is given are the streams themselves, and it passes them on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from probe.capture.description import ModelDescription
from probe.capture.hooks import Place
from probe.capture.module import itself
from probe.errors import ProbeError


class StoredModel:
    """Stands where a model would, for heads on kept streams. A token is the streams of all layers side by side.

    Args:
        layers: of the streams, the read-in included.
        width: of the streams.
        about: what is known of the model that they are of: letters, residuals, parameters, FLOPs.
    """

    def __init__(self, layers: int, width: int, about: Mapping[str, Any]) -> None:
        self.model = nn.ModuleList(nn.Identity() for _ in range(layers))
        self.places: Sequence[Place] = [
            Place(f"layer {layer}", each, "output", itself) for layer, each in enumerate(self.model)
        ]
        self.width = width
        blocks = max(layers - 1, 0)
        letters = _listed(about.get("letters"), str, blocks)
        self.description = ModelDescription(
            layout=str(about.get("layout") or "streams"),
            letters=tuple(letters or ["B"] * blocks),
            residuals=tuple(_listed(about.get("residuals"), str, blocks) or ["pre"] * blocks),
            inputs=layers * width,
            outputs=0,
            symbols=0,
            longest=0,
            parameters=tuple(_listed(about.get("cumulative_parameters"), int, layers) or [0] * layers),
        )
        self._flops = _listed(about.get("cumulative_flops"), int, layers) or [0] * layers

    def run(self, inputs: Float[Tensor, "batch time both"]) -> Float[Tensor, "batch time 0"]:
        """Passes every layer's stream through its place, and predicts nothing."""
        for layer, stream in zip(self.model, torch.split(inputs, self.width, dim=-1), strict=True):
            layer(stream)
        return inputs[..., :0]

    def normalise(self, stream: Tensor) -> Tensor:
        """Refuses: the model's final norm was not kept."""
        raise _absent("norm")

    def decode(self, stream: Tensor) -> Tensor:
        """Refuses: the model's read-out was not kept."""
        raise _absent("read-out")

    def flops(self, time: int) -> list[int]:
        """Returns the operations up to each layer, as they were kept; 0 where they were not."""
        return list(self._flops)

    def use_kernel(self, backend: str) -> None:
        """Does nothing: no model runs."""


def _listed(value: Any, kind: type, count: int) -> list[Any]:
    """Returns a list of so many values of a kind, or an empty one."""
    fits = isinstance(value, list) and len(value) == count and all(type(one) is kind for one in value)
    return list(value) if fits else []


def _absent(what: str) -> ProbeError:
    return ProbeError(
        f"Kept streams were given, but this head needs the model's own {what}, which is not kept. Give the model by "
        "--ckpt, or --head linear."
    )
