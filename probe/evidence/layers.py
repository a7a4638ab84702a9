"""The layer curves that are laid beside one another, as rows: refitted heads, one frozen head, the lens, the nulls.

A head refitted at every layer of a residual stream can hardly get worse from one layer to the next; only together with
a curve that has no such freedom, and beside the same curve where nothing was learned, does its fall say anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

import torch

from probe.evidence.algorithms import tuned
from probe.evidence.answers import Asked, Conditioned, third
from probe.evidence.free_filter import FreeFilter
from probe.evidence.matching import Match
from probe.evidence.rows import row
from probe.statistics import Band, RatioBootstrap, band_of, difference, quotient, trend


def curve_rows(model: str, head: str, errors: RatioBootstrap, site: str | None = None) -> Iterator[dict[str, Any]]:
    """Yields the error at every layer, with bands that hold at all layers at once.

    Args:
        errors: one a layer.
        site: what stands in the model's place, for a null.
    """
    value, (low, high) = errors.estimate(), errors.simultaneous()
    for layer in range(len(value)):
        yield row(
            model,
            "nulls" if site else "curve",
            "error",
            value[layer].item(),
            low[layer].item(),
            high[layer].item(),
            site=site,
            head=head,
            layer=layer,
            prompts=errors.prompts,
        )


SOLVED = 0.01
"""What is added to errors, in units of the zero error, before their logarithm is taken: an answer that errs less is
there, and what lowers its error further is no way to it."""
FLAT = 1.1
"""The factor by which an error differs from a curve's first or last one where the curve is flat."""


def trend_rows(model: str, head: str, errors: RatioBootstrap, added: float = 1e-9) -> Iterator[dict[str, Any]]:
    """Yields how a curve falls: the change of log error at every block, and the summaries of `Trend`.

    Args:
        added: to every error: a planted solver's is 0 but for rounding, which has no logarithm worth the name.
    """
    found = trend(errors.estimate() + added, errors.replicates() + added)
    steps = found.steps
    for block in range(len(steps.value)):
        band = steps.value[block].item(), steps.low[block].item(), steps.high[block].item()
        yield row(model, "trend", "step", *band, head=head, layer=block + 1, prompts=errors.prompts)
    for name, share in (("improving", found.improving), ("worsening", found.worsening)):
        yield row(model, "trend", name, share, head=head, prompts=errors.prompts)
    summaries = {"largest_fall": found.largest, "slope": found.slope, "favours_line": found.favours_line}
    for name, summary in summaries.items():
        yield row(model, "trend", name, *_numbers(summary), head=head, prompts=errors.prompts)


def stretch_rows(model: str, head: str, errors: RatioBootstrap) -> Iterator[dict[str, Any]]:
    """Yields whether a straight line or a single step describes a curve better from where it begins to fall.

    What lies before the fall and after it is left out: a curve that is flat at both ends is nearer to a step than to a
    line, however gradual its fall. Nothing is yielded where two layers or fewer are left.
    """
    value, draws = (each + SOLVED for each in (errors.estimate(), errors.replicates()))
    high, low = (value >= value[0] / FLAT).nonzero()[:, 0], (value <= value.min() * FLAT).nonzero()[:, 0]
    first = int(high[-1])
    last = int(low[low > first][0]) if (low > first).any() else len(value) - 1
    if last - first >= 2:
        part = slice(first, last + 1)
        favours = trend(value[part], draws[:, part]).favours_line
        yield row(model, "trend", "stretch_favours_line", *_numbers(favours), head=head, prompts=errors.prompts)


def gain_rows(model: str, site: str, null: RatioBootstrap, errors: RatioBootstrap) -> Iterator[dict[str, Any]]:
    """Yields the selectivity at every layer: how much less heads err than on a null, paired by prompt.

    Bands hold at all layers at once. A null of another depth is compared at its last layer alone.
    """
    if null.shape == errors.shape:
        gains, layers = difference(null, errors, simultaneous=True), list(range(errors.shape[0]))
        values = list(zip(layers, gains.value.tolist(), gains.low.tolist(), gains.high.tolist(), strict=True))
    else:
        value = null.estimate()[-1] - errors.estimate()[-1]
        draws = null.replicates()[:, -1] - errors.replicates()[:, -1]
        low, high = draws.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
        values = [(errors.shape[0] - 1, value.item(), low, high)]
    for layer, gain, low, high in values:
        yield row(
            model, "nulls", "gain", gain, low, high, site=site, head="linear", layer=layer, prompts=errors.prompts
        )


