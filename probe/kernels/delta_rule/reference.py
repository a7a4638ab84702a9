"""Fast weights in plain torch, one time step after another, to be read against the papers.

The state is an online learner of linear regression, from keys to values, and these are its exact iterates:

* the delta rule is stochastic gradient descent, S_t = S_{t-1} - beta_t grad L_t(S_{t-1}) with
  L_t(S) = ||S k_t - v_t||^2 / 2: the least-mean-squares rule (Widrow and Hoff, 1960), one example a step;
* the gated delta rule is the same after shrinking the weights, S_{t-1} <- alpha_t S_{t-1}, that is weight decay;
* linear attention is S_t = -grad (L_1 + ... + L_t)(0): one step, of size 1, of batch gradient descent from zero on
  all examples so far (von Oswald et al., 2023, arXiv:2212.07677).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def delta_rule(
    query: Tensor, key: Tensor, value: Tensor, beta: Tensor | None = None, log_decay: Tensor | None = None
) -> Tensor:
    """Runs the operation; see `probe.kernels.delta_rule` for the arguments. Any device, any float dtype."""
    return delta_rule_states(query, key, value, beta, log_decay)[0]


def delta_rule_states(
    query: Float[Tensor, "batch head time key"],
    key: Float[Tensor, "batch head time key"],
    value: Float[Tensor, "batch head time value"],
    beta: Float[Tensor, "batch head time"] | None = None,
    log_decay: Float[Tensor, "batch head time"] | None = None,
) -> tuple[Float[Tensor, "batch head time value"], Float[Tensor, "batch head time value key"]]:
    """Runs the operation and also returns every state S_t: the ground truth of a known online learner (see above)."""
    state = key.new_zeros(*key.shape[:2], value.shape[-1], key.shape[-1])
    outputs, states = [], []
    for t in range(key.shape[2]):
        beta_t = None if beta is None else beta[:, :, t]
        decay_t = None if log_decay is None else log_decay[:, :, t]
        output, state = delta_rule_step(query[:, :, t], key[:, :, t], value[:, :, t], beta_t, decay_t, state)
        outputs.append(output)
        states.append(state)
    return torch.stack(outputs, dim=2), torch.stack(states, dim=2)


def delta_rule_step(
    query: Float[Tensor, "batch head key"],
    key: Float[Tensor, "batch head key"],
    value: Float[Tensor, "batch head value"],
    beta: Float[Tensor, "batch head"] | None,
    log_decay: Float[Tensor, "batch head"] | None,
    state: Float[Tensor, "batch head value key"],
) -> tuple[Float[Tensor, "batch head value"], Float[Tensor, "batch head value key"]]:
    """Goes one time step, from S_{t-1} to o_t and S_t."""
    if log_decay is not None:
        state = torch.exp(log_decay)[..., None, None] * state
    written = value
    if beta is not None:
        predicted = torch.einsum("bhvk,bhk->bhv", state, key)
        written = beta.unsqueeze(-1) * (value - predicted)
    state = state + written.unsqueeze(-1) * key.unsqueeze(-2)
    return torch.einsum("bhvk,bhk->bhv", state, query), state
