"""Which algorithm's steps the layers follow, if any: chosen on some prompts, measured on others.

Distances decide and similarities are shown beside them: predictions of two good learners are alike whatever their
way, so that cosines near 1 say little (see Fu et al., 2024, arXiv:2310.17086, and the squared differences of
Akyürek et al., 2022, arXiv:2211.15661, eqs. 13 and 14).

Every layer may scale the step it is compared with, by a factor chosen on the selection prompts: a head fitted to y
scales whatever it reads so as to err least. The same freedom makes the null: the model's own final answer, scaled. An
algorithm that comes no nearer to the layers than that tells nothing of the way there. What the model itself ends off by
is in its later layers too and no algorithm's fault: it is fitted apart (`probe.evidence.shared`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from probe.evidence.algorithms import STEPS, Again, Path, paths
from probe.evidence.answers import Asked, distance, induced_weights
from probe.evidence.families.fit import fitted
from probe.evidence.shared import ratio, shared_error
from probe.learners import Examples
from probe.statistics import Band, RatioBootstrap, band_of, quotient

FINAL = "final_answer"
HELD = 0.1
"""The least share of a layer's answer that a step must account for; of layers below it the step is 0, the start."""


CLOSE = 1.02
"""The factor up to which algorithms are as close as the closest one; the candidates stand from the simplest on."""
MOVES = 1e-6
"""The least square of a step, in units of the answers after it, that is one: of idle blocks the rates are almost 0."""


@dataclass(frozen=True, eq=False)
class Match:
    """One algorithm laid along the layers of a model, the step of each layer chosen on the selection prompts.

    Attributes:
        algorithm: by name; `FINAL` is the null, the model's own last layer.
        setting: the one setting, for all layers, whose steps come closest to the layers' answers.
        steps: of the algorithm, by layer.
        scales: what each layer's step is multiplied with.
        shares: how much of the model's own final error is added to it.
        spd: the squared difference of predictions by layer, in units of the zero error: mean over prompts and
            queries, with bands over prompts.
        unscaled: the same with every factor 1.
        ilwd: the squared difference of induced weights, in units of the squared length of those that the targets
            induce, with bands over prompts.
        similarity_errors: mean cosine of the two vectors of errors over queries (SimE).
        similarity_weights: mean cosine of the induced weights (SimW).
        chosen_on: the mean over layers of `spd` on the selection prompts, by which setting and steps were chosen.
        squares: the squared differences that `spd` sums, and `unit` those of the zero error, by prompt.
        most: the steps that the layers could stand at.
        again: the algorithm's path on other examples, under the same setting.
    """

    algorithm: str
    setting: str
    steps: Int64[Tensor, " layer"]
    scales: Float64[Tensor, " layer"]
    shares: Float64[Tensor, " layer"]
    spd: RatioBootstrap
    unscaled: RatioBootstrap
    ilwd: RatioBootstrap
    similarity_errors: Float64[Tensor, " layer"]
    similarity_weights: Float64[Tensor, " layer"]
    chosen_on: float
    squares: Float64[Tensor, "layer prompt"]
    unit: Float64[Tensor, " prompt"]
    most: int
    again: Again

    @property
    def capped(self) -> bool:
        """Whether a layer comes closest to the last step of an algorithm that could go on."""
        return self.most == STEPS and int(self.steps.max()) == STEPS

    def unexplained(self, null: Match) -> Band:
        """Returns the distances of all layers' answers together as a share of the null's, with its paired band.

        0: every layer is a step of the algorithm. 1: the algorithm tells no more than the final answer, scaled. Where
        the layers hold nothing but the final answer, scaled, there is nothing to explain and the share is nan.
        """
        return quotient(self.spd, null.spd)

    def unexplained_on(self, null: Match, places: Sequence[int]) -> Band:
        """Returns the same share on some of the prompts, by their places."""
        return quotient(self._on(places), null._on(places))

    def _on(self, places: Sequence[int]) -> RatioBootstrap:
        """Returns `spd` of some prompts, by their places."""
        chosen, found = list(places), RatioBootstrap((len(self.squares),), seed=self.spd.seed)
        found.update(chosen, self.squares[:, chosen].T, self.unit[chosen, None])
        return found

    def elsewhere(self, asked: Asked, head: str, null: Match) -> Band:
        """Returns the same share on prompts of another kind, with everything that was chosen as it is."""
        answers, seed = asked.answers[head], self.spd.seed
        steps = _predictions(asked, self.again(asked.examples)[self.steps])
        scale, share = self.scales[:, None, None], self.shares[:, None, None]
        whole = scale * steps + share * (answers[-1] - scale[-1] * steps[-1])
        scaled = null.scales[:, None, None] * answers[-1]
        return quotient(*(distance(asked, answers - one, asked.targets, seed) for one in (whole, scaled)))  # type: ignore[arg-type]

    def beyond(self, other: Match, null: Match) -> Band:
        """Returns by how much more of the null's distance is left than another algorithm leaves, paired by prompt."""
        left, least, whole = (one.spd.draws().sum(1, keepdim=True) for one in (self, other, null))
        found = band_of(((left - least) / whole).where(whole != 0, torch.nan))
        return Band(found.value[0], found.low[0], found.high[0])

    @property
    def rate(self) -> float:
        """The slope of the matching line: steps of the algorithm a layer, by least squares over all layers."""
        layers = torch.arange(len(self.steps), dtype=torch.float64)
        off = layers - layers.mean()
        return ((off * self.steps).sum() / off.square().sum()).item()

    def unexplained_weights(self, null: Match) -> Band:
        """Returns the same share of the distances of induced weights."""
        return quotient(self.ilwd, null.ilwd)


