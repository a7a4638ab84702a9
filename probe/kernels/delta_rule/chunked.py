"""Fast weights by matrix products within chunks of the sequence and a loop over chunks.

Within a chunk that starts from the state S, with g_t the sum of the chunk's log decays up to t,

    S_t = e^{g_t} S + sum_{s<=t} e^{g_t - g_s} u_s k_s^T        o_t = S_t q_t

where u_s is what is written: v_s for linear attention, beta_s (v_s - e^{g_s} S k_s - what the chunk has put under
k_s) for the delta rule. The latter is the triangular system (I + L) U = diag(beta) (V - diag(e^g) K S^T) with
L_ts = beta_t e^{g_t - g_s} k_t . k_s for s < t: the WY representation (Bischof and Van Loan, 1987) as used by Yang
et al. (2024), arXiv:2406.06484, section 3, and with decays by arXiv:2412.06464, section 3.3. Exponents are never
positive, so nothing overflows.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# within a chunk work grows with its square, between chunks it is a loop
LONGEST_CHUNK = 48


def delta_rule(
    query: Tensor, key: Tensor, value: Tensor, beta: Tensor | None = None, log_decay: Tensor | None = None
) -> Tensor:
    """Runs the operation; see `probe.kernels.delta_rule` for the arguments. Any device, float32 or float64.

    Query and key may have one head for all heads of the value, where there is no beta.
    """
    time = value.shape[2]
    chunks = -(-time // LONGEST_CHUNK)
    length = -(-time // chunks)
    query, key, value = (_split(tensor, chunks, length) for tensor in (query, key, value))
    elapsed = None
    if log_decay is not None:
        elapsed = _split(log_decay.unsqueeze(-1), chunks, length).cumsum(dim=-2)
    read = _causal(query @ key.mT, elapsed)
    since_start = query if elapsed is None else query * elapsed.exp()
    until_end = key if elapsed is None else key * (elapsed[..., -1:, :] - elapsed).exp()
    if beta is None:
        written, erased = value, None
    else:
        written, erased = _solve(key, value, _split(beta.unsqueeze(-1), chunks, length), elapsed)
    outputs, state = [], None
    for c in range(chunks):
        u = written[:, :, c]
        if state is not None and erased is not None:
            u = u - erased[:, :, c] @ state
        output = read[:, :, c] @ u
        if state is not None:
            output = output + since_start[:, :, c] @ state
        outputs.append(output)
        if c + 1 < chunks:
            added = until_end[:, :, c].mT @ u
            state = added if state is None else added + _kept(state, elapsed, c)
    return torch.cat(outputs, dim=2)[:, :, :time]


def _split(tensor: Tensor, chunks: int, length: int) -> Tensor:
    """Returns [batch, head, chunk, time, size], the last chunk filled up with zeros, which write nothing."""
    padded = F.pad(tensor, (0, 0, 0, chunks * length - tensor.shape[2]))
    return padded.reshape(*tensor.shape[:2], chunks, length, tensor.shape[3])


def _causal(scores: Tensor, elapsed: Tensor | None, diagonal: int = 0) -> Tensor:
    """Returns the scores [.., t, s] times the decay from s to t, and zero where s is too late."""
    if elapsed is None:
        return scores.tril(diagonal)
    decay = (elapsed - elapsed.mT).tril(diagonal).exp()
    return (scores * decay).tril(diagonal)


def _solve(key: Tensor, value: Tensor, beta: Tensor, elapsed: Tensor | None) -> tuple[Tensor, Tensor]:
    """Returns what a chunk writes if it starts from zero, U_0, and the W with U = U_0 - W S^T for any start S."""
    scaled = beta * key
    system = _causal(scaled @ key.mT, elapsed, diagonal=-1)
    from_start = scaled if elapsed is None else scaled * elapsed.exp()
    right = torch.cat([beta * value, from_start], dim=-1)
    both = torch.linalg.solve_triangular(system, right, upper=False, unitriangular=True)
    written, erased = both.split([value.shape[-1], key.shape[-1]], dim=-1)
    return written, erased


def _kept(state: Tensor, elapsed: Tensor | None, chunk: int) -> Tensor:
    return state if elapsed is None else elapsed[:, :, chunk, -1:, :].exp() * state
