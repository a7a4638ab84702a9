"""The first pass over data: every mistake is found before any work, and every row is put on one side of the split."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from probe.data.fields import PURPOSES, TARGET, Array, lengths
from probe.data.sources import Source, digest_of
from probe.errors import ProbeError
from probe.randomness import Purpose, generator, key

SHARES = (0.64, 0.16, 0.20)
"""Of the groups, for fitting heads, for choosing their penalties, and for scoring."""
MOST_CATEGORIES = 512
"""The largest number of categories: a ridge is fitted to each."""
MOST_VECTOR = 2**16
"""The largest number of coordinates of a token."""


@dataclass
class Told:
    """What the first pass learns of one target, from the rows that heads are fitted on unless it says otherwise.

    Attributes:
        categories: of each purpose, the values that occur where the target is categorical.
        low: the smallest value at every position and coordinate of a target of real numbers.
        high: the largest.
    """

    categories: dict[str, set[Any]] = field(default_factory=lambda: {purpose: set() for purpose in PURPOSES})
    low: Array | None = None
    high: Array | None = None


@dataclass(frozen=True, eq=False)
class Survey:
    """What is known of data after the first pass.

    Attributes:
        starts: the number of the first row of every part, and at the end that of all rows.
        rows: the rows of each purpose, by their numbers.
        units: of each purpose the group of every row, which bands resample; empty where each row is its own.
        shapes: of every field the shape of a row.
        kinds: of every field its numpy kind, such as f or i.
        targets: what was learned of every target by name.
        symbols: the largest token id and one; 0 where tokens are vectors.
        digests: of every part.
        whole: whether every token counts, and every prompt by more than 0.
        split: how rows were put on one side, in words.
    """

    starts: tuple[int, ...]
    rows: dict[Purpose, Array]
    units: dict[Purpose, Array]
    shapes: dict[str, tuple[int, ...]]
    kinds: dict[str, str]
    targets: dict[str, Told]
    symbols: int
    digests: tuple[bytes, ...]
    whole: bool
    split: str

    @property
    def digest(self) -> str:
        """A digest of all fields of all rows."""
        return hashlib.blake2b(b"".join(self.digests), digest_size=16).hexdigest()


def surveyed(source: Source, seed: int, where: str) -> Survey:
    """Goes through data once and returns what is known of them then.

    Args:
        seed: of the split, where the data bring none.
        where: what the data are called in messages.

    Raises:
        ProbeError: for data that cannot be right.
    """
    found = _Survey(seed, where)
    for part in source.parts():
        found.add(part)
    return found.done()


class _Survey:
    def __init__(self, seed: int, where: str) -> None:
        self._seed, self._where = seed, where
        self._draws = generator(seed, "split")
        self._starts = [0]
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._kinds: dict[str, str] = {}
        self._side: list[Array] = []
        self._unit: list[Array] = []
        self._sides: dict[int, int] = {}
        self._targets: dict[str, Told] = {}
        self._symbols = 0
        self._digests: list[bytes] = []
        self._whole = True

    def add(self, part: dict[str, Array]) -> None:
        """Adds the next rows."""
        count = lengths(part, self._where)
        self._same_fields(part)
        self._digests.append(digest_of(part))
        for name, one in part.items():
            self._check(name, one)
            self._whole &= name not in ("mask", "weights") or bool((one > 0).all())
        sides = self._split(part, count)
        self._side.append(sides)
        self._starts.append(self._starts[-1] + count)
        for name, one in part.items():
            if name.startswith(TARGET):
                self._learn(name.removeprefix(TARGET), one, sides, part)

    def done(self) -> Survey:
        """Returns what is known of all rows."""
        where = self._where
        if len(self._starts) == 1 or self._starts[-1] == 0:
            raise ProbeError(f"{where} has no rows, but heads need some. Give prompts.")
        if not self._targets:
            raise ProbeError(f"{where} has no target, but heads are asked for one. Add targets.")
        sides = np.concatenate(self._side)
        rows: dict[Purpose, Array] = {purpose: np.flatnonzero(sides == place) for place, purpose in enumerate(PURPOSES)}
        unit = np.concatenate(self._unit) if self._unit else np.empty(0, dtype=np.int64)
        units: dict[Purpose, Array] = {purpose: unit[found] if len(unit) else unit for purpose, found in rows.items()}
        missing = [purpose for purpose, found in rows.items() if not len(found)]
        if missing:
            raise ProbeError(
                f"{where} has no prompts to {missing[0]} on, as {self._told()}. Give more prompts, or a split."
            )
        return Survey(
            tuple(self._starts), rows, units, self._shapes, self._kinds, self._targets, self._symbols,
            tuple(self._digests), self._whole, self._told(),
        )  # fmt: skip

    def _told(self) -> str:
        if "split" in self._shapes:
            return "the data bring their split"
        what = "groups" if "groups" in self._shapes else "prompts"
        shares = ", ".join(f"{share:.0%} to {purpose}" for share, purpose in zip(SHARES, PURPOSES, strict=True))
        return f"{what} are dealt by seed {self._seed}: {shares}"

    def _same_fields(self, part: dict[str, Array]) -> None:
        shapes: dict[str, tuple[int, ...]] = {name: one.shape[1:] for name, one in part.items()}
        kinds: dict[str, str] = {name: one.dtype.kind for name, one in part.items()}
        if not self._shapes:
            self._shapes, self._kinds = shapes, kinds
        for name in {**shapes, **self._shapes}:
            before, now = (
                f"shape {each[0][name]} and kind {each[1][name]}" if name in each[0] else "none"
                for each in ((self._shapes, self._kinds), (shapes, kinds))
            )
            if before != now:
                raise ProbeError(
                    f"{self._where} has a field {name} with rows of {before} and later {now}, but all rows need one "
                    "shape and kind. Pad them, and say with mask which positions count."
                )

    def _check(self, name: str, one: Array) -> None:
        where = self._where
        if one.dtype.kind == "f" and not _finite(one).all():
            row = int(np.argwhere(~_finite(one))[0][0]) + self._starts[-1]
            raise ProbeError(
                f"{where} has a NaN or infinite number in {name} of prompt {row}, or one beyond 3e38, but heads need "
                "finite ones that float32 holds. Drop the prompt, rescale, or put 0 there and a mask over it."
            )
        if name == "weights" and (one.ndim != 1 or one.dtype.kind not in "fiu" or (one < 0).any()):
            raise ProbeError(
                f"{where} has weights of shape {one.shape} and type {one.dtype}, or below 0, but one number of 0 or "
                "more a prompt is needed. Correct them."
            )
        if name == "mask" and (one.dtype.kind not in "biuf" or not ((one == 0) | (one == 1)).all()):
            raise ProbeError(
                f"{where} has a mask of {one.dtype} that holds something else than 0 and 1, but it says of each token "
                "whether it counts. Give truth values."
            )
        if name == "inputs" and one.dtype.kind in "iu" and one.ndim == 2 and one.size:
            if one.min() < 0:
                raise ProbeError(f"{where} has a token id of {one.min()}, but ids begin at 0. Correct inputs.")
            self._symbols = max(self._symbols, int(one.max()) + 1)

    def _split(self, part: dict[str, Array], count: int) -> Array:
        """Returns on which side each row stands, by the number of its purpose."""
        units = _numbers(part["groups"], self._where) if "groups" in part else None
        if units is not None:
            self._unit.append(units)
        if "split" in part:
            if part["split"].ndim != 1:
                raise ProbeError(
                    f"{self._where} has a split of shape {part['split'].shape}, but one word a prompt is needed: fit, "
                    "select or score. Reshape it."
                )
            words = part["split"].astype(str)
            sides = np.full(count, -1, dtype=np.int8)
            for place, purpose in enumerate(PURPOSES):
                sides[(words == purpose) | (words == str(place))] = place
            if (sides < 0).any():
                raise ProbeError(
                    f"{self._where} has a split of {str(words[sides < 0][0])[:40]!r}, but each row is fit, select or "
                    "score. Correct split."
                )
            if units is not None:
                self._one_sided(units, sides, part["groups"])
            return sides
        if units is None:
            shares = self._draws.random(count)
        else:
            distinct, member = np.unique(units, return_inverse=True)
            shares = np.array([key(self._seed, "split", one) / 2**128 for one in distinct.tolist()])[member]
        return np.searchsorted(np.cumsum(SHARES)[:2], shares, side="right").astype(np.int8)

    def _one_sided(self, units: Array, sides: Array, groups: Array) -> None:
        for unit, side, group in zip(units.tolist(), sides.tolist(), groups.tolist(), strict=True):
            if self._sides.setdefault(unit, side) != side:
                raise ProbeError(
                    f"{self._where} has the group {str(group)[:40]!r} on both sides of its split "
                    f"({PURPOSES[self._sides[unit]]} and {PURPOSES[side]}), but what is scored on may not be fitted "
                    "on. Put each group on one side."
                )

    def _learn(self, name: str, one: Array, sides: Array, part: dict[str, Array]) -> None:
        mask = part.get("mask")
        told = self._targets.setdefault(name, Told())
        if one.dtype.kind != "f":
            for place, purpose in enumerate(PURPOSES):
                kept = one[sides == place]
                if mask is not None and kept.ndim > 1 and kept.shape[1:2] == mask.shape[1:2]:
                    kept = kept[mask[sides == place].astype(bool)]
                told.categories[purpose].update(np.unique(kept).tolist())
                if len(told.categories[purpose]) > MOST_CATEGORIES:
                    raise ProbeError(
                        f"The target {name} of {self._where} has more than {MOST_CATEGORIES} categories, but a head is "
                        "fitted to each. Give real numbers as floats, or fewer categories."
                    )
            return
        kept = one[sides == 0].astype(np.float32)
        if not len(kept):
            return
        low, high = kept.min(0), kept.max(0)
        told.low = low if told.low is None else np.minimum(told.low, low)
        told.high = high if told.high is None else np.maximum(told.high, high)


def _finite(numbers: Array) -> Array:
    """Returns which numbers are finite as heads read them, in float32."""
    with np.errstate(over="ignore"):
        finite: Array = np.isfinite(numbers.astype(np.float32, copy=False))
    return finite


def _numbers(groups: Array, where: str) -> Array:
    """Returns a whole number for every group."""
    if groups.ndim != 1 or groups.dtype.kind == "f":
        raise ProbeError(
            f"{where} has groups of shape {groups.shape} and type {groups.dtype}, but a whole number or a word a "
            "prompt is needed. Correct groups."
        )
    if groups.dtype.kind in "iub":
        return groups.astype(np.int64)
    distinct, member = np.unique(groups, return_inverse=True)
    return np.array([key("group", one) % 2**63 for one in distinct.tolist()], dtype=np.int64)[member]
