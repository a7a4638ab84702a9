"""What attention and feed-forward blocks write, and any module by its path, as sites."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from probe.capture.hooks import Place, StreamModel
from probe.capture.huggingface import HuggingFaceModel
from probe.capture.huggingface.blocks import mixers
from probe.capture.sites.site import Cell, Keep, Site, kinds, places_of, watched
from probe.errors import ProbeError, suggest
from probe.models import Block
from probe.models.attention import Attention
from probe.models.joined_attention import JoinedAttention
from probe.models.mlp import MLP
from probe.models.rwkv4 import RWKV4ChannelMix
from probe.models.rwkv7 import RWKV7ChannelMix

OURS: dict[str, tuple[type[nn.Module], ...]] = {
    "attention": (Attention, JoinedAttention),
    "mlp": (MLP, RWKV4ChannelMix, RWKV7ChannelMix),
}
LETTERS = {"attention": "A", "mlp": "FC"}
"""The letters of such a part in a block of transformers (see `probe.capture.huggingface.blocks`)."""
PARTS = {"attention": "attention", "mlp": "a feed-forward part"}


def parts_of(model: StreamModel, kind: str) -> list[tuple[int, nn.Module]]:
    """Returns the modules of a kind, ``attention`` or ``mlp``, inside the model's blocks, with their layers.

    Raises:
        ProbeError: if no block has one that is a module.
    """
    found: list[tuple[int, nn.Module]] = []
    for layer, block in places_of(model):
        if isinstance(block, Block):
            found += [(layer, block.mixer)] * isinstance(block.mixer, OURS[kind])
        elif isinstance(model, HuggingFaceModel):
            chosen = [module for letter, module in mixers(block) if letter in LETTERS[kind]]
            found += [(layer, module) for module in chosen[:1]]
    if not found:
        raise ProbeError(
            f"The model's blocks are {kinds(model)}, but {PARTS[kind]} that is a module was to be read. Give "
            "--site stream, or name the module by its path, --site module:PATH."
        )
    return found


@dataclass(frozen=True)
class PartSite(Site):
    """What every attention, or every feed-forward part, writes.

    Args:
        kind: ``attention`` or ``mlp``.
    """

    kind: str

    def read(self, model: StreamModel, inputs: Tensor, tokens: Sequence[int], keep: Keep) -> Tensor:
        """Runs the model and hands over what each of them writes at the tokens."""
        return read_outputs(model, inputs, tokens, keep, parts_of(model, self.kind))


@dataclass(frozen=True)
class ModuleSite(Site):
    """What a module returns, or the first tensor of it, by its path; ``*`` stands for the number of a block.

    Args:
        path: as in `torch.nn.Module.named_modules`, e.g. ``layers.*.self_attn``.
    """

    path: str

    def read(self, model: StreamModel, inputs: Tensor, tokens: Sequence[int], keep: Keep) -> Tensor:
        """Runs the model and hands over what the modules return at the tokens."""
        return read_outputs(model, inputs, tokens, keep, self._found(model))

    def _found(self, model: StreamModel) -> list[tuple[int, nn.Module]]:
        inner = getattr(model, "model", None)
        named = dict(inner.named_modules()) if isinstance(inner, nn.Module) else {}
        pattern = re.compile(r"(\d+)".join(map(re.escape, self.path.split("*"))))
        hits = [(re.fullmatch(pattern, name), module) for name, module in named.items()]
        found = [(int(hit.group(1)) + 1 if hit.groups() else 1, module) for hit, module in hits if hit]
        if not found or not self.path:
            raise ProbeError(
                f"--site module:{self.path} was given, but the model has no such module. "
                f"{suggest(self.path, [name for name in named if name])}Give a path as named_modules() has it, with * "
                "for the number of a block."
            )
        return sorted(found, key=lambda each: each[0])


def read_outputs(
    model: StreamModel, inputs: Tensor, tokens: Sequence[int], keep: Keep, modules: Sequence[tuple[int, nn.Module]]
) -> Tensor:
    """Runs the model and hands over what modules return at the tokens, each in the cell of its layer."""
    names = {id(module): name for name, module in getattr(model, "model", nn.Module()).named_modules()}
    places = [Place(names.get(id(module), "a module"), module, "output", _first) for _, module in modules]

    def see(number: int, written: Tensor) -> None:
        if written.ndim < 3 or written.shape[:2] != inputs.shape[:2]:
            raise ProbeError(
                f"{places[number].name} was to be read, but it returns the shape {tuple(written.shape)}, and what "
                f"stands at every token is needed, [{inputs.shape[0]}, {inputs.shape[1]}, numbers]. Name another one."
            )
        for place, token in enumerate(tokens):
            keep(Cell(modules[number][0]), place, written[:, token].clone())

    return watched(model, inputs, tokens, places, see)


def _first(seen: Any) -> Tensor:
    tensor: Tensor = seen if isinstance(seen, Tensor) else seen[0]
    return tensor
