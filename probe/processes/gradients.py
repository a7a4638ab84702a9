"""One step of a training, shared: each process runs its part of the batch, and all take the same step.

Every process draws the whole batch, the same as one process would, and runs a contiguous part of it. What the model
says to the other parts is fetched, so that the task judges the whole batch: its loss is that of one process, whatever
it is divided by (the outliers that do not count may all lie in one part), and so is the test of being finite. Each
process descends through its own part alone; the sum of their gradients, one all-reduce of one flat buffer, is the
gradient of the whole. It is added before it is clipped.

DistributedDataParallel would average what each process has divided by itself, wrap the model, and regroup its buckets,
and with them the order of the sums, after the first step; it hides the exchange behind the backward pass, which pays
for models much larger than those that are trained here.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from probe.processes.single import Processes


def completed(outputs: Tensor, own: slice, prompts: int, processes: Processes) -> Tensor:
    """Returns a batch's outputs from every process's part; only those of this process's part carry a gradient."""
    if processes.count == 1:
        return outputs
    whole = outputs.new_zeros(prompts, *outputs.shape[1:])
    whole[own] = outputs.detach()
    processes.add(whole)  # zeros everywhere but in one process: exact
    return torch.cat([whole[: own.start], outputs, whole[own.stop :]])


def add_gradients(parameters: Iterable[nn.Parameter], processes: Processes) -> None:
    """Makes every process's gradients their sum."""
    if processes.count == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    processes.add(flat)
    sizes = [gradient.numel() for gradient in gradients]
    for gradient, summed in zip(gradients, torch.split(flat, sizes), strict=True):
        gradient.copy_(summed.view_as(gradient))