def transfer_rows(model: str, errors: RatioBootstrap) -> Iterator[dict[str, Any]]:
    """Yields the error of every layer's head (``layer``) at every layer (``other_layer``)."""
    value, (low, high) = errors.estimate(), errors.interval()
    for of in range(errors.shape[0]):
        for at in range(errors.shape[1]):
            band = value[of, at].item(), low[of, at].item(), high[of, at].item()
            yield row(
                model, "transfer", "error", *band, head="linear", layer=of, other_layer=at, prompts=errors.prompts
            )


def match_rows(model: str, head: str, found: Match, null: Match | None) -> Iterator[dict[str, Any]]:
    """Yields an algorithm's distances and similarities by layer, and what it leaves unexplained of the null's.

    A rate or gamma that was chosen from a grid of numbers has a row of its own, ``chosen rate``; a rule has none.

    Args:
        null: the final answer scaled, or None for the null itself.
    """
    about: dict[str, Any] = {"site": found.algorithm, "head": head, "prompts": found.spd.prompts}
    for metric, distance in (("spd", found.spd), ("spd_unscaled", found.unscaled), ("ilwd", found.ilwd)):
        value, (low, high) = distance.estimate(), distance.interval()
        for layer, step in enumerate(found.steps.tolist()):
            band = value[layer].item(), low[layer].item(), high[layer].item()
            yield row(model, "matching", metric, *band, layer=layer, step=step, **about)
    plain = {
        "similarity_errors": found.similarity_errors,
        "similarity_weights": found.similarity_weights,
        "scale": found.scales,
    }
    for metric, values in plain.items():
        for layer, (number, step) in enumerate(zip(values.tolist(), found.steps.tolist(), strict=True)):
            yield row(model, "matching", metric, number, layer=layer, step=step, **about)
    if null is not None:
        yield row(model, "matching", "steps_a_layer", found.rate, **about)
        for option, number in tuned(found.setting).items():
            yield row(model, "matching", f"chosen {option}", number, **about)
        yield row(model, "matching", "unexplained", *_numbers(found.unexplained(null)), **about)
        yield row(model, "matching", "unexplained_weights", *_numbers(found.unexplained_weights(null)), **about)


def condition_rows(model: str, head: str, found: Match, null: Match, scored: Asked) -> Iterator[dict[str, Any]]:
    """Yields the rows of what an algorithm leaves unexplained on the prompts conditioned best, and worst."""
    for which in get_args(Conditioned):
        places = third(scored, which)
        band = _numbers(found.unexplained_on(null, places))
        yield row(
            model, "matching", f"unexplained_{which}", *band, site=found.algorithm, head=head, prompts=len(places)
        )


def shift_rows(
    model: str, head: str, found: Match, null: Match, elsewhere: Mapping[str, Asked]
) -> Iterator[dict[str, Any]]:
    """Yields what an algorithm leaves unexplained on other prompts, by their names, with its setting as it was."""
    for name, asked in elsewhere.items():
        band = _numbers(found.elsewhere(asked, head, null))
        about: dict[str, Any] = {"site": found.algorithm, "head": head, "prompts": found.spd.prompts}
        yield row(model, "matching", f"unexplained_{name}", *band, **about)


def rank_rows(model: str, head: str, matches: Sequence[Match], null: Match) -> Iterator[dict[str, Any]]:
    """Yields each algorithm's place by the selection prompts, and how much more than the first one it leaves.

    Args:
        matches: the closest on the selection prompts first.
    """
    for place, found in enumerate(matches, start=1):
        about: dict[str, Any] = {"site": found.algorithm, "head": head, "prompts": found.spd.prompts}
        yield row(model, "matching", "rank", float(place), **about)
        yield row(model, "matching", "difference", *_numbers(found.beyond(matches[0], null)), **about)


def filter_rows(model: str, head: str, found: FreeFilter, null: Match) -> Iterator[dict[str, Any]]:
    """Yields what a free filter of the spectrum leaves of the null's distance, and what is not linear in the query."""
    about: dict[str, Any] = {"site": "free_filter", "head": head, "prompts": found.spd.prompts}
    yield row(model, "matching", "unexplained", *_numbers(quotient(found.spd, null.spd)), **about)
    yield row(model, "matching", "unexplained_weights", *_numbers(quotient(found.ilwd, null.ilwd)), **about)
    yield row(model, "matching", "nonlinear", *_numbers(band_of(found.nonlinear.draws())), **about)


def _numbers(band: Band) -> tuple[float, float, float]:
    return band.value.item(), band.low.item(), band.high.item()
