"""Pictures drawn from records alone, so that a figure can be redrawn on a machine with no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from probe.errors import ProbeError
from probe.plots.calibration import calibration_curve
from probe.plots.causes import causes_figure
from probe.plots.comparison import comparison
from probe.plots.contexts import context_curve
from probe.plots.evidence import claim_figure
from probe.plots.heatmap import heat_map
from probe.plots.influence import draw_influence
from probe.plots.known import draw_known
from probe.plots.language import language_accuracy
from probe.plots.language_comparison import language_comparison
from probe.plots.language_layers import language_curves
from probe.plots.layers import layer_curve
from probe.plots.panels import Panels, curve_panels
from probe.plots.prompting import prompting_curves
from probe.plots.report import report_page, save_report
from probe.plots.rows import of_one_claim
from probe.plots.states import draw_states
from probe.plots.style import View, rendered, save_figure
from probe.plots.training import training_curve
from probe.records import Record

KINDS: dict[str, Callable[[Sequence[Record], View], Figure]] = {
    "layers": layer_curve,
    "contexts": context_curve,
    "heatmap": heat_map,
    "calibration": calibration_curve,
    "training": training_curve,
    "prompting": prompting_curves,
    "comparison": comparison,
    "claim": claim_figure,
    "claim-known": of_one_claim(draw_known, "a picture of what is known"),
    "claim-states": of_one_claim(draw_states, "a picture of states"),
    "claim-influence": of_one_claim(draw_influence, "a picture of influence"),
    "claim-causes": causes_figure,
    "language": language_accuracy,
    "language-layers": language_curves,
    "language-comparison": language_comparison,
}

USUAL = {
    "fit": "layers",
    "train": "training",
    "evaluate": "prompting",
    "compare": "comparison",
    "claim": "claim",
    "language": "language",
    "language-layers": "language-layers",
    "language-compare": "language-comparison",
}
"""What is drawn of a kind of record unless something else is asked for."""


def kind_for(records: Sequence[Record]) -> str:
    """Returns the picture that suits records of one kind.

    Raises:
        ProbeError: if they are of several kinds, or of one that has no picture.
    """
    kinds = list(dict.fromkeys(str(record.provenance.get("kind", "fit")) for record in records))
    if len(kinds) > 1:
        raise ProbeError(
            f"Records of {' and '.join(kinds)} were given, but one picture shows one kind. Draw each alone."
        )
    if kinds[0] not in USUAL:
        raise ProbeError(f"A record of {kinds[0]} was given, which has no picture of its own. Choose one by --kind.")
    return USUAL[kinds[0]]


__all__ = [
    "KINDS",
    "Panels",
    "View",
    "calibration_curve",
    "claim_figure",
    "comparison",
    "context_curve",
    "curve_panels",
    "heat_map",
    "kind_for",
    "language_accuracy",
    "language_comparison",
    "language_curves",
    "layer_curve",
    "prompting_curves",
    "rendered",
    "report_page",
    "save_figure",
    "save_report",
    "training_curve",
]
