"""Ridge heads from two passes over prompts: one gathers moments, the other chooses a penalty for every head.

Heads for several targets that read the same features share their moments and one eigendecomposition.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from probe.heads import LinearHeads, Moments, RidgePath, SelectionErrors, best_penalty, solve_path
from probe.processes import ALONE, Processes, merge_each
from probe.processes.side_by_side import side_by_side

Targets = Mapping[str, Float[Tensor, "batch context target"]]
Fitting = Literal["fit", "select"]
"""What prompts are for while heads are fitted."""
Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, eq=False)
class Read:
    """What heads read from a batch of prompts, and what they are asked for there.

    Attributes:
        targets: by name; heads are fitted for each.
        counted: at which contexts a prompt counts; at all of them unless given.
        weights: how much each prompt counts; once unless given.
    """

    features: Float[Tensor, "layer batch context width"]
    targets: Targets
    counted: Bool[Tensor, "batch context"] | None = None
    weights: Float[Tensor, " batch"] | None = None

    @property
    def joint(self) -> Float64[Tensor, "batch context target"]:
        """All targets beside one another, on the features' device."""
        return torch.cat([one.to(self.features.device, torch.float64) for one in self.targets.values()], dim=-1)


def fit_ridges(
    batches: Callable[[Fitting], Iterable[Mapping[Name, Read]]], processes: Processes = ALONE
) -> dict[Name, dict[str, LinearHeads]]:
    """Fits ridge heads on what is read under every name, and returns them by that name and by target.

    No features are kept. The penalty of every target, layer and context is the best on the selection prompts.

    Args:
        batches: called with ``fit`` and then with ``select``; returns what this process reads of the prompts drawn for
            that purpose, a batch at a time, always under the same names.
        processes: those that share the prompts; each returns the same heads.
    """
    gathered: dict[Name, _Gathered] = {}
    for reads in batches("fit"):
        for name, read in reads.items():
            if name not in gathered:
                gathered[name] = _Gathered(read)
            gathered[name].update(read)
    # solved once and handed round: machines of two kinds would not find the same path to the bit
    paths = processes.merged(gathered, merge_each, _solved)
    choices = {name: _Choice(path) for name, path in paths.items()}
    for reads in batches("select"):
        for name, read in reads.items():
            choices[name].update(read)
    sums = processes.merged({name: one.sums for name, one in choices.items()}, merge_each, dict)
    heads = side_by_side(lambda name: (name, _heads(paths[name], sums[name])), paths, _threads(len(paths)))
    return dict(heads)


def _threads(names: int) -> int:
    """Returns how many names are worked on at a time: several where every thread of torch has one, or more, to do."""
    threads = torch.get_num_threads()
    return threads if threads <= names else 1


class _Gathered:
    """Moments of features and of all targets, and which columns are whose."""

    def __init__(self, first: Read) -> None:
        grid, width = (len(first.features), first.features.shape[2]), first.features.shape[-1]
        self.parts: dict[str, slice] = {}
        start = 0
        for name, target in first.targets.items():
            self.parts[name] = slice(start, start := start + target.shape[-1])
        self.moments = Moments(grid, width, start, first.features.device)

    def update(self, read: Read) -> None:
        self.moments.update(read.features, read.joint, read.counted, read.weights)

    def merge(self, other: _Gathered) -> _Gathered:
        merged = copy(self)
        merged.moments = self.moments.merge(other.moments)
        return merged


@dataclass(frozen=True, eq=False)
class _Path:
    path: RidgePath
    parts: dict[str, slice]


def _solved(gathered: dict[Name, _Gathered]) -> dict[Name, _Path]:
    """Solves under every name, several side by side; moments go as soon as their path is there."""

    def solved(name: Name) -> tuple[Name, _Path]:
        one = gathered.pop(name)
        return name, _Path(solve_path(one.moments), one.parts)

    return dict(side_by_side(solved, list(gathered), _threads(len(gathered))))


class _Errors:
    """Sums of squared errors of every penalty; merged without the path that they are of."""

    def __init__(self, by_target: Float64[Tensor, "penalty layer context target"]) -> None:
        self.by_target = by_target

    def merge(self, other: _Errors) -> _Errors:
        return _Errors(self.by_target + other.by_target)


class _Choice:
    """Gathers what tells the penalties of a path apart, by the cheaper of two ways.

    Either every prompt is predicted at every penalty, which multiplies features by as many columns as there are
    penalties and targets, or the prompts' second moments are gathered, which multiplies features by themselves.
    """

    def __init__(self, solved: _Path) -> None:
        path = solved.path
        layers, contexts, targets = path.mean_y.shape
        width = path.mean_x.shape[-1]
        self._by: SelectionErrors | Moments = (
            SelectionErrors(path)
            if len(path.penalties) * targets < width
            else Moments((layers, contexts), width, targets, path.mean_x.device)
        )

    def update(self, read: Read) -> None:
        self._by.update(read.features, read.joint, read.counted, read.weights)

    @property
    def sums(self) -> _Errors | Moments:
        return _Errors(self._by.by_target) if isinstance(self._by, SelectionErrors) else self._by


def _heads(solved: _Path, sums: _Errors | Moments) -> dict[str, LinearHeads]:
    return {
        name: solved.path.part(slice(None), part).choose(best_penalty(_errors(solved.path, sums, part)))
        for name, part in solved.parts.items()
    }


def _errors(path: RidgePath, sums: _Errors | Moments, part: slice) -> Float64[Tensor, "penalty layer context"]:
    """Returns the sums of squared errors over some of the targets."""
    if isinstance(sums, _Errors):
        return sums.by_target[..., part].sum(-1)
    # the weights at every penalty are held for one layer at a time
    layers = [
        path.part(slice(layer, layer + 1), part).squared_errors(sums.part(layer, part)) for layer in range(sums.grid[0])
    ]
    return torch.cat(layers, dim=1)