@dataclass(frozen=True, eq=False)
class _Chosen:
    setting: str
    steps: Int64[Tensor, " layer"]
    scales: Float64[Tensor, " layer"]
    shares: Float64[Tensor, " layer"]
    distance: float


def match(
    selected: Asked,
    scored: Asked,
    heads: Sequence[str],
    seed: int = 0,
    fit_for: Sequence[str] = (),
    known: Float[Tensor, "function dim"] | None = None,
) -> dict[str, list[Match]]:
    """Returns, by head, every algorithm's best match with the layers, the closest on the selection prompts first.

    Settings under which an algorithm diverges on a prompt are not among those it is chosen from.

    Args:
        selected: prompts on which settings, numbers, steps and scales are chosen.
        scored: others, on which the distances are measured.
        heads: the readings whose answers are compared.
        fit_for: the heads among them for which the families of `probe.evidence.families` are fitted as well.
        known: the w that there are, where they are a finite set.
    """
    both = list(zip(paths(selected.examples, known), paths(scored.examples, known), strict=True))
    found = {}
    for head in heads:
        fits = list(fitted(selected, head)) if head in fit_for else []
        own = [
            tuple(
                Path(one.name, one.setting, one.weights(asked.examples), one.weights, by_block=True)
                for asked in (selected, scored)
            )
            for one in fits
        ]
        finite = [pair for pair in [*both, *own] if all(path.weights.isfinite().all() for path in pair)]
        tried, tested = ([pair[place] for pair in finite] for place in (0, 1))
        found[head] = _match(selected, scored, head, tried, tested, seed)
    return found


def _match(
    selected: Asked, scored: Asked, head: str, tried: Sequence[Path], tested: Sequence[Path], seed: int
) -> list[Match]:
    best: dict[str, _Chosen] = {}
    for path in tried:
        predicted = _predictions(selected, path.weights)
        found = _choose(selected.answers[head], predicted, selected, path.setting, path.by_block)
        if path.algorithm not in best or found.distance < best[path.algorithm].distance:
            best[path.algorithm] = found
    matches = [
        _measured(scored, head, path, best[path.algorithm], seed)
        for path in tested
        if best[path.algorithm].setting == path.setting
    ]
    matches.sort(key=lambda one: one.chosen_on)
    # of those that come as close as the closest, the simplest is the first to name
    close = {one.algorithm for one in matches if one.chosen_on <= CLOSE * matches[0].chosen_on}
    first = next(name for name in best if name in close)
    return sorted(matches, key=lambda one: one.algorithm != first)


def final_answer(selected: Asked, scored: Asked, head: str, seed: int = 0) -> Match:
    """Returns the null: the last layer's answer as a path of one step, scaled for every layer."""
    last = selected.answers[head][-1:]
    chosen = _choose(selected.answers[head], last, selected, FINAL)
    weights, _ = induced_weights(scored.queries, scored.answers[head][-1:])

    def nowhere(examples: Examples) -> Tensor:
        raise AssertionError("a final answer follows from no examples")

    return _measured(scored, head, Path(FINAL, FINAL, weights, nowhere), chosen, seed, scored.answers[head][-1:])


def _predictions(asked: Asked, weights: Float64[Tensor, "*step prompt dim"]) -> Float64[Tensor, "*step prompt query"]:
    predicted: Tensor = torch.einsum("...pd,pqd->...pq", weights, asked.queries)
    return predicted


