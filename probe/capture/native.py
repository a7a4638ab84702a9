"""The wrapper of probe's own models."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from probe.capture.cache import Cache, Names, run_with_cache
from probe.capture.description import ModelDescription, OldNames
from probe.capture.hooks import Place
from probe.models import ResidualModel

# of every other mixer the output is called mixer_out
WRITTEN = {"A": "attn", "F": "mlp"}


class NativeModel(OldNames):
    """Wraps a `ResidualModel`: layer 0 is the stream that enters the first block, layer i what leaves block i."""

    def __init__(self, model: ResidualModel) -> None:
        self.model = model
        self.width = model.config.width
        self.description = ModelDescription(
            layout=model.config.layout,
            letters=tuple(model.letters),
            residuals=tuple(model.residuals),
            inputs=0 if model.config.symbols else model.config.dim,
            outputs=model.config.outputs,
            symbols=model.config.symbols,
            longest=model.config.slots if model.config.positions == "learned" else 0,
            parameters=tuple(model.cumulative_parameters()),
        )
        entry = Place("blocks.0 (input)", model.blocks[0], "input", _itself)
        exits = [Place(f"blocks.{i}", block, "output", _itself) for i, block in enumerate(model.blocks)]
        self.places: Sequence[Place] = [entry, *exits]

    @property
    def hook_points(self) -> dict[str, Place]:
        """The place of each activation by its name, in the order in which they are computed (see `run_with_cache`)."""
        found = {"hook_embed": Place("read_in", self.model.read_in, "output", _itself)}
        for i, (letter, block) in enumerate(zip(self.description.letters, self.model.blocks, strict=True)):
            name, mixer = f"blocks.{i}", block.get_submodule("mixer")
            found[f"{name}.hook_resid_pre"] = Place(f"{name} (input)", block, "input", _itself)
            found[f"{name}.hook_{WRITTEN.get(letter, 'mixer')}_out"] = Place(f"{name}.mixer", mixer, "output", _itself)
            found[f"{name}.hook_resid_post"] = Place(name, block, "output", _itself)
        return found | {"ln_final.hook_normalized": Place("norm_f", self.model.norm_f, "output", _itself)}

    @property
    def points(self) -> dict[str, Place]:
        """The attribute ``hook_points``, by its former name."""
        warnings.warn("points is called hook_points now, and goes with the next version.", DeprecationWarning, 2)
        return self.hook_points

    def run_with_cache(
        self,
        inputs: Float[Tensor, "batch time dim"] | Int[Tensor, "batch time"],
        names_filter: Names = None,
        *,
        stop_at_layer: int | None = None,
        pos_slice: int | slice | None = None,
        device: torch.device | str | None = None,
    ) -> tuple[Tensor, Cache]:
        """Returns the predictions and the activations by name (see `probe.capture.cache.run_with_cache`)."""
        return run_with_cache(
            self, inputs, names_filter, stop_at_layer=stop_at_layer, pos_slice=pos_slice, device=device
        )

    def run(self, inputs: Tensor) -> Tensor:
        """Returns the model's predictions at every token, ``[batch, time, outputs]``."""
        output: Tensor = self.model(inputs)
        return output

    def normalise(self, stream: Tensor) -> Tensor:
        """Returns the stream after the model's final norm."""
        return self.model.normalise(stream)

    def decode(self, stream: Tensor) -> Tensor:
        """Returns the predictions that the final norm and the read-out make of a stream."""
        return self.model.decode(stream)

    def flops(self, time: int) -> list[int]:
        """Returns the forward floating-point operations for one sequence up to each layer, [blocks + 1]."""
        return self.model.cumulative_flops(time)

    def use_kernel(self, backend: str) -> None:
        """Makes every mixer that has kernels run on the named backend (``auto`` chooses)."""
        self.model.use_kernel(backend)


def _itself(stream: Tensor) -> Tensor:
    return stream
