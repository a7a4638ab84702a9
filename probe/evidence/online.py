"""Whether what stands in states and stream moves from example to example as an online learner's weights do.

Heads for w, one a site for all numbers of examples, read the running weights at successive tokens. Their levels and
their steps are laid beside those of learners whose settings, and a scale for each number of examples, are chosen on
the selection prompts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor
from torch.nn.functional import cosine_similarity

from probe.capture.sites.narrow import Narrow
from probe.errors import ProbeError
from probe.evidence.online_learners import KINDS, Held, Kind, held
from probe.evidence.rows import row
from probe.evidence.sites import Site, Token, read_sites
from probe.evidence.states import STREAMS, WIDEST
from probe.heads import LinearHeads
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.probing.ridge_fit import Fitting, Read, fit_ridges
from probe.probing.twins import each
from probe.randomness import PromptSource, Purpose
from probe.statistics import Band, MeanBootstrap, RatioBootstrap, band_of
from probe.tasks import Prompts

SITES = ("stream", "state")
MOST = 16
"""The most numbers of examples that weights are read after."""
TINY = 1e-12
LEARNERS = tuple(KINDS)


@dataclass(frozen=True, eq=False)
class Followed:
    """How learners follow the weights that heads read, site by site.

    Attributes:
        times: the numbers of examples.
        chosen: by site, the setting of every learner.
        best: by site and kind, the place among the learners of the one that left least of the selection prompts' steps.
        errors: of the heads, over all times.
        left: the share of the squares of the weights, and of their steps from time to time, that a learner leaves,
            [site, weights or steps, learner].
        cosines: of the weights with every learner's, [site, learner, time].
    """

    times: tuple[int, ...]
    sites: tuple[Site, ...]
    chosen: dict[Site, dict[str, Held]]
    best: tuple[dict[Kind, int], ...]
    errors: RatioBootstrap
    left: RatioBootstrap
    cosines: MeanBootstrap

    def rows(self, model: str) -> list[dict[str, Any]]:
        """Returns a record's rows; ``head`` is the learner."""
        errors, explained = band_of(self.errors.draws()), 1 - self.left.draws()
        rows = []
        for place, site in enumerate(self.sites):
            about: dict[str, Any] = {"site": str(site), "layer": site.layer, "prompts": self.errors.prompts}
            rows.append(row(model, "online", "error of w", *_at(errors, place), **about))
            for which, metric in enumerate(("r2", "r2 of steps")):
                band = band_of(explained[:, place, which])
                rows += [
                    row(model, "online", metric, *_at(band, cell), head=learner, **about)
                    for cell, learner in enumerate(KINDS)
                ]
        return rows + self._gain_rows(model, explained[:, :, 1]) + self._best_rows(model)

    def _gain_rows(self, model: str, explained: Float64[Tensor, "draw site learner"]) -> list[dict[str, Any]]:
        """Returns by how much the best online learner follows the steps better, bands for all sites at once."""
        rows = []
        for kind in ("batch", "either"):
            gain = torch.stack(
                [explained[:, at, best["online"]] - explained[:, at, best[kind]] for at, best in enumerate(self.best)],
                dim=1,
            )
            band = band_of(gain, simultaneous=True)
            rows += [
                row(
                    model,
                    "online",
                    f"gain over {kind}",
                    *_at(band, place),
                    site=str(site),
                    layer=site.layer,
                    head=LEARNERS[self.best[place]["online"]],
                    prompts=self.errors.prompts,
                )
                for place, site in enumerate(self.sites)
            ]
        return rows

    def _best_rows(self, model: str) -> list[dict[str, Any]]:
        """Returns the cosines over time, and the chosen settings with their grids, where the weights are read best."""
        place = int(self.errors.estimate().argmin())
        site, value, (low, high) = self.sites[place], self.cosines.estimate()[place], self.cosines.interval()
        about: dict[str, Any] = {"site": str(site), "layer": site.layer, "prompts": self.errors.prompts}
        rows = []
        for cell, learner in enumerate(KINDS):
            for at, time in enumerate(self.times):
                band = (each[cell, at].item() for each in (value, low[place], high[place]))
                rows.append(row(model, "online", "cosine", *band, head=learner, context=time, **about))
            rows += [
                row(model, "online", f"chosen {name}", *number, head=learner, **about)
                for name, number in self.chosen[site][learner].options.items()
            ]
        return rows


