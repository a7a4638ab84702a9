"""Which algorithm's steps the layers follow, if any: chosen on some prompts, measured on others.

Distances decide and similarities are shown beside them: predictions of two good learners are alike whatever their
way, so that cosines near 1 say little (see Fu et al., 2024, arXiv:2310.17086, and the squared differences of
Akyürek et al., 2022, arXiv:2211.15661, eqs. 13 and 14).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from probe.evidence.algorithms import Path, paths
from probe.evidence.answers import Asked, induced_weights
from probe.statistics import RatioBootstrap


@dataclass(frozen=True, eq=False)
class Match:
    """One algorithm laid along the layers of a model, the step of each layer chosen on the selection prompts.

    Attributes:
        algorithm: by name.
        setting: the one setting, for all layers, whose steps come closest to the layers' answers.
        steps: of the algorithm, by layer.
        spd: the squared difference of predictions by layer, in units of the zero error: mean over prompts and
            queries, with bands over prompts.
        ilwd: the squared difference of induced weights, in units of the squared length of the true ones' stand-in,
            least squares' at the same examples.
        similarity_errors: mean cosine of the two vectors of errors over queries (SimE).
        similarity_weights: mean cosine of the induced weights (SimW).
        chosen_on: the mean over layers of `spd` on the selection prompts, by which the setting was chosen.
    """

    algorithm: str
    setting: str
    steps: Int64[Tensor, " layer"]
    spd: RatioBootstrap
    ilwd: Float64[Tensor, " layer"]
    similarity_errors: Float64[Tensor, " layer"]
    similarity_weights: Float64[Tensor, " layer"]
    chosen_on: float

    def rows(self, model: str, head: str) -> list[dict[str, Any]]:
        """Returns a record's rows, one a layer."""
        value, (low, high) = self.spd.estimate(), self.spd.interval()
        return [
            {
                "model": model,
                "head": head,
                "layer": layer,
                "algorithm": self.algorithm,
                "setting": self.setting,
                "step": int(self.steps[layer]),
                "spd": value[layer].item(),
                "low": low[layer].item(),
                "high": high[layer].item(),
                "ilwd": self.ilwd[layer].item(),
                "similarity_errors": self.similarity_errors[layer].item(),
                "similarity_weights": self.similarity_weights[layer].item(),
            }
            for layer in range(len(self.steps))
        ]


def match(selected: Asked, scored: Asked, head: str, seed: int = 0) -> list[Match]:
    """Returns every algorithm's best match with the layers, the closest on the selection prompts first.

    Args:
        selected: prompts on which setting and steps are chosen.
        scored: others, on which the distances are measured.
        head: the reading whose answers are compared.
    """
    best: dict[str, tuple[float, str, Tensor]] = {}
    for path in paths(selected.examples):
        distances = _distances(selected, path, head)
        found, steps = distances.min(dim=1)
        total = found.mean().item()
        if path.algorithm not in best or total < best[path.algorithm][0]:
            best[path.algorithm] = total, path.setting, steps
    chosen = {setting: (algorithm, steps, total) for algorithm, (total, setting, steps) in best.items()}
    found_matches = [
        _measured(scored, path, head, *chosen[path.setting][1:], seed)
        for path in paths(scored.examples)
        if path.setting in chosen and chosen[path.setting][0] == path.algorithm
    ]
    return sorted(found_matches, key=lambda one: one.chosen_on)


def _predictions(asked: Asked, weights: Float64[Tensor, "*step prompt dim"]) -> Float64[Tensor, "*step prompt query"]:
    predicted: Tensor = torch.einsum("...pd,pqd->...pq", weights, asked.queries)
    return predicted


def _distances(asked: Asked, path: Path, head: str) -> Float64[Tensor, "layer step"]:
    """Returns the squared differences of predictions in units of the zero error."""
    answers, zero = asked.answers[head], asked.targets.square().sum()
    predicted = _predictions(asked, path.weights)
    # a layer at a time: layers times steps times prompts may be many
    return torch.stack([(answer - predicted).square().sum((1, 2)) / zero for answer in answers])


def _measured(asked: Asked, path: Path, head: str, steps: Tensor, chosen_on: float, seed: int) -> Match:
    answers, weights = asked.answers[head], path.weights[steps]
    predicted = _predictions(asked, weights)
    spd = RatioBootstrap((len(steps),), seed=seed)
    spd.update(asked.numbers, (answers - predicted).square().sum(-1).T, asked.targets.square().sum(-1, keepdim=True))
    induced, _ = induced_weights(asked.queries, answers)
    solved, _ = induced_weights(asked.queries, asked.targets)
    return Match(
        algorithm=path.algorithm,
        setting=path.setting,
        steps=steps,
        spd=spd,
        ilwd=(induced - weights).square().sum((1, 2)) / solved.square().sum(),
        similarity_errors=_cosine(answers - asked.targets, predicted - asked.targets),
        similarity_weights=_cosine(induced, weights),
        chosen_on=chosen_on,
    )


def _cosine(a: Float64[Tensor, "layer prompt some"], b: Float64[Tensor, "layer prompt some"]) -> Tensor:
    """Returns the mean cosine over the prompts where both vectors have a length, nan where none has."""
    lengths = a.norm(dim=-1) * b.norm(dim=-1)
    cosines = torch.where(lengths > 0, (a * b).sum(-1) / lengths.where(lengths > 0, 1.0), torch.nan)
    return cosines.nanmean(-1)
