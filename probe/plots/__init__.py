"""Pictures drawn from records alone, so that a figure can be redrawn on a machine with no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from probe.errors import ProbeError, suggest
from probe.plots.calibration import calibration_curve
from probe.plots.comparison import comparison
from probe.plots.contexts import context_curve
from probe.plots.evidence import claim_figure
from probe.plots.files import rendered, save_figure
from probe.plots.heatmap import heat_map
from probe.plots.language import language_accuracy
from probe.plots.language_comparison import language_comparison
from probe.plots.language_layers import language_curves
from probe.plots.layers import layer_curve
from probe.plots.panels import Panels, curve_panels
from probe.plots.prompting import prompting_curves
from probe.plots.simplex import simplex_figure
from probe.plots.steps import step_map
from probe.plots.style import View
from probe.plots.training import training_curve
from probe.records import Record
from probe.registries import Registry

Draw = Callable[[Sequence[Record], View], Figure]

PICTURES: dict[str, dict[str, str]] = {
    "fit": {
        "layers": "layers:layer_curve",
        "contexts": "contexts:context_curve",
        "heatmap": "heatmap:heat_map",
        "calibration": "calibration:calibration_curve",
        "steps": "steps:step_map",
    },
    "train": {
        "training": "training:training_curve",
    },
    "evaluate": {
        "prompting": "prompting:prompting_curves",
    },
    "compare": {
        "comparison": "comparison:comparison",
    },
    "claim": {
        "claim": "evidence:claim_figure",
        "claim-known": "known:known_figure",
        "claim-states": "states:states_figure",
        "claim-influence": "influence:influence_figure",
        "claim-causes": "causes:causes_figure",
        "claim-completeness": "completeness:completeness_figure",
        "claim-loop": "loop:loop_figure",
        "claim-spectral": "spectral:spectral_figure",
        "claim-map": "one_map:one_map_figure",
        "claim-online": "online:online_figure",
    },
    "health": {
        "health": "health:health_figure",
    },
    "language": {
        "language": "language:language_accuracy",
    },
    "language-layers": {
        "language-layers": "language_layers:language_curves",
    },
    "language-compare": {
        "language-comparison": "language_comparison:language_comparison",
    },
    "beliefs": {
        "simplex": "simplex:simplex_figure",
    },
    "sweep": {},
    "check": {},
    "kernels": {},
    "convert": {},
}
"""The kinds of picture that suit a kind of record, the usual one first: where each is drawn."""

KINDS: Registry[Draw] = Registry(
    "probe.plots", {name: place for pictures in PICTURES.values() for name, place in pictures.items()}
)
"""Every kind of picture by its name on the command line."""


def choose_kind(records: Sequence[Record], asked: str = "auto") -> str:
    """Returns the kind of picture to draw of records: the one asked for, or the usual one of their kind.

    Raises:
        ProbeError: if they tell no kind and none was asked for, differ in it, or do not suit the one asked for.
    """
    kinds = list(dict.fromkeys(str(record.provenance.get("kind", "")) for record in records))
    if len(kinds) != 1:
        given = ", ".join(kind or "an unknown kind" for kind in kinds) or "none"
        raise ProbeError(f"Records of {given} were given, but a picture shows records of one kind. Draw each apart.")
    (kind,) = kinds
    if kind not in PICTURES:
        if asked == "auto":
            told = f"says that it is of {kind!r}" if kind else "does not say what made it"
            raise ProbeError(f"The record {told}, but its picture depends on that. Add --kind: {', '.join(KINDS)}.")
        return asked
    fitting = list(PICTURES[kind])
    if not fitting:
        drawn = ", ".join(name for name, pictures in PICTURES.items() if pictures)
        raise ProbeError(f"A record of {kind} was given, but there is no picture of it. Give one of {drawn}.")
    if asked != "auto" and asked not in fitting:
        raise ProbeError(
            f"--kind {asked} was given for a record of {kind}, but what suits it is {', '.join(fitting)}. "
            f"{suggest(asked, fitting)}Name one of them, or drop --kind."
        )
    return fitting[0] if asked == "auto" else asked


def draw(records: Sequence[Record], kind: str, view: View, where: str) -> Figure:
    """Returns the picture of records that were read from files, which anybody may have written.

    Args:
        where: what the files are called in the sentence of an error.

    Raises:
        ProbeError: if they do not suit the kind, or hold what cannot be drawn.
    """
    try:
        return KINDS[choose_kind(records, kind)](records, view)
    except ProbeError:
        raise
    except Exception as error:  # a picture looks at hundreds of cells, each of which may be odd in its own way
        raise ProbeError(
            f"{where} cannot be drawn: it holds what no command writes ({type(error).__name__}: {error}). Give records "
            "as the commands wrote them."
        ) from error


__all__ = [
    "draw",
    "KINDS",
    "PICTURES",
    "Panels",
    "View",
    "calibration_curve",
    "choose_kind",
    "claim_figure",
    "comparison",
    "context_curve",
    "curve_panels",
    "heat_map",
    "language_accuracy",
    "language_comparison",
    "language_curves",
    "layer_curve",
    "prompting_curves",
    "rendered",
    "save_figure",
    "simplex_figure",
    "step_map",
    "training_curve",
]
