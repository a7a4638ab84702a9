"""Causal softmax attention: one signature, several backends.

    o = causal_attention(packed)

computes, for each head, o_t = sum_{s<=t} softmax_s(q_t . k_s / sqrt(size)) v_s (Vaswani et al., 2017, "Attention Is All
You Need", arXiv:1706.03762, section 3.2), where q, k and v lie side by side as one linear map gives them.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from probe.kernels.backends import cpu_or, load

BACKENDS = {
    "reference": "the written-out softmax, any device and dtype",
    "cpu": "fused, sixteen heads side by side, for float32 tensors on a CPU and heads of a multiple of 8 numbers",
    "torch": "torch's own attention, any device and dtype",
}
# what sixteen heads hold should stay in the second-level cache
LONGEST_FUSED, MOST_FUSED = 128, 4096


def causal_attention(
    packed: Float[Tensor, "batch time 3 head size"], *, backend: str = "auto"
) -> Float[Tensor, "batch time head size"]:
    """Runs the attention and returns o; differentiable.

    Args:
        packed: q, k and v.
        backend: one of `BACKENDS`, or ``auto``: cpu where it can and is fast, up to 128 tokens, else torch.

    Raises:
        ProbeError: if the backend is unknown, or cannot run on this tensor.
    """
    time, size = packed.shape[1], packed.shape[4]
    fits = time <= LONGEST_FUSED and time * size <= MOST_FUSED and size % 8 == 0
    name = (cpu_or("torch", packed) if fits else "torch") if backend == "auto" else backend
    return load("causal_attention", BACKENDS, name, "kernel of attention", takes_half=name != "cpu")(packed)
