"""Streams in which every token is the prompt's own and what the model wrote there is another prompt's.

Exchanging the whole stream for another prompt's would exchange the data with it. Here each pair stands, unchanged,
among the examples of a donor, and so does the query: what its tokens hold of themselves is the prompt's own, what they
hold of the others follows from the donor's, a running answer, residual or state among it.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from probe.capture import Captured, capture
from probe.evidence.causes.pairs import Pair
from probe.probing.experiment import Experiment


def donor_at_query(
    experiment: Experiment, pair: Pair, own: Float[Tensor, "layer prompt time width"]
) -> tuple[Float[Tensor, "layer prompt time width"], Captured]:
    """Returns the prompts' own streams with the donor's at the query, and the donor's pass.

    Args:
        own: the streams of the prompts themselves, at every token.
    """
    query = torch.tensor([pair.own.shape[1] - 1], device=experiment.device)
    donor = capture(experiment.model, pair.donor, query)
    return torch.cat([own[:, :, :-1], donor.stream], dim=2), donor


def donor_everywhere(
    experiment: Experiment,
    pair: Pair,
    at_query: Float[Tensor, "layer prompt time width"],
    queries: Int[Tensor, " query"],
) -> Float[Tensor, "layer prompt time width"]:
    """Returns streams whose every pair, too, holds what the model writes at it among the donor's examples.

    Args:
        at_query: of `donor_at_query`.
        queries: where each example's x stands, the query's last.
    """
    found = at_query.clone()
    places = queries.tolist()
    for start, stop in pairwise(places):
        mixed = pair.donor.clone()
        mixed[:, start:stop] = pair.own[:, start:stop]
        tokens = torch.arange(start, stop, device=experiment.device)
        found[:, :, start:stop] = capture(experiment.model, mixed, tokens).stream
    return found
