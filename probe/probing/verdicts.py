"""What paired differences of two checkpoints, or of two sides of seeds, amount to, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from probe.probing.plans import Trainings
from probe.records.counted import COUNTED, Counted

ALIKE = 1.1
"""Errors within this factor of one another are called alike, whatever their bands."""
REACHED = (0.5, 0.1, 0.01)
"""Errors whose depths are compared."""
SURE = 0.975
"""The share of the resamples that must agree on which head is sooner: their band of 95 % then lies on one side."""
SAME = Trainings({}, ())
NONE: Mapping[tuple[str, str], Trainings] = {}
OBSERVED = "This is an observation on these checkpoints: it does not tell the architecture from the training."
FEW = "This compares these checkpoints; of architectures one can speak from three training seeds a side, trained alike."


def verdicts(
    table: pd.DataFrame,
    trained: Mapping[tuple[str, str], Trainings] = NONE,
    counted_as: Counted = COUNTED["examples"],
) -> list[str]:
    """Returns one sentence a pair on the models' own errors, one on depth, and on architectures where seeds allow.

    Errors are called different where the band of their ratio, simultaneous over contexts, lies outside 1 and the
    ratio is beyond a factor of 1.1 either way; depths where the band of their difference excludes 0. Where an error
    is 0 there is no ratio, and nothing is told apart. Of architectures is spoken where sides of three seeds or more
    were trained alike.

    Args:
        trained: by the names of a pair, or of two sides, what their trainings differ in.
        counted_as: the words for the contexts.
    """
    sentences = []
    over_seeds = table["band"] == "seeds"
    for (name, other), pair in table[~over_seeds].groupby(["model", "other"], sort=False):
        sentences.append(_own_sentence(str(name), str(other), pair[pair["quantity"] == "own"].iloc[-1], counted_as))
        sentences.append(_reach_sentence(str(name), str(other), pair[pair["quantity"] == "reach"]))
    return sentences + _architecture_sentences(table[over_seeds], trained, counted_as)


def _own_sentence(name: str, other: str, row: pd.Series[Any], counted_as: Counted) -> str:
    where = f"at {counted_as.at(int(row['context']))} {row['error']:.3g} and {row['other_error']:.3g}"
    both = f"The checkpoints {name} and {other}"
    if not (np.isfinite(row["all_low"]) and np.isfinite(row["all_high"])):
        return f"{both} cannot be told apart by their own error: {where}; their ratio has no band."
    band = f"ratio {row['ratio']:.2f}, simultaneous 95 % band {row['all_low']:.2f} to {row['all_high']:.2f}"
    apart = row["all_low"] > 1 or row["all_high"] < 1
    if apart and max(row["ratio"], 1 / row["ratio"]) > ALIKE:
        more = "more" if row["ratio"] > 1 else "less"
        return f"The checkpoint {name} errs {more} than {other}: {where}; {band}."
    return f"{both} are not told apart by their own error: {where}; {band}."


def _reach_sentence(name: str, other: str, rows: pd.DataFrame) -> str:
    reached = rows[rows["depth"].notna() | rows["other_depth"].notna()]
    if reached.empty:
        return f"No head of {name} or {other} falls to an error of {REACHED[0]:g}, so no depths are compared."
    row = reached.iloc[-1]
    where = f"an error of {row['threshold']:g} at depths {_depth(row['depth'])} and {_depth(row['other_depth'])}"
    band = f"95 % band of the difference {_reach_band(name, other, row)}; {_steps(row)}"
    if row["sooner"] >= SURE or row["later"] >= SURE:
        return f"The heads reach {where}: {name if row['sooner'] >= SURE else other} sooner ({band})."
    return f"The heads reach {where}, which the prompts do not tell apart ({band})."


def _depth(depth: float) -> str:
    return "never" if np.isnan(depth) else f"{depth:.2f}"


def _reach_band(name: str, other: str, row: pd.Series[Any]) -> str:
    """Returns a band in words: an end that is no depth is where one of the two never reaches the error."""
    first, second = f"{name} never", f"{other} never"
    low = f"{row['low']:.2f}" if np.isfinite(row["low"]) else second if row["later"] < SURE else first
    high = f"{row['high']:.2f}" if np.isfinite(row["high"]) else first if row["sooner"] < SURE else second
    return low if low == high and not np.isfinite(row["low"]) else f"{low} to {high}"


def _steps(row: pd.Series[Any]) -> str:
    """Says in which steps the two depths move."""
    both = dict.fromkeys(_step(row[column]) for column in ("spacing", "other_spacing"))
    return f"depths are discrete, in steps of {' and '.join(both)}"


def _step(spacing: float) -> str:
    blocks = round(1 / spacing) if spacing else 0
    return f"1/{blocks}" if blocks and abs(blocks * spacing - 1) < 1e-6 else f"up to {spacing:.2f}"


def _architecture_sentences(
    over_seeds: pd.DataFrame, trained: Mapping[tuple[str, str], Trainings], counted_as: Counted
) -> list[str]:
    if over_seeds.empty:
        unlike = [each for (a, b), found in trained.items() for each in found.sentences(f"The checkpoints {a} and {b}")]
        return [*dict.fromkeys(unlike), FEW]
    own = over_seeds[over_seeds["quantity"] == "own"]
    return [
        sentence
        for (name, other), pair in own.groupby(["model", "other"], sort=False)
        for sentence in _seeds_sentences(pair.iloc[-1], trained.get((str(name), str(other)), SAME), counted_as)
    ]


def _seeds_sentences(row: pd.Series[Any], trained: Trainings, counted_as: Counted) -> list[str]:
    """Returns what three seeds a side say, of the architectures where both sides were trained alike."""
    sides = f"{'The architectures' if trained.alike else 'The checkpoints of'} {row['model']} and {row['other']}"
    if not (np.isfinite(row["low"]) and np.isfinite(row["high"])):
        told, why = "cannot be told apart", "a seed errs on no prompt, and a ratio has no band"
    else:
        told = "differ" if row["low"] > 1 or row["high"] < 1 else "are not told apart"
        band = f"95 % band over seeds {row['low']:.2f} to {row['high']:.2f}"
        why = f"ratio of geometric means {row['ratio']:.2f}, {band}"
    said = f"{sides} {told} in their own error: at {counted_as.at(int(row['context']))} {why}."
    return [said, *trained.sentences("The two sides"), *([] if trained.alike else [OBSERVED])]