def follow(experiment: Experiment, pass_: Pass) -> Followed:
    """Reads w after successive examples and follows it by learners, on the score prompts.

    Raises:
        ProbeError: if the task has no w that its answers are linear in.
    """
    times = times_of(experiment)
    narrow = Narrow(pass_.seed, WIDEST)

    def batches(purpose: Fitting) -> Iterator[dict[Site, Read]]:
        for _, prompts, features in _batches(experiment, pass_, purpose, times, narrow):
            w = prompts.parameters["w"][:, None].expand(-1, len(times), -1).flatten(0, 1)[:, None]
            yield {site: Read(one.flatten(0, 1)[None, :, None], {"w": w}) for site, one in features.items()}

    heads = {site: found["w"] for site, found in fit_ridges(batches).items()}
    sites = tuple(heads)
    selected, x, y, _, _ = _read(experiment, pass_, "select", times, narrow, heads)
    size = x.square().sum(-1).mean().item()
    learners = list(held(x, y, size))
    at = torch.tensor(times) - 1
    choices = _choose(selected, [one.weights[:, at] for one in learners], learners)
    chosen = {
        site: {name: learners[one.cell] for name, one in choices[place].items()} for place, site in enumerate(sites)
    }
    scored, x, y, w, numbers = _read(experiment, pass_, "score", times, narrow, heads)
    weights = [one.weights[:, at] for one in held(x, y, size)]
    fitted = torch.stack(
        [torch.stack([each.scales[:, None] * weights[each.cell] for each in one.values()]) for one in choices]
    )
    found = Followed(
        times,
        sites,
        chosen,
        tuple({kind: _best(one, kind) for kind in dict.fromkeys(KINDS.values())} for one in choices),
        RatioBootstrap((len(sites),), seed=pass_.seed),
        RatioBootstrap((len(sites), 2, len(KINDS)), seed=pass_.seed),
        MeanBootstrap((len(sites), len(KINDS), len(times)), seed=pass_.seed),
    )
    true = w[:, None].expand_as(scored[0])
    found.errors.update(numbers, _squares(scored - true).T, _squares(true)[:, None])
    wrong, whole = _left(scored[:, None], fitted)
    found.left.update(numbers, wrong.permute(3, 0, 1, 2), whole.permute(3, 0, 1, 2).expand(-1, -1, -1, len(KINDS)))
    found.cosines.update(numbers, cosine_similarity(scored[:, None], fitted, dim=-1).permute(2, 0, 1, 3))
    return found


def times_of(experiment: Experiment) -> tuple[int, ...]:
    """Returns the numbers of examples that weights are read after, evenly spaced.

    Raises:
        ProbeError: if the task has no w that its answers are linear in, or fewer than two examples.
    """
    task, longest = experiment.task, experiment.longest
    sample = task.draw(PromptSource(0, "fit", [0]), longest)
    regressors = task.regressors(sample.x)
    linear = regressors is not None and "w" in sample.parameters
    if not (linear and task.appendable and sample.parameters["w"].shape[-1] == regressors.shape[-1] and longest > 1):  # type: ignore[union-attr]
        raise ProbeError(
            f"{experiment.task_name} was given, but online learners are followed on tasks of at least two examples "
            "whose answer is w times what is shown. Examine such a task, as linear."
        )
    spaced = torch.linspace(1, longest, min(longest, MOST), dtype=torch.float64).round().long()
    return tuple(spaced.tolist())


