"""Whether a linear map that was fitted to one block's step describes the next one's, where blocks cannot be exchanged.

Ridge maps are fitted from the stream at the query to the step that the next block takes in the answer that heads read.
The map of one block is then applied to the stream that the next block reads. Where a block's own map does not describe
its step, as where the step depends on the prompt's X'X, linear maps tell nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.capture import Captured
from probe.evidence.one_map import OneMap, Turn
from probe.evidence.reading import READABLE, Reading, asked
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.probing.ridge_fit import Fitting, Read, fit_ridges
from probe.statistics import RatioBootstrap
from probe.tasks import Prompts

DESCRIBED = 0.5
"""The most of a step that its own map may leave, for another block's map to be laid beside it."""


def linear_maps(experiment: Experiment, read: Reading, pass_: Pass) -> OneMap:
    """Returns what the map of every block leaves of the step of the block after it, on the score prompts."""

    def batches(purpose: Fitting) -> Iterator[dict[str, Read]]:
        for _, prompts, captured in experiment.batches(pass_, purpose):
            steps = _steps(experiment, read, prompts, captured)
            yield {"": Read(captured.stream[:-1, :, -1:], {"step": steps.T[:, None].float()})}

    maps = fit_ridges(batches)[""]["step"]
    turns = [Turn(layer, layer - 1) for layer in range(2, experiment.layers)]
    sums = {name: RatioBootstrap((len(turns),), seed=pass_.seed) for name in ("left", "null", "step", "own")}
    for numbers, prompts, captured in experiment.batches(pass_, "score"):
        steps = _steps(experiment, read, prompts, captured)
        # by the block whose map it is, applied where the block after it reads, and where the block itself does
        moved, own = (_mapped(maps.weight, maps.intercept, captured.stream, shift) for shift in (1, 0))
        apart = {"left": moved - steps[1:], "null": steps[:-1] - steps[1:], "step": steps[1:], "own": (own - steps)[1:]}
        size = prompts.targets[:, -1, 0].double().square()[:, None]
        for name, difference in apart.items():
            sums[name].update(numbers, difference.square().T, size)
    described = sums.pop("own").estimate() <= DESCRIBED * sums["step"].estimate()
    reads = read.errors(pass_).estimate()[2:] < READABLE
    readable = tuple((reads & described).tolist())
    return OneMap(1, tuple(turns), sums["left"], sums["null"], sums["step"], readable, "linear maps")


def _steps(
    experiment: Experiment, read: Reading, prompts: Prompts, captured: Captured
) -> Float64[Tensor, "block prompt"]:
    """Returns the change of what is read at the query of the largest context, at every block."""
    x = asked(experiment, prompts.x[:, -1])
    return read.of(captured.stream[:, :, -1].cpu(), x).diff(dim=0)


def _mapped(weight: Tensor, intercept: Tensor, stream: Tensor, shift: int) -> Float64[Tensor, "block prompt"]:
    """Returns what every block's map makes of the stream that it, or the block so many further on, reads."""
    blocks = torch.arange(weight.shape[0] - shift)
    own, constant = weight[blocks, 0, :, blocks].cpu(), intercept[blocks, 0, blocks].cpu()
    at_query = stream[shift:-1, :, -1].cpu().double()
    mapped: Tensor = torch.einsum("bpw,bw->bp", at_query, own) + constant[:, None]
    return mapped
