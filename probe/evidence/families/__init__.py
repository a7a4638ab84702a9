"""Families of algorithms whose numbers are fitted to a model's layers, one family a file."""

from __future__ import annotations

from collections.abc import Mapping

from probe.evidence.families.causal import Causal
from probe.evidence.families.decay import WeightDecay
from probe.evidence.families.family import Family
from probe.evidence.families.gd import GradientDescentPerBlock, SharedRates
from probe.evidence.families.gd_plus_plus import GradientDescentPlusPlusPerBlock
from probe.evidence.families.momentum import Momentum
from probe.evidence.families.preconditioned import Preconditioned
from probe.evidence.families.recency import Recency
from probe.evidence.families.ridge import RidgePerBlock

FAMILIES: Mapping[str, Family] = {
    one.name: one
    for one in (
        GradientDescentPerBlock(),
        SharedRates(),
        Momentum(),
        WeightDecay(),
        Preconditioned(),
        GradientDescentPlusPlusPerBlock(),
        Recency(),
        Causal(),
        RidgePerBlock(),
    )
}
"""By name, from the simplest on."""
