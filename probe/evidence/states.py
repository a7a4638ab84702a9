"""Heads on a model's inner states after every example: for w and for algorithms' weights, site by site.

Sites are those of `probe.evidence.sites`: the stream, and inside recurrent blocks the state and, of Mamba, what
writes it and reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn.functional import cosine_similarity

from probe.capture.sites.narrow import Narrow
from probe.errors import ProbeError
from probe.evidence.nulls import untrained
from probe.evidence.rows import row
from probe.evidence.sites import Site, Token, read_sites
from probe.evidence.targets import quantities
from probe.heads import LinearHeads
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.probing.prepare import same_on
from probe.probing.ridge_fit import Read, Targets, fit_ridges
from probe.probing.twins import each
from probe.randomness import PromptSource, Purpose
from probe.statistics import MeanBootstrap, RatioBootstrap
from probe.tasks import Prompts

WIDEST = 256
STREAMS = 4
"""Whole streams that take as much memory as what is held of a batch."""
Features = dict[Site, Float[Tensor, "batch context features"]]


@dataclass(frozen=True, eq=False)
class SiteScores:
    """What linear heads read at one site.

    Attributes:
        numbers: how many numbers stand there.
        features: how many of them, or of their random projections, the heads read.
        errors: of heads for each of `targets`, after the most examples.
        cosines: the mean cosine of w with what the head for it reads, by number of examples; the second row is that of
            another prompt's w with what a head for that reads, a null.
    """

    site: Site
    numbers: int
    features: int
    targets: tuple[str, ...]
    errors: RatioBootstrap
    cosines: MeanBootstrap


@dataclass(frozen=True, eq=False)
class States:
    """The scores of heads at every site, and those of algorithms to lay beside them.

    Attributes:
        examples: how many examples stand before the tokens that were read, by the kind of token.
        references: the mean cosine of w with each algorithm's weights, by number of examples, at tokens y.
    """

    examples: dict[Token, tuple[int, ...]]
    sites: tuple[SiteScores, ...]
    references: dict[str, MeanBootstrap]

    def of(self, site: Site) -> SiteScores:
        """Returns the scores of one site."""
        return next(one for one in self.sites if one.site == site)


def states(experiment: Experiment, pass_: Pass, widest: int = WIDEST) -> States:
    """Fits heads at every site, at tokens y after each of the experiment's contexts and at x after the largest.

    Heads are asked for w, for X'y / n and for the weights of `quantities` after the examples so far, and at x for the
    query's y too. Activations are dropped with their batch, memory depends on the sites' widths alone.

    Args:
        widest: sites wider than this are read through as many random projections (see `Narrow`); 0 reads them whole,
            for which prompts should be several times the width of the widest site.

    Raises:
        ProbeError: if the task has no w or no tokens y, or no example stands before a query.
    """
    if not experiment.task.appendable:
        raise ProbeError(
            f"{experiment.task_name} was given, but states are read after each example's y. Use a task of pairs, such "
            "as linear."
        )
    examples = _examples(experiment)
    narrow = Narrow(pass_.seed, widest)
    numbers: dict[Site, int] = {}

    def batches(purpose: Purpose) -> Iterator[dict[Site, Read]]:
        for _, features, targets, counted in _batches(experiment, pass_, examples, narrow, purpose):
            numbers.update(counted)
            yield {site: Read(values[None], targets[site.token]) for site, values in features.items()}

    heads = fit_ridges(batches)
    scores = {
        site: _empty(site, found, numbers[site], len(examples[site.token]), pass_) for site, found in heads.items()
    }
    references: dict[str, MeanBootstrap] = {}
    for drawn, features, targets, _ in _batches(experiment, pass_, examples, narrow, "score"):
        for site, values in features.items():
            _score(scores[site], drawn, heads[site], values, targets[site.token])
        for name, target in targets["y"].items():
            if name not in ("w", "shuffled"):
                found = references.setdefault(name, MeanBootstrap((len(examples["y"]),), seed=pass_.seed))
                found.update(drawn, cosine_similarity(targets["y"]["w"].double(), target.double(), dim=-1))
    return States(examples, tuple(scores.values()), references)


def untrained_states(experiment: Experiment, pass_: Pass, widest: int = WIDEST) -> States:
    """Returns the same of the untrained model on the same prompts: what its sites hold without having learned.

    Raises:
        ProbeError: if nothing in its blocks can be trained, or it cannot be copied.
    """
    fresh = same_on(untrained(experiment.checkpoint, pass_.seed), experiment)
    return states(fresh, pass_, widest)


def states_rows(found: States, model: str, head: str = "linear") -> list[dict[str, Any]]:
    """Returns the rows of a record: by site and number of examples the cosine with w, by site and target the error.

    Args:
        head: what to call these heads: those on an untrained model's sites go by another name.
    """
    rows = [each for one in found.sites for each in _site_rows(one, found.examples[one.site.token], model, head)]
    # the same algorithms on the same prompts, whatever model the heads read
    for name, cosines in found.references.items() if head == "linear" else ():
        mean, (low, high) = cosines.estimate(), cosines.interval()
        for i, count in enumerate(found.examples["y"]):
            values = _at(mean, low, high, i)
            rows.append(
                row(model, "states", "cosine with w", *values, head=name, context=count, prompts=cosines.prompts)
            )
    return rows


def _examples(experiment: Experiment) -> dict[Token, tuple[int, ...]]:
    after = tuple(context for context in experiment.contexts if context > 0)
    if not after:
        raise ProbeError("Contexts of no examples were given, but states are read after some. Give a larger --context.")
    return {"y": after, "x": after[-1:]}


def _batches(
    experiment: Experiment,
    pass_: Pass,
    examples: dict[Token, tuple[int, ...]],
    narrow: Narrow,
    purpose: Purpose,
) -> Iterator[tuple[range, Features, Mapping[Token, Targets], dict[Site, int]]]:
    """Draws prompts by number; yields what the sites hold and what heads are asked for there."""
    # the query after t examples is token 2 t, the y of the last of them the one before
    tokens: dict[Token, Tensor] = {
        "y": 2 * torch.tensor(examples["y"]) - 1,
        "x": 2 * torch.tensor(examples["x"]),
    }

    def read(twin: Experiment, drawn: range) -> tuple[Features, Mapping[Token, Targets], dict[Site, int]]:
        prompts = twin.task.draw(PromptSource(pass_.seed, purpose, drawn), twin.longest)
        features, numbers = read_sites(twin, prompts.inputs, tokens, narrow)
        return features, _targets(prompts, examples), numbers

    for drawn, found in each(experiment, pass_.batches(purpose), read, experiment.at_a_time(pass_, STREAMS)):
        yield drawn, *found


def _targets(
    prompts: Prompts, examples: dict[Token, tuple[int, ...]]
) -> dict[Token, dict[str, Float[Tensor, "batch context target"]]]:
    asked = {token: quantities(prompts, counts) for token, counts in examples.items()}
    for targets in asked.values():
        targets["shuffled"] = targets["w"].roll(1, 0)
    asked["x"]["y"] = prompts.y[:, list(examples["x"]), None]
    return asked


def _empty(site: Site, heads: dict[str, LinearHeads], numbers: int, contexts: int, pass_: Pass) -> SiteScores:
    return SiteScores(
        site=site,
        numbers=numbers,
        features=heads["w"].weight.shape[2],
        targets=tuple(heads),
        errors=RatioBootstrap((len(heads),), seed=pass_.seed),
        cosines=MeanBootstrap((2, contexts), seed=pass_.seed),
    )


def _score(scores: SiteScores, drawn: range, heads: dict[str, LinearHeads], values: Tensor, targets: Targets) -> None:
    read = {name: found(values[None])[0].cpu() for name, found in heads.items()}
    truth = {name: target.double() for name, target in targets.items()}
    wrong = torch.stack([_square(read[name][:, -1] - truth[name][:, -1]) for name in scores.targets], dim=1)
    zero = torch.stack([_square(truth[name][:, -1]) for name in scores.targets], dim=1)
    scores.errors.update(drawn, wrong, zero)
    along = [cosine_similarity(truth[name], read[name], dim=-1) for name in ("w", "shuffled")]
    scores.cosines.update(drawn, torch.stack(along, dim=1))


def _square(difference: Float64[Tensor, "batch target"]) -> Float64[Tensor, " batch"]:
    return difference.square().sum(-1)


def _site_rows(one: SiteScores, examples: tuple[int, ...], model: str, head: str) -> Iterator[dict[str, Any]]:
    def at(
        metric: str, values: tuple[float, ...], reads: str | None = None, context: int | None = None
    ) -> dict[str, Any]:
        prompts = None if reads is None else one.errors.prompts
        return row(
            model,
            "states",
            metric,
            *values,
            site=str(one.site),
            layer=one.site.layer,
            head=reads,
            context=context,
            prompts=prompts,
        )

    yield at("numbers", (float(one.numbers),))
    yield at("features", (float(one.features),))
    error, (low, high) = one.errors.estimate(), one.errors.interval()
    for i, name in enumerate(one.targets):
        yield at(f"error of {name}", _at(error, low, high, i), head, examples[-1])
    cosine, (low, high) = one.cosines.estimate(), one.cosines.interval()
    for kind, reads in enumerate((head, f"{head}, shuffled")):
        for i, count in enumerate(examples):
            yield at("cosine with w", _at(cosine[kind], low[kind], high[kind], i), reads, count)


def _at(value: Tensor, low: Tensor, high: Tensor, i: int) -> tuple[float, float, float]:
    return value[i].item(), low[i].item(), high[i].item()
