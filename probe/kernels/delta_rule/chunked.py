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

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

# within a chunk work grows with its square, between chunks it is a loop, and each has a state; the delta rule's
# triangular systems are solved 10 to 20 % sooner in chunks half as long
LONGEST_CHUNK = 48
LONGEST_CORRECTED = 24


def delta_rule(
    query: Tensor, key: Tensor, value: Tensor, beta: Tensor | None = None, log_decay: Tensor | None = None
) -> Tensor:
    """Runs the operation; see `probe.kernels.delta_rule` for the arguments. Any device, float32 or float64.

    Query and key may have one head for all heads of the value, where there is no beta.
    """
    time = value.shape[2]
    chunks = -(-time // (LONGEST_CHUNK if beta is None else LONGEST_CORRECTED))
    length = -(-time // chunks)
    query, key, value = (_split(tensor, chunks, length) for tensor in (query, key, value))
    elapsed = None
    if log_decay is not None:
        elapsed = _split(log_decay.unsqueeze(-1), chunks, length).cumsum(dim=-2)
    # from every step of a chunk to every later one
    decay = None if elapsed is None else (elapsed - elapsed.mT).tril().exp()
    read = _causal(query @ key.mT, decay)
    if beta is None:
        outputs = read @ value
        if chunks > 1:
            # all chunks side by side: only the states are handed on from chunk to chunk; values have fewer numbers
            # than keys, which the heads may share, so that decays multiply what is written and read
            kept = value if elapsed is None else value * (elapsed[..., -1:, :] - elapsed).exp()
            found = _product(query, _states(_product(key.mT, kept), elapsed))
            outputs = outputs + (found if elapsed is None else found * elapsed.exp())
    else:
        since_start = query if elapsed is None else query * elapsed.exp()
        until_end = key if elapsed is None else key * (elapsed[..., -1:, :] - elapsed).exp()
        written, erased = _solve(key, value, _split(beta.unsqueeze(-1), chunks, length), elapsed, decay)
        outputs = _corrected(written, erased, read, since_start, until_end, elapsed)
    return outputs.flatten(2, 3)[:, :, :time]


def _product(left: Tensor, right: Tensor) -> Tensor:
    """Returns left @ right; where all heads have the same left, by one product of all heads' columns side by side."""
    batch, heads, chunks, rows, columns = right.shape
    if left.shape[1] == heads:
        return left @ right
    together = left[:, 0] @ right.permute(0, 2, 3, 1, 4).reshape(batch, chunks, rows, heads * columns)
    return together.reshape(batch, chunks, -1, heads, columns).permute(0, 3, 1, 2, 4)


def _states(added: Tensor, elapsed: Tensor | None) -> Tensor:
    """Returns the state before every chunk, [batch, head, chunk, key, value], from what each one adds."""
    kept = _kept(elapsed, added.shape[2])
    state, states = torch.zeros_like(added[:, :, 0]), []
    for new, share in zip(added.unbind(2), kept, strict=True):
        states.append(state)
        state = new + state if share is None else new + share * state
    return torch.stack(states, dim=2)


def _corrected(
    written: Tensor,
    erased: Tensor,
    read: Tensor,
    since_start: Tensor,
    until_end: Tensor,
    elapsed: Tensor | None,
) -> Tensor:
    """Returns the outputs [batch, head, chunk, time, value] of the delta rule, whose writing depends on the state."""
    kept = _kept(elapsed, read.shape[2])
    # taken apart once: a chunk taken by its number has a gradient as large as all chunks
    parts = zip(*(part.unbind(2) for part in (written, erased, read, since_start, until_end.mT)), kept, strict=True)
    outputs, state = [], None
    for u, forgotten, within, since, until, share in parts:
        if state is not None:
            u = u - forgotten @ state
        outputs.append(within @ u if state is None else within @ u + since @ state)
        added = until @ u
        state = added if state is None else added + (state if share is None else share * state)
    return torch.stack(outputs, dim=2)


def _split(tensor: Tensor, chunks: int, length: int) -> Tensor:
    """Returns [batch, head, chunk, time, size], the last chunk filled up with zeros, which write nothing."""
    padded = F.pad(tensor, (0, 0, 0, chunks * length - tensor.shape[2]))
    return padded.reshape(*tensor.shape[:2], chunks, length, tensor.shape[3])


def _causal(scores: Tensor, decay: Tensor | None, diagonal: int = 0) -> Tensor:
    """Returns the scores [.., t, s] times the decay from s to t, and zero where s is too late."""
    scores = scores.tril(diagonal)
    return scores if decay is None else scores * decay


def _solve(
    key: Tensor, value: Tensor, beta: Tensor, elapsed: Tensor | None, decay: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Returns U_0, a chunk's writing where it starts from zero, and the W with U = U_0 - W S^T for any start S."""
    scaled = beta * key
    system = _causal(scaled @ key.mT, decay, diagonal=-1)
    from_start = scaled if elapsed is None else scaled * elapsed.exp()
    right = torch.cat([beta * value, from_start], dim=-1)
    both = torch.linalg.solve_triangular(system, right, upper=False, unitriangular=True)
    written, erased = both.split([value.shape[-1], key.shape[-1]], dim=-1)
    return written, erased


def _kept(elapsed: Tensor | None, chunks: int) -> Sequence[Tensor | None]:
    """Returns by how much every chunk multiplies the state that it starts from."""
    return [None] * chunks if elapsed is None else elapsed[..., -1:, :].exp().unbind(2)