def _choose(
    answers: Float64[Tensor, "layer prompt query"],
    predicted: Float64[Tensor, "step prompt query"],
    asked: Asked,
    setting: str,
    by_block: bool = False,
) -> _Chosen:
    """Returns the step and the factor that come closest to each layer; of steps as close, the earliest.

    Of a layer whose answer no step accounts for, the closest one is noise: it is taken to stand at the start.

    Args:
        by_block: whether there is a step for each block, with numbers that were fitted to it: then the layer stands at
            its own, or, where blocks have not moved since, at an earlier one.
    """
    error = answers[-1] - _last(answers, predicted)
    told = shared_error(answers, predicted, error)
    lengths = answers.square().sum((1, 2))
    found, steps = told.distances.min(dim=1)
    near = told.distances <= found[:, None] + 1e-9 * asked.targets.square().sum()
    # with the shared error a layer of noise is as near to any step: what steps account for is asked of them alone
    alone = told.scales.square() * predicted.square().sum((1, 2))
    steps = near.int().argmax(dim=1)
    held = alone.gather(1, steps[:, None])[:, 0] >= HELD * lengths
    steps = steps.where((lengths - found >= HELD * lengths) & held, 0)
    steps = _moved(predicted).where(steps > 0, 0) if by_block else steps
    scales, shares, left = (each.gather(1, steps[:, None])[:, 0] for each in (told.scales, told.shares, told.distances))
    return _Chosen(setting, steps, scales, shares, (left.mean() / asked.targets.square().sum()).item())


def _moved(predicted: Float64[Tensor, "step prompt query"]) -> Int64[Tensor, " step"]:
    """Returns, for every step, the last one up to it that moved the answers."""
    moves = predicted.diff(dim=0).square().sum((1, 2)) > MOVES * predicted[1:].square().sum((1, 2))
    places = torch.arange(1, len(predicted)).where(moves, 0)
    return torch.cat([places.new_zeros(1), places.cummax(0).values])


def _last(
    answers: Float64[Tensor, "layer prompt query"], predicted: Float64[Tensor, "step prompt query"]
) -> Float64[Tensor, "prompt query"]:
    """Returns the step, scaled, that comes closest to the last layer's answers."""
    products = torch.einsum("pq,spq->s", answers[-1], predicted)
    scales = ratio(products, predicted.square().sum((1, 2)))
    closest = (scales * products).argmax()
    found: Tensor = scales[closest] * predicted[closest]
    return found


def _measured(
    asked: Asked,
    head: str,
    path: Path,
    chosen: _Chosen,
    seed: int,
    predictions: Float64[Tensor, "step prompt query"] | None = None,
) -> Match:
    answers, weights = asked.answers[head], path.weights[chosen.steps]
    steps = _predictions(asked, weights) if predictions is None else predictions[chosen.steps]
    scaled, scale = chosen.scales[:, None, None] * steps, chosen.scales[:, None, None]
    induced, _ = induced_weights(asked.queries, answers)
    solved, _ = induced_weights(asked.queries, asked.targets)
    share, last = chosen.shares[:, None, None], chosen.scales[-1]
    whole = scaled + share * (answers[-1] - last * steps[-1])
    squares = (answers - whole).square().sum(-1)
    return Match(
        algorithm=path.algorithm,
        setting=chosen.setting,
        steps=chosen.steps,
        scales=chosen.scales,
        shares=chosen.shares,
        spd=distance(asked, answers - whole, asked.targets, seed),
        unscaled=distance(asked, answers - steps, asked.targets, seed),
        ilwd=distance(asked, induced - scale * weights - share * (induced[-1] - last * weights[-1]), solved, seed),
        similarity_errors=_cosine(answers - asked.targets, scaled - asked.targets),
        similarity_weights=_cosine(induced, scale * weights),
        chosen_on=chosen.distance,
        squares=squares,
        unit=asked.targets.square().sum(-1),
        most=len(path.weights) - 1,
        again=path.again,
    )


def _cosine(a: Float64[Tensor, "layer prompt some"], b: Float64[Tensor, "layer prompt some"]) -> Tensor:
    """Returns the mean cosine over the prompts where both vectors have a length, nan where none has."""
    lengths = a.norm(dim=-1) * b.norm(dim=-1)
    cosines = torch.where(lengths > 0, (a * b).sum(-1) / lengths.where(lengths > 0, 1.0), torch.nan)
    return cosines.nanmean(-1)
