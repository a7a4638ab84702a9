"""Our own selective scan under the Mamba mixers of transformers, one model at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from probe.kernels.backends import load
from probe.kernels.causal_conv1d import causal_conv1d
from probe.kernels.selective_scan import BACKENDS, selective_scan

MIXERS = frozenset({"MambaMixer", "FalconMambaMixer", "JambaMambaMixer"})
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
        if type(mixer).__name__ not in MIXERS or mixer.activation not in ("silu", "swish"):
            continue
        mixer.__dict__.pop("forward", None)
        if backend not in OWN:
            mixer.__dict__["forward"] = partial(_forward, mixer, mixer.forward, backend)


def _forward(
    mixer: Any,
    own: Callable[..., Tensor],
    backend: str,
    hidden_states: Tensor,
    cache_params: Any = None,
    attention_mask: Tensor | None = None,
    **rest: Any,
) -> Tensor:
    """Returns what the mixer writes; with a cache or a mask, which the kernels do not know, by its own code."""
    if cache_params is not None or attention_mask is not None:
        return own(hidden_states, cache_params=cache_params, attention_mask=attention_mask, **rest)
    x, z = mixer.in_proj(hidden_states).chunk(2, dim=-1)
    bias = x.new_zeros(x.shape[-1]) if mixer.conv1d.bias is None else mixer.conv1d.bias
    x = causal_conv1d(x, mixer.conv1d.weight.squeeze(1), bias, backend=backend)
    sizes = [mixer.time_step_rank, mixer.ssm_state_size, mixer.ssm_state_size]
    step, b, c = mixer.x_proj(x).split(sizes, dim=-1)
    if hasattr(mixer, "dt_layernorm"):  # FalconMamba and Jamba norm what is selected
        step, b, c = mixer.dt_layernorm(step), mixer.b_layernorm(b), mixer.c_layernorm(c)
    step = F.linear(step, mixer.dt_proj.weight)
    rates = -torch.exp(mixer.A_log.float())
    y = selective_scan(x, step, rates, b, c, mixer.D, z, mixer.dt_proj.bias, backend=backend)
    result: Tensor = mixer.out_proj(y)
    return result
