"""Every algorithm that can be planted, by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from probe.models.planted.alternating import Alternating
from probe.models.planted.at_end import AtEnd
from probe.models.planted.at_pairs import AtPairs
from probe.models.planted.average import Average
from probe.models.planted.bystander import Beside, Bystander
from probe.models.planted.coordinate import Coordinate
from probe.models.planted.decay import Decay
from probe.models.planted.detector import Detector
from probe.models.planted.features import Features
from probe.models.planted.gather import Gather
from probe.models.planted.gradient import Gradient
from probe.models.planted.momentum import Momentum
from probe.models.planted.newton import HigherOrder, Newton
from probe.models.planted.open_loop import OpenLoop
from probe.models.planted.overwrite import Overwrite
from probe.models.planted.partial import Partial
from probe.models.planted.pausing import Pausing
from probe.models.planted.preconditioned import Preconditioned
from probe.models.planted.rates import Chebyshev, Decreasing
from probe.models.planted.recency import Recency
from probe.models.planted.repair import Repair
from probe.models.planted.reveal import Reveal, RevealAtPairs
from probe.models.planted.shared_error import SharedError
from probe.models.planted.solve import Solve, SolveEarly, SolveLate
from probe.models.planted.two_blocks import TwoBlocks
from probe.models.planted.way import Way

Algorithm = Literal[
    "gradient", "decreasing", "chebyshev", "momentum", "two_blocks", "alternating", "at_end", "newton", "higher_order",
    "recency", "shared_error", "at_pairs", "preconditioned", "pausing", "decay",
    "solve", "early", "late", "coordinate", "gather", "open_loop", "reveal", "features", "detector",
    "overwrite", "partial", "average", "bystander", "beside", "repair", "reveal_at_pairs",
]  # fmt: skip
"""Those that iterate, and then those that do not."""

WAYS: Mapping[Algorithm, type[Way]] = {
    "gradient": Gradient,
    "decreasing": Decreasing,
    "chebyshev": Chebyshev,
    "momentum": Momentum,
    "two_blocks": TwoBlocks,
    "alternating": Alternating,
    "at_end": AtEnd,
    "newton": Newton,
    "higher_order": HigherOrder,
    "recency": Recency,
    "shared_error": SharedError,
    "at_pairs": AtPairs,
    "preconditioned": Preconditioned,
    "pausing": Pausing,
    "decay": Decay,
    "solve": Solve,
    "early": SolveEarly,
    "late": SolveLate,
    "coordinate": Coordinate,
    "gather": Gather,
    "open_loop": OpenLoop,
    "reveal": Reveal,
    "features": Features,
    "detector": Detector,
    "overwrite": Overwrite,
    "partial": Partial,
    "average": Average,
    "bystander": Bystander,
    "beside": Beside,
    "repair": Repair,
    "reveal_at_pairs": RevealAtPairs,
}
