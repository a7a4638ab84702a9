"""RWKV-7's state update by chunks: within one all tokens at once, from one to the next a single matrix product.

The update is a delta rule with a decay a channel (Peng et al., 2025, arXiv:2503.14456, section 4.1), so that the
chunks of Yang et al. (2024), "Parallelizing Linear Transformers with the Delta Rule over Sequence Length",
arXiv:2406.06484, section 3, serve here too. With W_t the decay from the chunk's start to token t, everything that was
added to the state at token i stands there at token t times W_t / W_i; dividing keys by W_i and multiplying queries by
W_t leaves a rule without decay. What the tokens of a chunk remove depends on what the earlier ones removed: a
triangular system.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# RWKV-7's strongest decay is exp(-exp(-1/2)) a token: 1 / W_i stays below exp(16 * 0.61) = 1.6e4
CHUNK = 16


def wkv7(receptance: Tensor, log_decay: Tensor, key: Tensor, value: Tensor, removal: Tensor, rate: Tensor) -> Tensor:
    """Runs the chunks; see `probe.kernels.wkv7` for the arguments. Any device, float32 or float64."""
    time, size = key.shape[1], key.shape[3]
    receptance, log_decay, key, value, removal, rate = (
        _chunks(tensor) for tensor in (receptance, log_decay, key, value, removal, rate)
    )
    until = log_decay.cumsum(-2)
    query, ask = receptance * torch.exp(until), removal * torch.exp(until - log_decay)
    key, give = key * torch.exp(-until), -rate * removal * torch.exp(-until)

    # what a token removes is its `ask` of the state before it: of the chunk's first state, plus of what is new in it
    of_state, of_new = _removed(ask, give, key, value)
    by_removal = torch.tril(query @ give.mT)
    read_state = query + by_removal @ of_state
    read_new = by_removal @ of_new + torch.tril(query @ key.mT) @ value

    decayed = torch.exp(until[..., -1:, :]).mT
    kept = decayed * (torch.eye(size, dtype=key.dtype, device=key.device) + give.mT @ of_state)
    added = decayed * (give.mT @ of_new + key.mT @ value)
    outputs = read_state @ _first_states(kept, added) + read_new
    return outputs.flatten(2, 3)[:, :, :time].transpose(1, 2)


def _chunks(tensor: Tensor) -> Tensor:
    """Returns [batch, heads, chunks, CHUNK, size], padded by tokens that change nothing."""
    padded = F.pad(tensor.transpose(1, 2), (0, 0, 0, -tensor.shape[1] % CHUNK))
    batch, heads, time, size = padded.shape
    return padded.view(batch, heads, time // CHUNK, CHUNK, size)


def _removed(ask: Tensor, give: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Returns each token's removal, as a map of the chunk's first state and as a part without it."""
    right = torch.cat([ask, torch.tril(ask @ key.mT, -1) @ value], dim=-1)
    solved = torch.linalg.solve_triangular(-torch.tril(ask @ give.mT, -1), right, upper=False, unitriangular=True)
    of_state, of_new = solved.split([ask.shape[-1], value.shape[-1]], dim=-1)
    return of_state, of_new


def _first_states(kept: Tensor, added: Tensor) -> Tensor:
    """Returns the state at the start of every chunk, transposed, [batch, heads, chunks, key, value]."""
    state = torch.zeros_like(added[:, :, 0])
    states = [state]
    for kept_c, added_c in zip(kept.unbind(2)[:-1], added.unbind(2)[:-1], strict=True):
        state = kept_c @ state + added_c
        states.append(state)
    return torch.stack(states, dim=2)
