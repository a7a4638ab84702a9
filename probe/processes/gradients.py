"""Gradients of one training step over several processes: each runs a part of the batch, and all take the same step.

Every process draws the whole batch, as a single process would, and runs the model on a contiguous part of it. It then
fetches the outputs of the other parts, so that the task computes its loss over the whole batch, as in one process,
whatever it divides by (the outliers that do not count may all lie in one part); the check for finite values sees the
whole batch likewise. Each process runs the backward pass of its own part alone. The sum of these gradients, by one
all-reduce of one flat buffer, is the gradient of the whole batch; it is clipped after it is summed.

DistributedDataParallel is not used: it averages losses that each process has divided by its own count, wraps the model,
and regroups its buckets, and with them the order of the sums, after the first step. Its overlap of communication with
the backward pass pays only for models much larger than those trained here.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from probe.processes.single import Processes


def completed(outputs: Tensor, own: slice, prompts: int, processes: Processes) -> Tensor:
    """Returns the outputs of the whole batch, of which only those of this process's own part carry a gradient."""
    if processes.count == 1:
        return outputs
    whole = outputs.new_zeros(prompts, *outputs.shape[1:])
    whole[own] = outputs.detach()
    processes.add(whole)  # zeros everywhere but in one process: exact
    return torch.cat([whole[: own.start], outputs, whole[own.stop :]])


def add_gradients(parameters: Iterable[nn.Parameter], processes: Processes) -> None:
    """Replaces the gradients in every process by their sum over all processes."""
    if processes.count == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    processes.add(flat)
    sizes = [gradient.numel() for gradient in gradients]
    for gradient, summed in zip(gradients, torch.split(flat, sizes), strict=True):
        gradient.copy_(summed.view_as(gradient))
