"""The operations as Hugging Face's transformers compute them in plain torch, where no package of kernels is installed.

The functions stand beside the models in versions from 5 on; earlier ones have most of them inside their modules.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from transformers.models.mamba import modeling_mamba as mamba
from transformers.models.mamba2 import modeling_mamba2 as mamba2
from transformers.models.qwen3_next import modeling_qwen3_next as qwen3_next
from transformers.models.rwkv import modeling_rwkv as rwkv

from probe.kernels.checks.implementation import Absent, Carry, Implementation, State, from_start
from probe.kernels.checks.operation import Operands

CHUNK = 64
PACKAGE = "transformers"
DTYPES = ("float32", "bfloat16")
"""They compute in float32 what they are given in float64."""


def implementations(operation: str) -> Iterator[Implementation | Absent]:
    """Yields what this package has of an operation."""
    for module, function, known in KNOWN.get(operation, ()):
        if hasattr(module, function):
            yield known
        else:
            yield Absent(known.name, PACKAGE, f"This version of transformers has no {function}.")


def _convolution(given: Operands) -> Tensor:
    x = mamba.causal_conv1d_fn(given["x"].mT, given["weight"], given["bias"], activation="silu")
    return x.mT  # type: ignore[no-any-return]


def _convolution_carried(given: Operands, state: State) -> tuple[Tensor, State]:
    x = given["x"].mT
    if state is None:
        state = x.new_zeros(len(x), *given["weight"].shape)
    output = mamba.causal_conv1d_update(x, state, given["weight"], given["bias"], activation="silu")
    return output.mT, state


def _scan(given: Operands) -> Tensor:
    y = mamba.mamba_selective_scan(
        given["u"].mT,
        given["delta"].mT,
        given["A"],
        given["B"].mT,
        given["C"].mT,
        given["D"],
        z=given["z"].mT,
        delta_bias=given["delta_bias"],
        delta_softplus=True,
    )
    return y.mT  # type: ignore[no-any-return]


def _scan_step(given: Operands, state: State) -> tuple[Tensor, State]:
    u, delta, b, c, z = (given[name][:, 0] for name in ("u", "delta", "B", "C", "z"))
    if state is None:
        state = torch.zeros(len(u), *given["A"].shape, device=u.device)
    y = mamba.mamba_selective_state_update(
        state, u, delta, given["A"], b, c, given["D"], dt_bias=given["delta_bias"], dt_softplus=True, z=z
    )
    return y.unsqueeze(1), state


def _ssd_carried(given: Operands, state: State) -> tuple[Tensor, State]:
    y, state = mamba2.mamba2_chunk_scan(
        given["x"],
        given["step"],
        given["A"],
        given["B"].unsqueeze(2),
        given["C"].unsqueeze(2),
        CHUNK,
        D=given["D"],
        initial_states=state,
        return_final_states=True,
    )
    return y, state


def _ssd_step(given: Operands, state: State) -> tuple[Tensor, State]:
    x, step, b, c = (given[name][:, 0] for name in ("x", "step", "B", "C"))
    if state is None:
        state = torch.zeros(*x.shape, b.shape[-1], device=x.device)
    y = mamba2.mamba2_selective_state_update(
        state,
        x,
        step.unsqueeze(-1).expand(x.shape),
        given["A"][:, None, None].expand(state.shape[1:]),
        b.unsqueeze(1),
        c.unsqueeze(1),
        given["D"].unsqueeze(-1).expand(x.shape[1:]),
    )
    return y.unsqueeze(1), state


def _delta_rule(function: str) -> Carry:
    def run(given: Operands, state: State) -> tuple[Tensor, State]:
        query, key, value, beta, log_decay = (given[name].transpose(1, 2) for name in given)
        output, state = getattr(qwen3_next, function)(
            query, key, value, log_decay, beta, initial_state=state, output_final_state=True
        )
        # queries are divided by the root of their size there
        return query.shape[-1] ** 0.5 * output.transpose(1, 2), state

    return run


def _wkv4(given: Operands, state: State) -> tuple[Tensor, State]:
    return rwkv.rwkv_linear_attention_cpu(  # type: ignore[no-any-return]
        given["decay"], given["first"], given["key"], given["value"], state, return_state=True
    )


_chunked_rule = _delta_rule("torch_chunk_gated_delta_rule")
_recurrent_rule = _delta_rule("torch_recurrent_gated_delta_rule")

KNOWN: dict[str, tuple[tuple[object, str, Implementation], ...]] = {
    "causal_conv1d": (
        (
            mamba,
            "causal_conv1d_fn",
            Implementation("mamba", PACKAGE, _convolution, _convolution_carried, _convolution_carried, DTYPES),
        ),
    ),
    "selective_scan": (
        (mamba, "mamba_selective_scan", Implementation("mamba", PACKAGE, _scan, _scan_step, None, DTYPES, loops=True)),
    ),
    "ssd": (
        (
            mamba2,
            "mamba2_chunk_scan",
            Implementation("mamba2", PACKAGE, from_start(_ssd_carried), _ssd_step, _ssd_carried, DTYPES),
        ),
    ),
    "delta_rule": (
        (
            qwen3_next,
            "torch_chunk_gated_delta_rule",
            Implementation("qwen3_next", PACKAGE, from_start(_chunked_rule), _recurrent_rule, _chunked_rule, DTYPES),
        ),
        (
            qwen3_next,
            "torch_recurrent_gated_delta_rule",
            Implementation(
                "qwen3_next-recurrent",
                PACKAGE,
                from_start(_recurrent_rule),
                _recurrent_rule,
                _recurrent_rule,
                DTYPES,
                loops=True,
            ),
        ),
    ),
    "wkv4": (
        (
            rwkv,
            "rwkv_linear_attention_cpu",
            Implementation("rwkv", PACKAGE, from_start(_wkv4), _wkv4, _wkv4, DTYPES, loops=True),
        ),
    ),
}
"""By operation: where the function is, what it is called, and how it is run."""
