"""What must hold before a layer curve means anything, checked on the very model that is probed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from probe.capture.hooks import Place, StreamModel, capture, watching
from probe.errors import ProbeError

ROUNDING = 1e-5  # of the largest output, in float32


@dataclass(frozen=True)
class Finding:
    """One invariant: what was claimed, whether it held (None where that could not be found out), and what was seen."""

    claim: str
    held: bool | None
    seen: str


def check_invariants(
    model: StreamModel, inputs: Float[Tensor, "batch time dim"] | Int[Tensor, "batch time"]
) -> list[Finding]:
    """Checks a wrapped model on a batch of inputs.

    Args:
        inputs: a batch of at least two different prompts of at least two tokens.

    Raises:
        ProbeError: if there are fewer prompts or tokens: nothing would be there to differ.
    """
    if min(inputs.shape[:2]) < 2:
        raise ProbeError(
            f"{inputs.shape[0]} prompts of {inputs.shape[1]} tokens were given, but at least 2 of 2 are needed. "
            "Check on more."
        )
    everywhere = torch.arange(inputs.shape[1], device=inputs.device)
    captured = capture(model, inputs, everywhere)
    return [
        _decodes(model, captured.stream, captured.output),
        _equals_plain_hooks(model, inputs, captured.stream),
        _passes_on(model, inputs, captured.stream),
        _is_copied(captured.stream),
        _leaves_no_hook(model, inputs),
        _is_causal(model, inputs, captured.output),
    ]


def _decodes(model: StreamModel, stream: Tensor, output: Tensor) -> Finding:
    with torch.no_grad():
        gap = (model.decode(stream[-1]) - output).abs().max().item()
    return Finding("the last layer decodes to the model's output", gap == 0, f"largest difference {gap:.1e}")


def _equals_plain_hooks(model: StreamModel, inputs: Tensor, stream: Tensor) -> Finding:
    gaps = []
    for layer, place in enumerate(model.places):
        seen: list[Tensor] = []
        with watching([place], lambda _, tensor, seen=seen: seen.append(tensor.clone())), torch.no_grad():  # type: ignore[misc]
            model.run(inputs)
        gaps.append((seen[0] - stream[layer]).abs().max())
    gap = torch.stack(gaps).max().item()  # unlike max(), it keeps a NaN
    return Finding("capture equals a plain hook bit for bit", gap == 0, f"largest difference {gap:.1e}")


def _passes_on(model: StreamModel, inputs: Tensor, stream: Tensor) -> Finding:
    first, second = model.places[:2]
    # a read-in may be what a module returns only where the next place says where that enters
    apart = first.side == "output" and second.entrance is not None
    blocks = [place for place in model.places[int(apart) :] if place.side == "output"]
    entering: list[Tensor] = []
    entrances = [Place(f"{p.name} (input)", p.entrance or p.module, "input", p.read) for p in blocks]
    with watching(entrances, lambda _, tensor: entering.append(tensor.clone())), torch.no_grad():
        model.run(inputs)
    gaps = [(seen - stream[layer]).abs().max() for layer, seen in enumerate(entering)]
    gap = torch.stack(gaps).max().item()
    return Finding("what enters a block is what left the one before", gap == 0, f"largest difference {gap:.1e}")


def _is_copied(stream: Tensor) -> Finding:
    same = [i for i in range(1, len(stream)) if torch.equal(stream[i - 1], stream[i])]
    return Finding(
        "every block changes the stream",
        not same,
        f"blocks that left it as it was: {', '.join(map(str, same)) or 'none'}",
    )


def _leaves_no_hook(model: StreamModel, inputs: Tensor) -> Finding:
    def fail(layer: int, tensor: Tensor) -> None:
        raise _InterruptedError

    before = _hooks(model.places)
    try:
        with watching(model.places, fail), torch.no_grad():
            model.run(inputs)
    except _InterruptedError:
        pass
    after = _hooks(model.places)
    return Finding("no hook survives an exception", before == after, f"{after - before} hooks left")


def _is_causal(model: StreamModel, inputs: Tensor, output: Tensor) -> Finding:
    changed, middle = inputs.clone(), inputs.shape[1] // 2
    changed[:, middle:] = inputs.roll(1, 0)[:, middle:]  # symbols can be exchanged, but not shifted
    with torch.no_grad():
        gap = (model.run(changed)[:, :middle] - output[:, :middle]).abs().max().item()
    # a convolution by Fourier transforms mixes all of time and is causal up to rounding; most kernels are to the bit
    most = ROUNDING * output.abs().max().item()
    return Finding("no token sees a later one", gap <= most, f"largest difference {gap:.1e}, rounding {most:.1e}")


def _hooks(places: Sequence[Place]) -> int:
    modules = {id(place.module): place.module for place in places}.values()
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in modules)


class _InterruptedError(Exception):
    """Stands for whatever may go wrong inside a forward pass."""
