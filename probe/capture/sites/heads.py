"""Attention heads as sites: what each mixes, and what each adds to the stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from probe.capture.hooks import Place, StreamModel
from probe.capture.huggingface import HuggingFaceModel
from probe.capture.sites.site import Cell, Keep, Site, watched
from probe.capture.sites.written import parts_of
from probe.errors import ProbeError
from probe.models.attention import Attention

PROJECTIONS = ("c_proj", "o_proj", "out_proj", "dense", "output")
"""What families call the map from the heads to the stream."""


@dataclass(frozen=True, eq=False)
class Heads:
    """The heads of one attention.

    Attributes:
        projection: the linear map from all heads side by side to the stream.
        count: the number of heads.
    """

    layer: int
    projection: nn.Module
    count: int

    def added(self, head: int, mixed: Float[Tensor, "batch size"]) -> Float[Tensor, "batch width"]:
        """Returns what one head adds to the stream, without the bias that all of them share."""
        weight: Tensor = self.projection.weight  # type: ignore[assignment]
        rows = weight.mT if isinstance(self.projection, nn.Linear) else weight
        first = head * mixed.shape[-1]
        return mixed @ rows[first : first + mixed.shape[-1]].to(mixed)


@dataclass(frozen=True)
class HeadSite(Site):
    """What every attention head mixes, before the output projection, or what it adds to the stream.

    Args:
        added: whether it is what the head adds to the stream: over all heads, with the projection's bias, these sum to
            the attention's output.
    """

    added: bool

    def read(self, model: StreamModel, inputs: Tensor, tokens: Sequence[int], keep: Keep) -> Tensor:
        """Runs the model and hands over every head at the tokens."""
        every = heads_of(model)
        places = [
            Place(f"the attention of layer {one.layer}", one.projection, "input", lambda seen: seen) for one in every
        ]

        def see(number: int, mixed: Tensor) -> None:
            for place, token in enumerate(tokens):
                for head, part in enumerate(mixed[:, token].chunk(every[number].count, dim=-1)):
                    values = every[number].added(head, part) if self.added else part.clone()
                    keep(Cell(every[number].layer, head), place, values)

        return watched(model, inputs, tokens, places, see)


def heads_of(model: StreamModel) -> list[Heads]:
    """Returns the heads of every attention of the model.

    Raises:
        ProbeError: if there is no attention, or it has no linear map that heads enter side by side.
    """
    return [_heads(model, layer, module) for layer, module in parts_of(model, "attention")]


def _heads(model: StreamModel, layer: int, module: nn.Module) -> Heads:
    count = getattr(model.config, "num_attention_heads", 0) if isinstance(model, HuggingFaceModel) else 0
    count = module.heads if isinstance(module, Attention) else int(count or 0)
    named = {name.rpartition(".")[2]: child for name, child in module.named_modules()}
    projection = next((named[name] for name in PROJECTIONS if name in named), None)
    weight = getattr(projection, "weight", None)
    entering = 0 if not isinstance(weight, Tensor) else weight.shape[1 if isinstance(projection, nn.Linear) else 0]
    if projection is None or not count or not entering or entering % count:
        raise ProbeError(
            f"The attention of layer {layer} is a {type(module).__name__}, in which no map from separate heads to the "
            "stream was found. Give --site attention, which reads all of them together."
        )
    return Heads(layer, projection, count)
