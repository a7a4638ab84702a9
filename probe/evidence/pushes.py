"""What is moved in the stream at the query, and by how much: the answer that heads read there, or w with its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from probe.capture import Captured
from probe.evidence.causes.pairs import Pair
from probe.evidence.targets import fit_targets
from probe.heads import LinearHeads
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.probing.ridge_fit import Targets
from probe.randomness import KeyedGenerator, PromptSource, key
from probe.statistics import RatioBootstrap
from probe.tasks import Prompts

SMALL = 0.25
"""The imposed shift's root mean square, in units of that of y, or of a coordinate of w."""
READ = 0.9
"""Where heads err more than this, there is no answer to move, and what would move them is large."""


@dataclass(frozen=True, eq=False)
class Push:
    """A quantity that is moved, at every layer where heads read it.

    Attributes:
        name: ``y``, what the head for y reads; or ``w``, what the heads for w and y read together, moved by delta and
            delta.x.
        way: ``head``, by the shortest vectors; ``pattern``, by those that the stream moves along as the heads' readings
            vary between prompts (Haufe et al., 2014, doi:10.1016/j.neuroimage.2013.10.067, eq. 7).
        layers: where.
        heads: what is moved, one row a number that the heads read.
        inverse: vectors that move each of these numbers by 1 and the others not at all.
        unit: the root mean square of y, or of a coordinate of w.
    """

    name: str
    way: str
    layers: tuple[int, ...]
    heads: Float64[Tensor, "layer number width"]
    inverse: Float64[Tensor, "layer width number"]
    unit: float


def heads_for_w(experiment: Experiment, pass_: Pass) -> tuple[LinearHeads, RatioBootstrap] | None:
    """Returns heads for w at the query, with their errors by layer; None for tasks whose answer is not w times x."""
    sample = experiment.task.draw(PromptSource(pass_.seed, "fit", [0]), experiment.longest)
    regressors = experiment.task.regressors(sample.x)
    if "w" not in sample.parameters or regressors is None:
        return None
    if sample.parameters["w"].shape[-1] != regressors.shape[-1]:
        return None

    def targets(prompts: Prompts, captured: Captured) -> Targets:
        return {"w": prompts.parameters["w"][:, None].expand(-1, len(experiment.contexts), -1)}

    found, errors = fit_targets(experiment, targets, pass_)
    return found["w"], errors["w"].ratio.part(lambda cells: cells[..., -1])


def pushes(
    experiment: Experiment, heads: Mapping[str, LinearHeads], errors: Mapping[str, RatioBootstrap], pass_: Pass
) -> list[Push]:
    """Returns what is moved where: y, and w where there are heads for it; none where heads read nothing."""
    prompts = experiment.task.draw(PromptSource(pass_.seed, "select", pass_.batches("select")[0]), experiment.longest)
    matrices = {name: found.weight[:, -1].cpu().transpose(1, 2) for name, found in heads.items()}
    read = {name: found.estimate() < READ for name, found in errors.items()}
    rows = {"y": matrices["y"]}
    size = {"y": prompts.targets[:, -1]}
    if "w" in heads:
        rows["w"] = torch.cat([matrices["w"], matrices["y"]], dim=1)
        read["w"] = read["w"] & read["y"]
        size["w"] = prompts.parameters["w"]
    found = []
    for name, matrix in rows.items():
        layers = tuple(read[name].nonzero()[:, 0].tolist())
        unit = size[name].double().square().mean().sqrt().item()
        ways = {"head": torch.linalg.pinv(matrix), "pattern": patterns(experiment, matrix, pass_)}
        found += [Push(name, way, layers, matrix, inverse, unit) for way, inverse in ways.items()]
    return found


def patterns(
    experiment: Experiment, heads: Float64[Tensor, "layer number width"], pass_: Pass
) -> Float64[Tensor, "layer width number"]:
    """Returns S A' (A S A')^-1 of every layer's heads A, S the covariance of the stream on the selection prompts.

    The vectors that the stream moves along as readings vary between prompts: Haufe et al. (2014), eq. 7.
    """
    streams, joint, count = torch.zeros_like(heads[:, 0]), torch.zeros_like(heads), 0
    for numbers, _, captured in experiment.batches(pass_, "select"):
        stream = captured.stream[:, :, -1].cpu().double()
        streams += stream.sum(1)
        joint += torch.einsum("lpw,lpv,lnv->lnw", stream, stream, heads)
        count += len(numbers)
    mean = streams / count
    centred = joint / count - torch.einsum("lw,lv,lnv->lnw", mean, mean, heads)
    within = torch.einsum("lnw,lmw->lnm", centred, heads)
    found: Tensor = centred.transpose(1, 2) @ torch.linalg.pinv(within, hermitian=True)
    return found


def imposed(push: Push, pair: Pair, experiment: Experiment, seed: int) -> Float64[Tensor, "prompt number"]:
    """Returns by how much each number that the heads read is moved, by the prompts' numbers."""
    keyed = KeyedGenerator()
    own = 1 if push.name == "y" else push.heads.shape[1] - 1
    drawn = [keyed.at(key(seed, "closed loop", push.name, n)).standard_normal(own) for n in pair.numbers]
    delta = SMALL * push.unit * torch.from_numpy(np.stack(drawn))
    if push.name == "y":
        return delta
    x = experiment.task.regressors(pair.own[:, -1])
    assert x is not None, "moved the weights of a task that is linear in nothing"
    return torch.cat([delta, (delta * x.cpu().double()).sum(-1, keepdim=True)], dim=1)
