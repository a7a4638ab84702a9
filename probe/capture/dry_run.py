"""One pass of a user's module over a few tokens of noise, which finds its sizes and refuses what cannot be right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from probe.capture.hooks import Place, observe
from probe.errors import ProbeError

SLACK = 1e-2  # in units of the largest prediction: wrong decoders miss by far more, other groupings by far less


@dataclass(frozen=True)
class DryRun:
    """The sizes that a dry run found: the stream's width, the number of outputs, the parameters up to each layer."""

    width: int
    outputs: int
    parameters: tuple[int, ...]


def noise(module: nn.Module, shape: tuple[int, int], inputs: int, symbols: int) -> Tensor:
    """Returns ``[batch, time]`` tokens of noise where the module's parameters are, the same on every call."""
    parameter = next((each for each in module.parameters()), torch.empty(0))
    generator = torch.Generator().manual_seed(0)
    if symbols:
        return torch.randint(symbols, shape, generator=generator).to(parameter.device)
    return torch.randn(*shape, inputs, generator=generator).to(parameter.device, parameter.dtype)


@torch.no_grad()
def dry_run(
    module: nn.Module,
    tokens: Tensor,
    places: Sequence[Place],
    predictions: Callable[[Any], Tensor],
    decode: Callable[[Tensor], Tensor],
) -> DryRun:
    """Runs the module once and returns its sizes.

    Raises:
        ProbeError: if it cannot run, a place is not passed once, what passes is no stream of one width, or ``decode``
            does not make the predictions of the last place.
    """
    seen: list[Tensor] = []
    entered: list[Tensor] = []
    parameters: list[int] = []

    def keep(layer: int, stream: Any) -> None:
        _check_stream(places[layer].name, stream, tokens)
        seen.append(stream.clone())
        parameters.append(count([*entered, *(weight for each in places[1 : layer + 1] for weight in _of(each))]))

    try:
        # in this order, for what enters a block has not used that block's parameters
        with observe(places, keep), _entering(module, entered):
            output = predictions(module(tokens))
    except AssertionError as error:
        raise ProbeError(
            f"The places do not fit the module: {error}. Name modules that run once a pass, in the order they run."
        ) from error
    except (RuntimeError, ValueError, IndexError, TypeError, AttributeError) as error:
        reason = str(error).partition("\n")[0]
        raise ProbeError(
            f"The module fails on tokens {_shape(tokens)} ({type(error).__name__}: {reason}). "
            "Check inputs= or symbols=, places and predictions."
        ) from error
    _check_widths(places, seen)
    _check_decoder(decode, seen[-1], output, tokens)
    return DryRun(seen[0].shape[-1], output.shape[-1], tuple(parameters))


def count(parameters: Sequence[Tensor]) -> int:
    """Returns how many numbers parameters hold together, each counted once."""
    return sum({id(weight): weight.numel() for weight in parameters}.values())


@contextmanager
def _entering(module: nn.Module, entered: list[Tensor]) -> Iterator[None]:
    """Collects the parameters of every submodule that is called, of each what it holds directly."""

    def enter(called: nn.Module, arguments: tuple[Any, ...]) -> None:
        entered.extend(called.parameters(recurse=False))

    handles = [each.register_forward_pre_hook(enter) for each in module.modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _of(place: Place) -> list[Tensor]:
    return list(place.module.parameters())


def _check_stream(name: str, stream: object, tokens: Tensor) -> None:
    if not isinstance(stream, Tensor):
        raise ProbeError(
            f"At {name} a {type(stream).__name__} passes, but a stream [batch, time, width] was needed. Name another "
            "place, or give a Place with a read of its own."
        )
    if stream.ndim != 3 or stream.shape[:2] != tokens.shape[:2]:
        raise ProbeError(
            f"At {name} a tensor {_shape(stream)} passes for tokens {_shape(tokens)}, but a stream [batch, time, "
            "width] was needed. Name another place, or give a Place with a read of its own."
        )


def _check_widths(places: Sequence[Place], seen: Sequence[Tensor]) -> None:
    for place, stream in zip(places, seen, strict=True):
        if stream.shape[-1] != seen[0].shape[-1]:
            raise ProbeError(
                f"The stream is {seen[0].shape[-1]} wide at {places[0].name}, but {stream.shape[-1]} at {place.name}. "
                "Name places of one width."
            )


def _check_decoder(decode: Callable[[Tensor], Tensor], stream: Tensor, output: Any, tokens: Tensor) -> None:
    if not isinstance(output, Tensor) or output.ndim != 3 or output.shape[:2] != tokens.shape[:2]:
        given = _shape(output) if isinstance(output, Tensor) else type(output).__name__
        raise ProbeError(
            f"The module returns {given} for tokens {_shape(tokens)}, but predictions [batch, time, outputs] were "
            "needed. Say where they are by predictions=."
        )
    try:
        decoded = decode(stream)
    except RuntimeError as error:
        raise ProbeError(
            f"decode fails on the stream at the last place {_shape(stream)} ({error}). Give the final norm and the "
            "read-out."
        ) from error
    if decoded.shape != output.shape:
        raise ProbeError(
            f"decode makes {_shape(decoded)} of the stream at the last place, but the module predicts {_shape(output)}."
            " Give the final norm and the read-out."
        )
    gap = (decoded - output).abs().max()
    if not output.is_meta and bool(gap > SLACK * output.abs().max()):
        raise ProbeError(
            f"What decode makes of the last place differs from the module's predictions by up to {gap.item():.1e}. "
            "Name the last block's output, and let decode apply the final norm and the read-out."
        )


def _shape(tensor: Tensor) -> str:
    return str(list(tensor.shape))
