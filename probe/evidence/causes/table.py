"""What every row of causal evidence about one experiment shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from probe.evidence.rows import row
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.statistics import Band, RatioBootstrap


@dataclass(frozen=True)
class About:
    """The experiment that rows speak of.

    Args:
        model: its name.
        layers: its number of layers, the read-in included.
        context: the number of examples before the query.
        prompts: how many the numbers are over.
        evidence: the kind of evidence that the rows are of.
    """

    model: str
    layers: int
    context: int
    prompts: int
    evidence: str = "causes"

    def rows(
        self, site: str, metric: str, band: Band, layers: Sequence[int | None], *, head: str | None = None
    ) -> list[dict[str, Any]]:
        """Returns a row for every cell of a band, one a layer, but for those that are unknown."""
        known = (~band.value.isnan()).tolist()
        return [
            self.row(site, metric, band, cell, layer, head=head) for cell, layer in enumerate(layers) if known[cell]
        ]

    def row(
        self,
        site: str,
        metric: str,
        band: Band,
        cell: int,
        layer: int | None = None,
        *,
        head: str | None = None,
        other_layer: int | None = None,
    ) -> dict[str, Any]:
        """Returns the row of one cell of a band."""
        return row(
            self.model,
            self.evidence,
            metric,
            band.value[cell].item(),
            band.low[cell].item(),
            band.high[cell].item(),
            site=site,
            head=head,
            layer=layer,
            other_layer=other_layer,
            context=self.context,
            prompts=self.prompts,
        )


def about(experiment: Experiment, pass_: Pass) -> About:
    """Returns the columns that all rows about an experiment have in common."""
    return About(experiment.checkpoint.name, experiment.layers, experiment.contexts[-1], pass_.score)


def band_of(ratio: RatioBootstrap) -> Band:
    """Returns a ratio with its pointwise band."""
    return Band(ratio.estimate(), *ratio.interval())
