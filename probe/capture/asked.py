"""What may be asked of a model: sequences that it reads, and tokens that they have."""

from __future__ import annotations

from typing import Any

from jaxtyping import Int
from torch import Tensor

from probe.errors import ProbeError


def check_sequences(model: Any, inputs: Any) -> None:
    """Refuses what a model cannot read, as far as its description says what it reads.

    Raises:
        ProbeError: if it is no tensor of vectors or of token ids of the model's, or is empty.
    """
    if not isinstance(inputs, Tensor):
        raise ProbeError(
            f"Sequences were given as a {type(inputs).__name__}, but a torch tensor is needed. Convert them, with "
            "torch.from_numpy for instance."
        )
    told = getattr(model, "description", None)
    if told is None or not (told.symbols or told.inputs):
        return
    kind = "token ids [sequence, time]" if told.symbols else f"floats [sequence, time, {told.inputs}]"
    fits = inputs.ndim == 2 if told.symbols else inputs.ndim == 3 and inputs.shape[-1] == told.inputs
    if not fits or bool(told.symbols) == inputs.is_floating_point() or inputs.is_complex() or 0 in inputs.shape:
        raise ProbeError(
            f"Sequences of shape {tuple(inputs.shape)} and type {inputs.dtype} were given, but the model reads {kind}, "
            "one or more. Reshape or convert them."
        )
    if told.symbols and inputs.device.type == "cpu" and not 0 <= int(inputs.min()) <= int(inputs.max()) < told.symbols:
        raise ProbeError(
            f"Token ids from {int(inputs.min())} to {int(inputs.max())} were given, but the model has those from 0 to "
            f"{told.symbols - 1}. Give others."
        )


def check_tokens(tokens: Int[Tensor, "*sequence token"], time: int) -> None:
    """Refuses tokens that sequences do not have; those on an accelerator are not looked at.

    Raises:
        ProbeError: if there is no token, or one outside the sequences.
    """
    if not tokens.shape[-1]:
        raise ProbeError(
            f"No token was asked for, but the sequences have {time} tokens. Ask for some from 0 to {time - 1}."
        )
    if tokens.device.type != "cpu" or not tokens.numel():
        return
    outside = tokens[(tokens < 0) | (tokens >= time)]
    if tokens.is_floating_point() or len(outside):
        raise ProbeError(
            f"Token {(outside if len(outside) else tokens.flatten())[0].item()} was asked for, but the sequences have "
            f"{time} tokens. Ask for some from 0 to {time - 1}."
        )