def _batches(
    experiment: Experiment, pass_: Pass, purpose: Purpose, times: tuple[int, ...], narrow: Narrow
) -> Iterator[tuple[range, Prompts, dict[Site, Tensor]]]:
    # the query after t examples is token 2 t, the y of the last of them the one before
    tokens: dict[Token, Tensor] = {"y": 2 * torch.tensor(times) - 1, "x": 2 * torch.tensor(times)}

    def read(twin: Experiment, numbers: range) -> tuple[Prompts, dict[Site, Tensor]]:
        prompts = twin.task.draw(PromptSource(pass_.seed, purpose, numbers), twin.longest)
        features, _ = read_sites(twin, prompts.inputs, tokens, narrow)
        return prompts, {site: one for site, one in features.items() if site.name in SITES}

    for numbers, found in each(experiment, pass_.batches(purpose), read, experiment.at_a_time(pass_, STREAMS)):
        yield numbers, *found


def _read(
    experiment: Experiment,
    pass_: Pass,
    purpose: Purpose,
    times: tuple[int, ...],
    narrow: Narrow,
    heads: dict[Site, LinearHeads],
) -> tuple[Float64[Tensor, "site prompt time dim"], Tensor, Tensor, Float64[Tensor, "prompt dim"], range]:
    """Returns what the heads read of these prompts, their examples, their w, and their numbers."""
    parts, xs, ys, ws = [], [], [], []
    for _, prompts, features in _batches(experiment, pass_, purpose, times, narrow):
        read = [heads[site](one.flatten(0, 1)[None, :, None])[0, :, 0] for site, one in features.items()]
        parts.append(torch.stack(read).cpu().double().reshape(len(read), -1, len(times), read[0].shape[-1]))
        regressors = experiment.task.regressors(prompts.x[:, : experiment.longest])
        assert regressors is not None, "followed the weights of a task that is linear in nothing"
        xs.append(regressors.double())
        ys.append(prompts.y[:, : experiment.longest].double())
        ws.append(prompts.parameters["w"].double())
    return torch.cat(parts, dim=1), torch.cat(xs), torch.cat(ys), torch.cat(ws), range(pass_.count(purpose))


@dataclass(frozen=True, eq=False)
class _Choice:
    """The setting of a learner, by its place among all, what it left, and the scales of its weights over time."""

    left: float
    cell: int
    scales: Float64[Tensor, " time"]


def _choose(
    read: Float64[Tensor, "site prompt time dim"], weights: list[Tensor], learners: list[Held]
) -> list[dict[str, _Choice]]:
    """Returns for every site the setting of each learner that follows the steps best."""
    best: list[dict[str, _Choice]] = [{} for _ in read]
    for cell, (one, found) in enumerate(zip(learners, weights, strict=True)):
        scales = torch.einsum("sptd,ptd->st", read, found) / found.square().sum((0, 2)).clamp(min=TINY)
        for place, own in enumerate(read):  # one site's numbers at a time stay in the cache
            left = _squares((own - scales[place, :, None] * found).diff(dim=-2)).sum().item()
            if one.learner not in best[place] or left < best[place][one.learner].left:
                best[place][one.learner] = _Choice(left, cell, scales[place])
    return [{name: each[name] for name in KINDS} for each in best]


def _best(choices: dict[str, _Choice], kind: Kind) -> int:
    """Returns the place, among the learners, of the one of this kind that left least."""
    return min(
        (cell for cell, name in enumerate(KINDS) if KINDS[name] == kind), key=lambda cell: choices[LEARNERS[cell]].left
    )


def _left(
    read: Float64[Tensor, "site 1 prompt time dim"], fitted: Float64[Tensor, "site learner prompt time dim"]
) -> tuple[Float64[Tensor, "site 2 learner prompt"], Float64[Tensor, "site 2 1 prompt"]]:
    """Returns the squares of what is left of the weights and of their steps, and those of the weights and steps."""
    wrong = [_squares(read - fitted), _squares((read - fitted).diff(dim=-2))]
    whole = [_squares(read), _squares(read.diff(dim=-2))]
    return torch.stack(wrong, dim=1), torch.stack(whole, dim=1)


def _squares(values: Tensor) -> Tensor:
    total: Tensor = values.square().sum((-2, -1))
    return total


def _at(band: Band, cell: int) -> tuple[float, float, float]:
    return band.value[cell].item(), band.low[cell].item(), band.high[cell].item()
