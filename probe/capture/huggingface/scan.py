"""Our own selective scan under the Mamba mixers of transformers, one model at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from probe.kernels.backends import load
from probe.kernels.causal_conv1d import causal_conv1d
from probe.kernels.selective_scan import BACKENDS, selective_scan
from probe.kernels.selective_scan.states import selective_scan_states_at

# whether a mixer norms the step size, B and C that it selects, with weights
MIXERS: dict[str, bool] = {"MambaMixer": False, "FalconMambaMixer": True, "JambaMambaMixer": True}
# what `_sources` and `_written` read of a mixer
USED = ("in_proj", "conv1d", "x_proj", "dt_proj", "out_proj", "A_log", "D", "time_step_rank", "ssm_state_size")
OWN = frozenset({"auto", "reference"})


def use_scan(model: nn.Module, backend: str) -> None:
    """Makes the model's Mamba mixers run on a backend of our selective scan, or on their own code again.

    Only this model's modules are changed, each by a `forward` of its own in place of its class's.

    Args:
        backend: a name of the selective scan's; ``auto`` and ``reference`` are the model's own code.

    Raises:
        ProbeError: if there is no such backend, or it is not installed.
    """
    if backend not in OWN:
        load("selective_scan", BACKENDS, backend)
    for mixer in model.modules():
        if is_scanned(mixer):
            mixer.__dict__.pop("forward", None)
            if backend not in OWN:
                mixer.__dict__["forward"] = partial(_forward, mixer, mixer.forward, backend)


@contextmanager
def running_scan(model: nn.Module) -> Iterator[None]:
    """Makes the model's Mamba mixers run on our selective scan while the body runs, whose memory is linear in length.

    Those that are on a backend of ours already stay on it.
    """
    mixers = [mixer for mixer in model.modules() if is_scanned(mixer) and "forward" not in mixer.__dict__]
    for mixer in mixers:
        mixer.__dict__["forward"] = partial(_forward, mixer, mixer.forward, "auto")
    try:
        yield
    finally:
        for mixer in mixers:
            del mixer.__dict__["forward"]


def states_of_scan(
    mixer: Any, hidden: Float[Tensor, "batch time width"], tokens: Sequence[int]
) -> Iterator[Float[Tensor, "batch numbers"]]:
    """Yields the state of a Mamba mixer of transformers, channels times states, after each of the tokens.

    Args:
        hidden: what the mixer reads.
        tokens: ascending, each once.
    """
    x, step, b, _ = _sources(mixer, _half(mixer, hidden, 0), "auto")
    step = F.softplus(step.add_(mixer.dt_proj.bias))
    for state in selective_scan_states_at(x, step, -torch.exp(mixer.A_log.float()), b, tokens):
        yield state.flatten(1)


def is_scanned(mixer: Any) -> bool:
    """Returns whether a module is a mixer whose forward pass is the one of `_forward`."""
    kind = type(mixer).__name__
    if kind not in MIXERS or getattr(mixer, "activation", None) not in ("silu", "swish"):
        return False
    return all(hasattr(mixer, name) for name in USED) and MIXERS[kind] == hasattr(mixer, "dt_layernorm")


def _forward(mixer: Any, own: Callable[..., Any], backend: str, *given: Any, **named: Any) -> Any:
    """Returns the mixer's output: by probe's kernels if it is given a stream alone, and otherwise by its own code.

    What else it may be given (a cache, a mask, positions) is called one thing in one version of transformers and
    another in the next, so that anything beside the stream is taken to matter.
    """
    streams = [*given[:1], *(value for name, value in named.items() if name == "hidden_states")]
    others = [*given[1:], *(value for name, value in named.items() if name != "hidden_states")]
    if len(streams) != 1 or any(value is not None and value is not False for value in others):
        return own(*given, **named)
    return _written(mixer, backend, streams[0])


def _written(mixer: Any, backend: str, stream: Tensor) -> Tensor:
    # x and the gate z apart, so that what enters the convolution is dropped before z is made
    x, step, b, c = _sources(mixer, _half(mixer, stream, 0), backend)
    z = _half(mixer, stream, 1)
    rates = -torch.exp(mixer.A_log.float())
    y = selective_scan(x, step, rates, b, c, mixer.D, z, mixer.dt_proj.bias, backend=backend)
    result: Tensor = mixer.out_proj(y)
    return result


def _half(mixer: Any, stream: Tensor, half: int) -> Tensor:
    weight, bias = mixer.in_proj.weight.chunk(2)[half], mixer.in_proj.bias
    return F.linear(stream, weight, None if bias is None else bias.chunk(2)[half])


def _sources(mixer: Any, x: Tensor, backend: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Returns what enters the scan, the step size before its bias, B and C."""
    bias = x.new_zeros(x.shape[-1]) if mixer.conv1d.bias is None else mixer.conv1d.bias
    x = causal_conv1d(x, mixer.conv1d.weight.squeeze(1), bias, backend=backend)
    sizes = [mixer.time_step_rank, mixer.ssm_state_size, mixer.ssm_state_size]
    step, b, c = mixer.x_proj(x).split(sizes, dim=-1)
    if MIXERS[type(mixer).__name__]:
        step, b, c = mixer.dt_layernorm(step), mixer.b_layernorm(b), mixer.c_layernorm(c)
    return x, F.linear(step, mixer.dt_proj.weight), b, c
