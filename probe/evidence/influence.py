"""The influence of each example's y on the answer, and how fast it falls with the example's distance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from probe.capture import observe
from probe.evidence.rows import row
from probe.evidence.sites import entering
from probe.models import Block, ResidualModel
from probe.models.mamba import Mamba, MambaInside
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.probing.twins import each
from probe.randomness import PromptSource
from probe.statistics import Band, MeanBootstrap
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


def influence(experiment: Experiment, pass_: Pass) -> Influence:
    """Differentiates the answer to the last query, after the experiment's largest context, by every example's y.

    After Akyürek et al. (2022), arXiv:2211.15661: a learner that is linear in y has these derivatives as its weights.
    """
    examples = experiment.longest
    model, solver = (MeanBootstrap((examples,), seed=pass_.seed) for _ in range(2))
    agreement = MeanBootstrap((), seed=pass_.seed)

    def derived(twin: Experiment, numbers: range) -> tuple[Tensor, Tensor]:
        prompts = twin.task.draw(PromptSource(pass_.seed, "score", numbers), examples)
        return derivatives(twin, prompts), _least_squares(prompts)

    for numbers, (own, exact) in each(experiment, _numbers(pass_), derived, experiment.at_a_time(pass_)):
        model.update(numbers, own.abs())
        solver.update(numbers, exact.abs())
        agreement.update(numbers, torch.nn.functional.cosine_similarity(own, exact, dim=-1))
    return Influence(model, solver, agreement, half_life(model.estimate()))


def _numbers(pass_: Pass) -> list[range]:
    """Returns the score prompts' numbers, so many at a time."""
    return [range(first, min(first + BATCH, pass_.score)) for first in range(0, pass_.score, BATCH)]


def derivatives(experiment: Experiment, prompts: Prompts) -> Float64[Tensor, "batch example"]:
    """Returns the derivatives of the answer to the last query with respect to every example's y."""
    inputs = prompts.inputs.to(experiment.device).requires_grad_()
    with torch.enable_grad():
        answer = experiment.task.answer(experiment.model.run(inputs)[:, -1]).sum()
        (gradient,) = torch.autograd.grad(answer, inputs)
    return gradient[:, 1::2, 0].cpu().double()


def _least_squares(prompts: Prompts) -> Float64[Tensor, "batch example"]:
    x = prompts.x.double()
    weights: Tensor = torch.einsum("bd,bdn->bn", x[:, -1], torch.linalg.pinv(x[:, :-1]))
    return weights


def half_life(mean: Float64[Tensor, " example"]) -> float:
    """Returns the lag after which influence halves, by least squares on its logarithm; infinite if it does not fall."""
    rate = _halvings(mean).item()
    return 1 / rate if rate > 0 else math.inf


def halvings(means: MeanBootstrap) -> Band:
    """Returns how often influence halves per example of lag, one over the half-life, with its band."""
    rates = _halvings(torch.cat([means.estimate()[None], means.replicates()]))
    return Band(rates[0], *(rates[1:].quantile(share) for share in (0.025, 0.975)))


def _halvings(means: Float64[Tensor, "*draw example"]) -> Float64[Tensor, "*draw"]:
    count = means.shape[-1]
    if count < 2:
        return torch.zeros_like(means[..., 0])
    lag = torch.arange(count - 1, -1, -1, dtype=torch.float64)
    logs = means.clamp(min=torch.finfo(torch.float64).tiny).log()
    lag = lag - lag.mean()
    slopes: Tensor = logs @ lag / lag.square().sum()
    return -slopes / math.log(2)


def implicit_attention(experiment: Experiment, pass_: Pass) -> dict[int, MeanBootstrap]:
    """Returns, by the layer of every Mamba block, the mean share of implicit attention that falls on each example.

    Empty for models whose blocks are not our own Mamba's.
    """
    found: dict[int, MeanBootstrap] = {}

    def attended(twin: Experiment, numbers: range) -> dict[int, Tensor]:
        prompts = twin.task.draw(PromptSource(pass_.seed, "score", numbers), twin.longest)
        return {layer: attention_to_examples(inside) for layer, inside in inside_mamba(twin, prompts).items()}

    for numbers, by_layer in each(experiment, _numbers(pass_), attended, experiment.at_a_time(pass_)):
        for layer, shares in by_layer.items():
            sums = found.setdefault(layer, MeanBootstrap((experiment.longest,), seed=pass_.seed))
            sums.update(numbers, shares)
    return found


def influence_rows(found: Influence, attention: dict[int, MeanBootstrap], model: str) -> list[dict[str, Any]]:
    """Returns the rows of a record: by example's place, the first being 1, influence and implicit attention.

    A half-life that is infinite, since nothing is forgotten, has an empty value; ``halvings per example`` is its
    inverse, which has a band in any case.
    """
    rows = _place_rows(model, "mean absolute derivative", "model", None, found.model)
    rows += _place_rows(model, "mean absolute derivative", "least_squares", None, found.solver)
    for layer, shares in attention.items():
        rows += _place_rows(model, "share of implicit attention", "mamba", layer, shares)
    cosine, (low, high) = found.agreement.estimate().item(), found.agreement.interval()
    examples, prompts = len(found.model.estimate()), found.agreement.prompts
    metric, ends = "cosine with least squares", (low.item(), high.item())
    rows.append(row(model, "influence", metric, cosine, *ends, head="model", context=examples, prompts=prompts))
    return rows


def _place_rows(model: str, metric: str, head: str, layer: int | None, means: MeanBootstrap) -> list[dict[str, Any]]:
    """Returns one row an example's place, and two for how fast the means fall with the lag."""
    mean, (low, high), rate = means.estimate(), means.interval(), halvings(means)
    life, examples = half_life(mean), len(mean)

    def at(
        what: str, value: float, ends: tuple[float, float] | None = None, place: int | None = None
    ) -> dict[str, Any]:
        first, last = (None, None) if ends is None else ends
        return row(
            model,
            "influence",
            what,
            value,
            first,
            last,
            head=head,
            layer=layer,
            step=place,
            context=examples,
            prompts=means.prompts,
        )

    rows = [at(metric, mean[i].item(), (low[i].item(), high[i].item()), i + 1) for i in range(examples)]
    rows.append(at("halvings per example", rate.value.item(), (rate.low.item(), rate.high.item())))
    rows.append(at("half-life in examples", life if math.isfinite(life) else math.nan))
    return rows


@torch.no_grad()
def inside_mamba(experiment: Experiment, prompts: Prompts) -> dict[int, MambaInside]:
    """Returns the inner quantities of every Mamba mixer on these prompts, by the layer of its block.

    Empty for models whose blocks are not our own Mamba's.
    """
    model = experiment.model.model
    blocks = dict(enumerate(model.blocks, start=1)) if isinstance(model, ResidualModel) else {}
    read: dict[int, Float[Tensor, "batch time width"]] = {}

    def keep(layer: int, stream: Tensor) -> None:
        block = blocks.get(layer + 1)
        if isinstance(block, Block) and isinstance(block.mixer, Mamba):
            read[layer + 1] = entering(block, stream).clone()

    with observe(experiment.model.places, keep):
        experiment.model.run(prompts.inputs.to(experiment.device))
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
