"""The one skeleton: a read-in, blocks that add to a residual stream, a final norm and a read-out."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.kernels.rms_norm import RMSNorm
from probe.models.layout import Input, parse_layout
from probe.models.mamba import Mamba
from probe.models.mixer import Mixer, Residual
from probe.models.mixers import LETTERS, make_mixer, residual_of
from probe.models.sinusoids import Sinusoids


class Block(nn.Module):
    """Reads the stream and returns the next one.

    Args:
        residual: ``pre`` adds what the mixer writes after reading the normed stream, ``post`` norms the sum of the
            stream and what the mixer writes after reading it, ``none`` norms what it writes and drops the stream.
        input: what it does with the read-in where it is given: ``add`` adds it to the stream, ``only`` reads it instead
            of the stream.
    """

    def __init__(self, norm: nn.Module, mixer: nn.Module, residual: Residual, input: Input = "none") -> None:
        super().__init__()
        self.input = input
        self.norm = norm
        self.mixer = mixer
        self.residual = residual

    def forward(
        self, stream: Float[Tensor, "batch time width"], read_in: Float[Tensor, "batch time width"] | None = None
    ) -> Float[Tensor, "batch time width"]:
        """Returns the stream after the block.

        Args:
            read_in: the stream at layer 0, for blocks that are given it.
        """
        if read_in is not None and self.input == "add":
            stream = stream + read_in
        read = stream if read_in is None or self.input != "only" else read_in
        if self.residual == "pre":
            added: Tensor = stream + self.mixer(self.norm(read))
            return added
        written = self.mixer(read)
        normed: Tensor = self.norm(stream + written if self.residual == "post" else written)
        return normed


class ResidualModel(nn.Module):
    """Predicts from a sequence of vectors, through a residual stream.

    Args:
        config: layout, sizes, norm and positions; the weights are drawn from torch's global generator, so build
            inside `torch.random.fork_rng` or seed first.
        mixers: further mixers by the letters that the layout has for them.
    """

    def __init__(self, config: ModelConfig, mixers: Mapping[str, type[Mixer]] | None = None) -> None:
        super().__init__()
        known = ChainMap(dict(mixers or {}), LETTERS)
        letters = parse_layout(config.layout)
        self.config = config
        self.letters = "".join(letter.letter for letter in letters)
        self.residuals = [residual_of(letter, config.layout, known) for letter in letters]
        self.read_in: nn.Module = (
            nn.Embedding(config.symbols, config.width) if config.symbols else nn.Linear(config.dim, config.width)
        )
        self.positions = POSITIONS[config.positions](config)
        blocks = enumerate(zip(letters, self.residuals, strict=True))
        self.blocks = nn.ModuleList(
            Block(
                NORMS[config.norm](config),
                make_mixer(letter, config, len(letters), place, known),
                residual,
                letter.input,
            )
            for place, (letter, residual) in blocks
        )
        self.reads = [letter.input for letter in letters]
        self.weights_of = [place - letter.back for place, letter in enumerate(letters)]
        # a last block that norms what it returns needs no further norm
        self.norm_f = NORMS[config.norm](config) if self.residuals[-1] == "pre" else nn.Identity()
        self.read_out = nn.Linear(config.width, config.outputs)
        self._share()

    def _share(self) -> None:
        """Gives every block that is an earlier one again that one's weights, which are stored and counted once."""
        for block, place in zip(self.blocks, self.weights_of, strict=True):
            first = self.blocks[place]
            if first is block:
                continue
            for own, its in zip(block.modules(), first.modules(), strict=True):
                vars(own).update(its._parameters | its._buffers)
                own._parameters.clear()
                own._buffers.clear()
                if isinstance(own, nn.RNNBase):  # it keeps a list of its weights beside them
                    own._flat_weights = [getattr(its, name) for name in own._flat_weights_names]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> ResidualModel:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._share()
        return self

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Takes weights, as `torch.nn.Module.load_state_dict` does."""
        told = super().load_state_dict(state_dict, strict=strict, assign=assign)
        self._share()
        return told

    def embed(
        self, inputs: Float[Tensor, "batch time dim"] | Int[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time width"]:
        """Returns the stream at layer 0: the read-in, with positions where the model has them.

        Raises:
            ProbeError: if the inputs are longer than the learned positions reach.
        """
        # blocks add to a stream of full precision, also where products are taken in half
        stream: Tensor = self.read_in(inputs).to(self.read_out.weight.dtype)
        if self.positions is None:
            return stream
        time = inputs.shape[1]
        if isinstance(self.positions, nn.Embedding) and time > self.positions.num_embeddings:
            raise ProbeError(
                f"A prompt of {time} tokens was given, but the model has learned positions for "
                f"{self.positions.num_embeddings} tokens. Ask for a shorter context or train with a longer one."
            )
        place: Int[Tensor, " time"] = torch.arange(time, device=inputs.device)
        embedded: Tensor = stream + self.positions(place)
        return embedded

    def decode(self, stream: Float[Tensor, "*place width"]) -> Float[Tensor, "*place outputs"]:
        """Returns the predictions from a stream: final norm, then read-out."""
        result: Tensor = self.read_out(self.normalise(stream))
        return result

    def normalise(self, stream: Float[Tensor, "*place width"]) -> Float[Tensor, "*place width"]:
        """Returns the stream after the final norm."""
        result: Tensor = self.norm_f(stream)
        return result

    def forward(
        self, inputs: Float[Tensor, "batch time dim"] | Int[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time outputs"]:
        """Returns the predictions at every token."""
        read_in = stream = self.embed(inputs)
        for block, reads in zip(self.blocks, self.reads, strict=True):
            stream = block(stream) if reads == "none" else block(stream, read_in)
        return self.decode(stream)

    def use_kernel(self, backend: str) -> None:
        """Makes every mixer that has kernels run on the named backend (``auto`` chooses).

        All have a ``reference``; the other names are those of the selective scan, and leave other kernels as they are.
        """
        for module in self.modules():
            if hasattr(module, "backend") and (backend in ("auto", "reference") or isinstance(module, Mamba)):
                module.backend = backend  # type: ignore[assignment]

    def cumulative_parameters(self) -> list[int]:
        """Returns the number of parameters used up to each layer, [blocks + 1] (without the decoder)."""
        total = _size(self.read_in) + (0 if self.positions is None else _size(self.positions))
        return _running(total, [_size(block) for block in self.blocks])

    def cumulative_flops(self, time: int) -> list[int]:
        """Returns the forward floating-point operations for one sequence up to each layer, [blocks + 1]."""
        read_in = 2 * time * self.read_in.weight.numel() if isinstance(self.read_in, nn.Linear) else 0
        return _running(read_in, [block.mixer.flops(time) for block in self.blocks])  # type: ignore[operator,union-attr]


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _running(start: int, additions: list[int]) -> list[int]:
    totals = [start]
    for addition in additions:
        totals.append(totals[-1] + addition)
    return totals


def _learned(config: ModelConfig) -> nn.Module:
    positions = nn.Embedding(config.slots, config.width)
    if config.init == "own":
        nn.init.normal_(positions.weight, std=0.02)
    return positions


POSITIONS: dict[str, Callable[[ModelConfig], nn.Module | None]] = {
    "none": lambda config: None,
    "learned": _learned,
    "sinusoidal": lambda config: Sinusoids(config.width),
}
"""What is added to the read-in, by the configuration's word."""

NORMS: dict[str, Callable[[ModelConfig], nn.Module]] = {
    "none": lambda config: nn.Identity(),
    "rms": lambda config: RMSNorm(config.width, eps=1e-5),
    "layer": lambda config: nn.LayerNorm(config.width, eps=1e-5),
}
"""The norm before every block and at the end, by the configuration's word."""
