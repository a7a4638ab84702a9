"""Inner quantities of a Mamba mixer switched off while the model runs: held at zero, or at their mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor

from probe.capture.hooks import StreamModel
from probe.errors import ProbeError
from probe.interventions.mixers import reads
from probe.models.mamba import Mamba
from probe.models.short_convolution import ShortConvolution

Constants = dict[str, Float[Tensor, " channels"]]
"""By the internal's name, what it is held at."""

INTERNALS: dict[str, str] = {
    "convolution": "what leaves the short convolution and its SiLU, and enters the scan",
    "lookback": "the earlier tokens in the short convolution",
    "gate": "the factor on the scan's output",
    "delta": "the step sizes, after bias and softplus",
    "B": "what is written to the state",
    "C": "what is read from it",
}
"""What can be switched off. With delta, B or C at zero alike, nothing but the skip D is left of the scan."""


@contextmanager
def holding(mixer: Mamba, constants: Constants) -> Iterator[None]:
    """Holds inner quantities of a mixer at the same value for every prompt and token while the body runs.

    Runs on the mixer's own backend; the rest of the mixer follows from what is held.

    Raises:
        ProbeError: if the mixer has no internal of such a name.
    """
    known = internals_of(mixer)
    for name in constants:
        if name not in known:
            raise ProbeError(f"{name} was to be held, but this Mamba mixer has {', '.join(known)}. Choose among them.")

    def forward(hidden: Tensor) -> Tensor:
        return mixer.held(hidden, constants)

    assert "forward" not in vars(mixer), "inner quantities of this mixer are held already"
    mixer.forward = forward  # type: ignore[method-assign]
    try:
        yield
    finally:
        del mixer.forward


def internals_of(mixer: Mamba) -> list[str]:
    """Returns the internals that a mixer has: one built without a gate has none to switch off."""
    has = {"gate": mixer.gated, "lookback": isinstance(mixer.conv1d, ShortConvolution)}
    return [name for name in INTERNALS if has.get(name, True)]


def zeros(mixer: Mamba) -> Constants:
    """Returns zero for every internal of a mixer."""
    return {
        name: mixer.D.new_zeros(mixer.STATE if name in ("B", "C") else len(mixer.D)) for name in internals_of(mixer)
    }


@torch.no_grad()
def means(model: StreamModel, mixers: Mapping[int, Mamba], batches: Iterable[Tensor]) -> dict[int, Constants]:
    """Returns the mean of every internal of every mixer over prompts and tokens, by layer.

    Args:
        batches: the model's inputs on these prompts.
    """
    totals = {layer: {name: zero.double() for name, zero in zeros(mixer).items()} for layer, mixer in mixers.items()}
    tokens = 0
    for inputs in batches:
        tokens += inputs.shape[0] * inputs.shape[1]
        for layer, hidden in reads(model, mixers, inputs).items():
            inside = mixers[layer].inside(hidden)
            for name, total in totals[layer].items():
                value = inside.entering if name == "lookback" else getattr(inside, name)
                total += value.double().sum((0, 1))
    return {
        layer: {name: (total / tokens).to(mixers[layer].D.dtype) for name, total in found.items()}
        for layer, found in totals.items()
    }
