"""Draws the pictures of figures/ again from the records beside them, without a model.

python analyses/redraw.py [--out figures] [NAME ...]      those of the verbs and of scripts; of all unless named
PROBE_BUDGET=redraw python analyses/run.py                those of the notebooks
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from probe import load_record
from probe.plots import KINDS, View, save_figure

HERE = Path(__file__).parent
FIGURES = HERE.parent / "figures"
sys.path += [str(HERE), str(HERE / "benchmarks")]


@dataclass(frozen=True)
class Drawn:
    """How a picture is drawn: its kind, and the records it shows."""

    kind: str
    records: tuple[str, ...]
    context: int | None = None

    def figure(self) -> Figure:
        """Returns the picture."""
        return KINDS[self.kind]([load_record(FIGURES / name) for name in self.records], View(context=self.context))


def alike() -> Figure:
    """Returns the picture of architectures that were trained alike."""
    from alike import picture, records

    return picture(records())


def antibodies() -> Figure:
    """Returns the picture of the antibody models."""
    from antibodies import picture

    return picture(load_record(FIGURES / "antibodies"))


def benchmarks() -> Figure:
    """Returns the picture of the benchmarks' tables."""
    from picture import picture

    return picture()


def growth() -> Figure:
    """Returns the picture of time and memory against sizes."""
    from growth import picture, written

    return picture(written(HERE / "benchmarks" / "growth.md"))


VERBS: Mapping[str, Drawn] = {
    "calibration-mamba-transformer-linear": Drawn("calibration", ("heads-mamba-transformer-linear",)),
    "claim-mamba": Drawn("claim", ("claim-mamba",)),
    "claim-mamba-causes": Drawn("claim-causes", ("claim-mamba",)),
    "claim-mamba-loop": Drawn("claim-loop", ("claim-mamba",)),
    "claim-mamba-spectral": Drawn("claim-spectral", ("claim-mamba",)),
    "claim-mamba-states": Drawn("claim-states", ("claim-mamba",)),
    "claim-transformer": Drawn("claim", ("claim-transformer",)),
    "compare-mamba-skewed-transformer-skewed": Drawn("comparison", ("compare-mamba-skewed-transformer-skewed",)),
    "compare-seeds": Drawn("comparison", ("compare-seeds",)),
    "evaluate-skewed_linear-500": Drawn("prompting", ("evaluate-skewed_linear-500",)),
    "fit-mamba-skewed-transformer-skewed-skewed_linear": Drawn(
        "layers", ("fit-mamba-skewed-transformer-skewed-skewed_linear",)
    ),
    "fit-mamba-transformer-linear": Drawn("layers", ("fit-mamba-transformer-linear",)),
    "health-mamba": Drawn("health", ("health-mamba",)),
    "health-skewed": Drawn("health", ("health-skewed",)),
    "heads-mamba-skewed-transformer-skewed-skewed_linear": Drawn(
        "layers", ("heads-mamba-skewed-transformer-skewed-skewed_linear",)
    ),
    "heads-mamba-transformer-linear": Drawn("layers", ("heads-mamba-transformer-linear",)),
    "heatmap-mamba-transformer-linear": Drawn("heatmap", ("fit-mamba-transformer-linear",)),
    "language-lens-smollm2-135m": Drawn("language-layers", ("language-lens-smollm2-135m",)),
    "language-smollm2-135m": Drawn("language", ("language-smollm2-135m",), 5),
    "language-vector-smollm2-135m": Drawn("language-layers", ("language-vector-smollm2-135m",)),
    "training-plateau-cubes": Drawn("training", ("transformer-cubic-long-training",)),
    "training-plateau-parity": Drawn("training", ("transformer-parity-long-training",)),
    "training-mamba-transformer": Drawn("training", ("mamba-training", "transformer-training")),
}
"""Pictures that verbs draw, as docs/gallery.md says."""
SCRIPTS: Mapping[str, Callable[[], Figure]] = {
    "alike": alike,
    "antibodies": antibodies,
    "benchmark-growth": growth,
    "benchmarks": benchmarks,
}
"""Pictures that scripts draw."""


def figures() -> Mapping[str, Callable[[], Figure]]:
    """Returns what draws each picture of verbs and scripts, by name."""
    return {name: drawn.figure for name, drawn in VERBS.items()} | dict(SCRIPTS)


def main() -> None:
    """Draws those that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*figures(), []], help="pictures, without their ending")
    parser.add_argument("--out", type=Path, default=FIGURES, help="the folder")
    arguments = parser.parse_args()
    for name, drawn in figures().items():
        if not arguments.names or name in arguments.names:
            save_figure(drawn(), arguments.out / f"{name}.png")


if __name__ == "__main__":
    main()
