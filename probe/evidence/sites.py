"""Where heads may read beside the stream: what stands inside a block at every token, captured batch by batch.

A block's inner quantities are computed while its input passes and dropped but for the tokens asked for, so that those
of one block are held at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from probe.capture import observe
from probe.capture.sites.narrow import Narrow
from probe.capture.sites.stepped import STEPPED, State
from probe.models import Block, ResidualModel
from probe.models.fast_weights import FastWeights
from probe.models.mamba import Mamba
from probe.probing.experiment import Experiment

Token = Literal["x", "y"]


@dataclass(frozen=True)
class Site:
    """What heads read: the stream at a layer, or a quantity inside the block that ends there, at tokens of one kind.

    Attributes:
        layer: 0 is the read-in, i what stands in or after block i.
        name: ``stream``, ``state``, or of Mamba also ``delta``, ``B``, ``C``, ``gate``, ``convolution``.
        token: x, the query after some examples, or y, the end of the last of them.
    """

    layer: int
    name: str
    token: Token

    def __str__(self) -> str:
        """Says it in words, without the layer."""
        return f"{self.name} at {self.token}"


def entering(block: Block, stream: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
    """Returns the input of a block's mixer when this stream enters the block."""
    read: Tensor = block.norm(stream) if block.residual == "pre" else stream
    return read


@torch.no_grad()
def inside(
    mixer: nn.Module, hidden: Float[Tensor, "batch time width"], tokens: Sequence[int]
) -> dict[str, Float[Tensor, "batch token numbers"]]:
    """Returns what stands in a mixer after some tokens, by name; nothing of mixers that keep no state.

    Args:
        tokens: ascending, each once.
    """
    if isinstance(mixer, Mamba):
        return _inside_mamba(mixer, hidden, tokens)
    if isinstance(mixer, FastWeights):
        return {"state": mixer.states(hidden).transpose(1, 2).flatten(2)[:, tokens]}
    read_state = STEPPED.get(type(mixer))
    return {} if read_state is None else {"state": _stepped(mixer, hidden, read_state)[:, tokens]}


def _inside_mamba(mixer: Mamba, hidden: Tensor, tokens: Sequence[int]) -> dict[str, Tensor]:
    found = mixer.inside(hidden)
    read = {"convolution": found.convolution}
    read |= {"delta": found.delta} if mixer.dt_proj is not None else {}
    read |= {"B": found.B} if mixer.B is None else {}
    read |= {"C": found.C} if mixer.C is None else {}
    read |= {} if found.gate is None else {"gate": found.gate}
    return {"state": found.states_at(tokens).flatten(2)} | {name: each[:, tokens] for name, each in read.items()}


def _stepped(mixer: nn.Module, hidden: Tensor, read: Callable[[State], Tensor]) -> Tensor:
    state: State = mixer.start(len(hidden))  # type: ignore[operator]
    states = []
    for token in hidden.unbind(1):
        _, state = mixer.step(token, state)  # type: ignore[operator]
        states.append(read(state).flatten(1))
    return torch.stack(states, dim=1)


@torch.no_grad()
def read_sites(
    experiment: Experiment,
    inputs: Float[Tensor, "batch time dim"],
    tokens: dict[Token, Int[Tensor, " context"]],
    narrow: Narrow,
) -> tuple[dict[Site, Float[Tensor, "batch context features"]], dict[Site, int]]:
    """Runs the model and returns what every site holds at the given tokens, and how many numbers it has.

    Models that are not our own are read at the stream alone.

    Args:
        tokens: their places in the sequence, by the kind of token.
    """
    model = experiment.model.model
    blocks = list(model.blocks) if isinstance(model, ResidualModel) else []
    found: dict[Site, Tensor] = {}
    numbers: dict[Site, int] = {}

    every = sorted({place for places in tokens.values() for place in places.tolist()})
    among = {token: torch.tensor([every.index(place) for place in places.tolist()]) for token, places in tokens.items()}

    def keep(layer: int, name: str, values: Tensor) -> None:
        for token, places in among.items():
            site = Site(layer, name, token)
            found[site] = narrow(layer, name, values.index_select(1, places.to(values.device)))
            numbers[site] = values.shape[-1]

    def see(layer: int, stream: Tensor) -> None:
        keep(layer, "stream", stream[:, every])
        if layer < len(blocks):
            block = blocks[layer]
            assert isinstance(block, Block)
            for name, values in inside(block.mixer, entering(block, stream), every).items():
                keep(layer + 1, name, values)

    with observe(experiment.model.places, see):
        experiment.model.run(inputs.to(experiment.device))
    return found, numbers
