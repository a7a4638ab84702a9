"""How far back a recurrent state remembers: the influence of each earlier token on it, by gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from probe.capture.hooks import StreamModel
from probe.capture.sites.state import read_by, recurrences, without_state


def influences(
    model: StreamModel,
    inputs: Float[Tensor, "batch time dim"] | Int[Tensor, "batch time"],
    tokens: Sequence[int],
    seed: int = 0,
) -> dict[int, list[Float64[Tensor, "batch _"]]]:
    """Returns, by layer and for each token t, an estimate of |d h_t / d x_s|² for every token s up to t.

    h is the block's state and x what the block's mixer reads, so that each block is looked at alone. The squared
    Frobenius norm of the Jacobian is estimated by one random direction a prompt (Hutchinson, 1990): the squared norm of
    the gradient of (direction . h_t). How such products of Jacobians fall with the distance is what makes a recurrent
    network forget (Pascanu, Mikolov and Bengio, 2013, arXiv:1211.5063, section 2.1).

    Args:
        tokens: ascending, each once.
        seed: of the directions.

    Raises:
        ProbeError: if no block's state follows from what the block reads.
    """
    found = recurrences(model)
    if not found:
        raise without_state(model)
    seen = read_by(model, found, inputs)
    influence: dict[int, list[Tensor]] = {}
    for one in found:
        hidden = seen[one.layer][:, : tokens[-1] + 1].requires_grad_()
        source = torch.Generator().manual_seed(seed)
        with torch.enable_grad():
            for state, token in zip(one.states(one.mixer, hidden, tokens), tokens, strict=True):
                direction = torch.randn(state.shape, generator=source).to(state)
                (gradient,) = torch.autograd.grad((state * direction).sum(), hidden, retain_graph=True)
                squares = gradient[:, : token + 1].double().square().sum(-1)
                influence.setdefault(one.layer, []).append(squares)
    return influence


def half_memory(influence: Float64[Tensor, "batch time"]) -> Float64[Tensor, " batch"]:
    """Returns how many of the last tokens hold half of the influence, at least; interpolated between whole numbers.

    A state that forgets by a factor a of the squares at every token has log(1/2) / log(a), the half-life; one that
    weighs all tokens alike has half of them.
    """
    from_last = influence.flip(-1).cumsum(-1)
    share = from_last / from_last[:, -1:]
    reached = (share < 0.5).sum(-1)
    before = torch.nn.functional.pad(share, (1, 0)).gather(-1, reached[:, None])[:, 0]
    at = share.gather(-1, reached[:, None])[:, 0]
    return reached + (0.5 - before) / (at - before)
