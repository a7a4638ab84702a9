"""By how much each example moves the answer, and how soon it is forgotten."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from probe.capture import watching
from probe.config import FitConfig
from probe.fit import Subject
from probe.models import Block, ResidualModel
from probe.models.mamba import Mamba, MambaInside
from probe.randomness import PromptSource
from probe.statistics import MeanBootstrap
from probe.tasks import Prompts

BATCH = 64


@dataclass(frozen=True, eq=False)
class Influence:
    """How the answer to the last query depends on each example's y.

    Attributes:
        model: the mean absolute derivative of the answer with respect to each example's y, by its place, with bands.
        solver: the same of least squares, exact where there are at least as many examples as dimensions.
        agreement: the mean cosine, over prompts, of the model's derivatives with least squares' own, with its band.
        half_life: in examples, the lag after which the model's influence has halved, by a straight line through the
            logarithm of its means; infinite where it does not fall with the lag.
    """

    model: MeanBootstrap
    solver: MeanBootstrap
    agreement: MeanBootstrap
    half_life: float


def influence(subject: Subject, config: FitConfig) -> Influence:
    """Differentiates the answer to the last query, after the subject's largest context, by every example's y.

    After Akyürek et al. (2022), arXiv:2211.15661: a learner that is linear in y has these derivatives as its weights.
    """
    examples = subject.longest
    model, solver = (MeanBootstrap((examples,), seed=config.seed) for _ in range(2))
    agreement = MeanBootstrap((), seed=config.seed)
    for first in range(0, config.score, BATCH):
        numbers = range(first, min(first + BATCH, config.score))
        prompts = subject.task.draw(PromptSource(config.seed, "score", numbers), examples)
        own, exact = derivatives(subject, prompts), _least_squares(prompts)
        model.update(numbers, own.abs())
        solver.update(numbers, exact.abs())
        agreement.update(numbers, torch.nn.functional.cosine_similarity(own, exact, dim=-1))
    return Influence(model, solver, agreement, half_life(model.estimate()))


def derivatives(subject: Subject, prompts: Prompts) -> Float64[Tensor, "batch example"]:
    """Returns the derivatives of the answer to the last query with respect to every example's y."""
    inputs = prompts.inputs.to(subject.device).requires_grad_()
    with torch.enable_grad():
        answer = subject.task.answer(subject.model.run(inputs)[:, -1]).sum()
        (gradient,) = torch.autograd.grad(answer, inputs)
    return gradient[:, 1::2, 0].cpu().double()


def _least_squares(prompts: Prompts) -> Float64[Tensor, "batch example"]:
    x = prompts.x.double()
    weights: Tensor = torch.einsum("bd,bdn->bn", x[:, -1], torch.linalg.pinv(x[:, :-1]))
    return weights


def half_life(mean: Float64[Tensor, " example"]) -> float:
    """Returns the lag after which influence halves, by least squares on its logarithm; infinite if it does not fall."""
    lag = torch.arange(len(mean) - 1, -1, -1, dtype=torch.float64)
    lag, logs = lag - lag.mean(), mean.log() - mean.log().mean()
    slope = (lag @ logs / lag.square().sum()).item()
    return -math.log(2) / slope if slope < 0 else math.inf


@torch.no_grad()
def inside_mamba(subject: Subject, prompts: Prompts) -> dict[int, MambaInside]:
    """Returns what happens inside every Mamba mixer on these prompts, by its layer; nothing outlives the batch.

    Empty for models whose blocks are not our own Mamba's.
    """
    model = subject.model.model
    blocks = dict(enumerate(model.blocks, start=1)) if isinstance(model, ResidualModel) else {}
    read: dict[int, Float[Tensor, "batch time width"]] = {}

    def keep(layer: int, stream: Tensor) -> None:
        block = blocks.get(layer + 1)
        if isinstance(block, Block) and isinstance(block.mixer, Mamba):
            read[layer + 1] = block.norm(stream) if block.residual == "pre" else stream.clone()

    with watching(subject.model.places, keep):
        subject.model.run(prompts.inputs.to(subject.device))
    return {layer: blocks[layer].mixer.inside(hidden) for layer, hidden in read.items()}  # type: ignore[union-attr,operator]


def attention_to_examples(inside: MambaInside) -> Float64[Tensor, "batch example"]:
    """Returns the share of the last token's implicit attention that falls on each example's two tokens.

    Absolute values, summed over channels; what falls on the query itself is left out.
    """
    last = inside.delta.shape[1] - 1
    weight = inside.attention(last).abs().sum(-1)[:, :last].double()
    pairs = weight.reshape(len(weight), -1, 2).sum(-1)
    shares: Tensor = pairs / pairs.sum(-1, keepdim=True)
    return shares
