"""The invariants without which a layer curve means nothing, checked on the model that is probed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from probe.capture.hooks import Place, StreamModel, capture, observe
from probe.errors import ProbeError

ROUNDING = 1e-5  # of the largest output, in float32
APART = 1e-4  # likewise, between batches of different sizes


@dataclass(frozen=True)
class Finding:
    """One invariant: the claim, whether it held (None if it could not be checked), and what was measured."""

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
        ProbeError: if there are fewer prompts or tokens, or all are the same: nothing would be there to differ.
    """
    if min(inputs.shape[:2]) < 2:
        raise ProbeError(
            f"{inputs.shape[0]} prompts of {inputs.shape[1]} tokens were given, but at least 2 of 2 are needed. "
            "Check on more."
        )
    if torch.equal(inputs, inputs.roll(1, 0)):
        raise ProbeError(
            f"{inputs.shape[0]} prompts were given that are all the same, but different ones are needed to see what "
            "depends on them. Check on others."
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
        _keeps_prompts_apart(model, inputs, captured.output),
    ]


def _decodes(model: StreamModel, stream: Tensor, output: Tensor) -> Finding:
    claim, last = "the last layer decodes to the model's output", stream[-1]
    with torch.no_grad():
        gap = (model.decode(last) - output).abs().max().item()
        turned = (model.decode(last.flip(0, 1)) - output.flip(0, 1)).abs().max().item()
    if gap == 0 and not turned <= ROUNDING * output.abs().max().item():
        # the output of the last pass, or a read-out of other tokens as well, would be no lens on another layer
        return Finding(claim, False, f"of the same stream in another order by {turned:.1e} something else")
    return Finding(claim, gap == 0, f"largest difference {gap:.1e}")


def _equals_plain_hooks(model: StreamModel, inputs: Tensor, stream: Tensor) -> Finding:
    gaps = []
    for layer, place in enumerate(model.places):
        seen: list[Tensor] = []
        with observe([place], lambda _, tensor, seen=seen: seen.append(tensor.clone())), torch.no_grad():  # type: ignore[misc]
            model.run(inputs)
        gaps.append((seen[0] - stream[layer]).abs().max())
    gap = torch.stack(gaps).max().item()  # unlike max(), it keeps a NaN
    return Finding("capture equals a plain hook bit for bit", gap == 0, f"largest difference {gap:.1e}")


def _passes_on(model: StreamModel, inputs: Tensor, stream: Tensor) -> Finding:
    claim = "what enters a block is what left the one before"
    blocks = {layer: place for layer, place in enumerate(model.places) if layer and place.side == "output"}
    if not blocks:
        return Finding(claim, None, "no place is where a block's output passes")
    if model.places[0].side == "output" and model.places[1].entrance is None:
        # it might be what a first block returns, and the read-in be missed
        return Finding(
            claim, False, "layer 0 is what a module returns, and the next place does not say where it enters"
        )
    entering: list[Tensor] = []
    entrances = [Place(f"{p.name} (input)", p.entrance or p.module, "input", p.read) for p in blocks.values()]
    with observe(entrances, lambda _, tensor: entering.append(tensor.clone())), torch.no_grad():
        model.run(inputs)
    gaps = [(seen - stream[layer - 1]).abs().max() for layer, seen in zip(blocks, entering, strict=True)]
    gap = torch.stack(gaps).max().item()
    return Finding(claim, gap == 0, f"largest difference {gap:.1e}")


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

    before = _hooks(model)
    try:
        with observe(model.places, fail), torch.no_grad():
            model.run(inputs)
    except _InterruptedError:
        pass
    after = _hooks(model)
    return Finding("no hook survives an exception", before == after, f"{after - before} hooks left")


def _is_causal(model: StreamModel, inputs: Tensor, output: Tensor) -> Finding:
    time, gap = inputs.shape[1], 0.0
    # of two neighbours one is no boundary of whatever chunks the model goes by; the last chunk may be a partial one
    for cut in sorted({time // 2, time // 2 + 1, time - 1} - {time}):
        changed = inputs.clone()
        changed[:, cut:] = inputs.roll(1, 0)[:, cut:]  # symbols can be exchanged, but not shifted
        with torch.no_grad():
            found = (model.run(changed)[:, :cut] - output[:, :cut]).abs().max().item()
        gap = found if not found <= gap else gap  # unlike max(), it keeps a NaN
    # a convolution by Fourier transforms mixes all of time and is causal up to rounding; most kernels are to the bit
    most = ROUNDING * output.abs().max().item()
    return Finding("no token sees a later one", gap <= most, f"largest difference {gap:.1e}, rounding {most:.1e}")


def _keeps_prompts_apart(model: StreamModel, inputs: Tensor, output: Tensor) -> Finding:
    with torch.no_grad():
        gap = (model.run(inputs[:1]) - output[:1]).abs().max().item()
    # a batch of another size may be computed in another order
    most = APART * output.abs().max().item()
    return Finding("no prompt sees another", gap <= most, f"largest difference {gap:.1e}, rounding {most:.1e}")


def _hooks(model: StreamModel) -> int:
    """Returns the number of forward hooks on all of the model's modules."""
    roots = [*(place.module for place in model.places), getattr(model, "model", None)]
    modules = {id(module): module for root in roots if isinstance(root, nn.Module) for module in root.modules()}
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in modules.values())


class _InterruptedError(Exception):
    """Stands for whatever may go wrong inside a forward pass."""
