"""The one skeleton: a read-in, blocks that add to a residual stream, a final norm and a read-out."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.models.attention import Attention
from probe.models.layout import Letter, parse_layout
from probe.models.mamba import Mamba
from probe.models.mlp import MLP

LETTERS = {"M": "Mamba", "A": "causal attention", "F": "feed-forward"}


class Block(nn.Module):
    """Adds to the stream what its mixer writes after reading the normed stream (pre-norm)."""

    def __init__(self, norm: nn.Module, mixer: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.mixer = mixer

    def forward(self, stream: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Returns the stream after the block."""
        result: Tensor = stream + self.mixer(self.norm(stream))
        return result


class ResidualModel(nn.Module):
    """Predicts from a sequence of vectors, through a residual stream.

    Args:
        config: layout, sizes, norm and positions; the weights are drawn from torch's global generator, so build
            inside `torch.random.fork_rng` or seed first.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        letters = parse_layout(config.layout)
        self.config = config
        self.letters = "".join(letter.letter for letter in letters)
        self.read_in = nn.Linear(config.dim, config.width)
        self.positions = _positions(config)
        self.blocks = nn.ModuleList(Block(_norm(config), _mixer(letter, config, len(letters))) for letter in letters)
        self.norm_f = _norm(config)
        self.read_out = nn.Linear(config.width, config.outputs)

    def embed(self, inputs: Float[Tensor, "batch time dim"]) -> Float[Tensor, "batch time width"]:
        """Returns the stream at layer 0: the read-in, with positions where the model has them.

        Raises:
            ProbeError: if the inputs are longer than the learned positions reach.
        """
        stream: Tensor = self.read_in(inputs)
        if self.positions is None:
            return stream
        time, slots = inputs.shape[1], self.positions.num_embeddings
        if time > slots:
            raise ProbeError(
                f"A prompt of {time} tokens was given, but the model has learned positions for {slots} tokens "
                f"({(slots - 1) // 2} examples). Ask for a shorter context or train with a longer one."
            )
        place: Int[Tensor, " time"] = torch.arange(time, device=inputs.device)
        embedded: Tensor = stream + self.positions(place)
        return embedded

    def decode(self, stream: Float[Tensor, "*place width"]) -> Float[Tensor, "*place outputs"]:
        """Returns what the model would read out of a stream: final norm, then read-out."""
        result: Tensor = self.read_out(self.normalise(stream))
        return result

    def normalise(self, stream: Float[Tensor, "*place width"]) -> Float[Tensor, "*place width"]:
        """Returns the stream after the final norm."""
        result: Tensor = self.norm_f(stream)
        return result

    def forward(self, inputs: Float[Tensor, "batch time dim"]) -> Float[Tensor, "batch time outputs"]:
        """Returns the predictions at every token."""
        stream = self.embed(inputs)
        for block in self.blocks:
            stream = block(stream)
        return self.decode(stream)

    def use_kernel(self, backend: str) -> None:
        """Makes every Mamba block run its scan on the named backend (``auto`` chooses)."""
        for module in self.modules():
            if isinstance(module, Mamba):
                module.backend = backend

    def cumulative_parameters(self) -> list[int]:
        """Returns the number of parameters used up to each layer, [blocks + 1] (without the decoder)."""
        total = _size(self.read_in) + (0 if self.positions is None else _size(self.positions))
        return _running(total, [_size(block) for block in self.blocks])

    def cumulative_flops(self, time: int) -> list[int]:
        """Returns the forward floating-point operations for one sequence up to each layer, [blocks + 1]."""
        read_in = 2 * time * self.read_in.weight.numel()
        return _running(read_in, [block.mixer.flops(time) for block in self.blocks])  # type: ignore[operator,union-attr]


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _running(start: int, additions: list[int]) -> list[int]:
    totals = [start]
    for addition in additions:
        totals.append(totals[-1] + addition)
    return totals


def _positions(config: ModelConfig) -> nn.Embedding | None:
    if config.positions == "none":
        return None
    positions = nn.Embedding(config.slots, config.width)
    nn.init.normal_(positions.weight, std=0.02)
    return positions


def _norm(config: ModelConfig) -> nn.Module:
    if config.norm == "rms":
        return nn.RMSNorm(config.width, eps=1e-5)
    return nn.LayerNorm(config.width, eps=1e-5)


def _mixer(letter: Letter, config: ModelConfig, blocks: int) -> nn.Module:
    if letter.letter not in LETTERS:
        names = ", ".join(f"{key} {name}" for key, name in LETTERS.items())
        raise ProbeError(
            f"No mixer has the letter {letter.letter!r} of the layout {config.layout!r}. Letters: {names}."
        )
    settings = dict(letter.settings)
    known = ["heads"] if letter.letter == "A" else []
    unknown = [name for name in settings if name not in known]
    if unknown:
        raise ProbeError(
            f"The layout letter {letter.letter} was given the setting {unknown[0]!r}, which it does not have. "
            f"Its settings: {', '.join(known) or 'none'}."
        )
    if letter.letter == "M":
        return Mamba(config.width, blocks)
    if letter.letter == "A":
        return Attention(config.width, _heads(settings, config), blocks)
    return MLP(config.width, blocks)


def _heads(settings: dict[str, str], config: ModelConfig) -> int:
    try:
        return int(settings.get("heads", config.attention_heads))
    except ValueError as error:
        raise ProbeError(
            f"The layout setting heads={settings['heads']} was given, but it needs a whole number. Write A[heads=4]."
        ) from error
