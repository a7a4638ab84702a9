"""Data of one's own: what the user gives, as arrays, batches or text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from probe.data.fields import POSITIONS, PURPOSES, TARGET, as_array, flat, repeatable
from probe.data.sources import Arrays, Batches, Changed, Source
from probe.data.survey import MOST_VECTOR, Survey, surveyed
from probe.data.task import CategoricalData, DataTask, RealData
from probe.data.words import Encoder, encoded
from probe.errors import ProbeError, suggest
from probe.fields import UnfitError
from probe.registries import ObjectText

MOST_PLACES = 64
"""So many tokens of a prompt are read by default; of longer prompts as many, spread evenly, the last among them."""


@dataclass(frozen=True, eq=False)
class Data:
    """Prompts and what heads are asked for, a row a prompt.

    A target of floats is one of real numbers; one of whole numbers, truth values or words is a category. It stands for
    the prompt, ``[prompt, k]`` or ``[prompt]``, or for each token, ``[prompt, time, k]``.

    Args:
        inputs: vectors ``[prompt, time, d]`` or token ids ``[prompt, time]``; arrays may be mapped into memory.
        targets: an array, which is then called y, or arrays by name.
        text: a text a prompt in place of inputs; the model's tokenizer reads it.
        weights: how much each prompt counts, 0 or more.
        mask: which tokens count, ``[prompt, time]``.
        groups: a whole number or a word a prompt. Prompts of one group stand on one side of the split, and bands
            resample groups.
        split: ``fit``, ``select`` or ``score`` for each prompt; by default groups are dealt by the seed.
        positions: the places of the tokens that heads read, or ``last`` for each prompt's last that counts. By default
            all, of long prompts 64; the last for text.
        batches: in place of all that has a row a prompt, an iterable of mappings of such fields that can be gone
            through several times.
        name: what records call the data.
    """

    inputs: Any = None
    targets: Any = None
    text: Sequence[str] | None = None
    weights: Any = None
    mask: Any = None
    groups: Any = None
    split: Any = None
    positions: Any = None
    batches: Iterable[Mapping[str, Any]] | None = None
    name: str = "data"

    def __post_init__(self) -> None:
        """Refuses fields beside batches, and batches that are used up after one pass.

        Raises:
            ProbeError: for either.
        """
        if self.batches is not None:
            repeatable(self.batches)
            if self._fields:
                raise ProbeError(
                    f"Batches were given beside {', '.join(self._fields)}, but each batch brings its own fields. Give "
                    "one or the other."
                )

    @property
    def _fields(self) -> dict[str, object]:
        names = ("inputs", "targets", "text", "weights", "mask", "groups", "split")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    @property
    def source(self) -> Source:
        """The rows, a part at a time."""
        return Arrays(flat(self._fields), self.name) if self.batches is None else Batches(self.batches)

    def task(self, target: str | None = "y", seed: int = 0, tokenizer: Encoder | None = None) -> DataTask:
        """Returns the data as a task, after a first pass that checks every row.

        Args:
            target: what heads are asked for; the only one where the data have one, and any for None.
            seed: of the split.
            tokenizer: that reads text.

        Raises:
            ProbeError: if the data cannot be right.
        """
        return as_task(self.source, self.name, self.positions, target, seed, tokenizer)


def as_task(
    source: Source, name: str, positions: Any, target: str | None, seed: int, tokenizer: Encoder | None = None
) -> DataTask:
    """Returns rows as a task, after a first pass that checks every one."""
    first = next(source.parts(), {})
    if "text" in first:
        source = Changed(source, encoded(source, tokenizer, name))
        positions = "last" if positions is None else positions
    survey = surveyed(source, seed, name)
    found = chosen(target, survey, name)
    kind = RealData if survey.kinds[f"{TARGET}{found}"] == "f" else CategoricalData
    _check_inputs(survey, name)
    places = _places(positions, survey, name)
    _check_target(survey, found, places, name)
    made = kind(name=name, target=found, source=source, survey=survey, places=places)
    _check_values(made)
    return made


def at_hand(value: object) -> ObjectText:
    """Returns data that are given as an object, with their name as its text.

    Raises:
        UnfitError: if they are no `Data`.
    """
    if not isinstance(value, Data):
        raise UnfitError("a path, or a probe.Data")
    return ObjectText(value.name, value)


def chosen(target: str | None, survey: Survey, name: str) -> str:
    """Returns the target that is asked for: that of a name, the only one where none was named, or any for None.

    Raises:
        ProbeError: if there is no such target.
    """
    names = list(survey.targets)
    if target is None:
        return names[0]
    if target in names:
        return target
    if target == "y" and len(names) == 1:
        return names[0]
    raise ProbeError(
        f"No target of {name} is called {str(target)!r}, but heads are fitted to one that the data hold, by its name. "
        f"{suggest(target, names)}Targets: {', '.join(names)}."
    )


def _check_inputs(survey: Survey, name: str) -> None:
    shape, kind = survey.shapes.get("inputs"), survey.kinds.get("inputs")
    if shape is None:
        raise ProbeError(f"{name} has no inputs, but the model reads some. Add inputs, or text.")
    vectors = kind == "f" and len(shape) == 2 and 0 < shape[1] <= MOST_VECTOR
    if not (vectors or (kind in ("i", "u") and len(shape) == 1)) or not shape[0]:
        raise ProbeError(
            f"{name} has inputs of shape {_shown(shape)} and kind {kind}, but floats [prompt, time, d] or token ids "
            "[prompt, time] are needed. Reshape or convert them."
        )
    mask = survey.shapes.get("mask")
    if mask is not None and mask != shape[:1]:
        raise ProbeError(
            f"{name} has a mask of shape {_shown(mask)}, but one value a token is needed, {_shown(shape[:1])}. Reshape "
            "it."
        )


def _places(positions: Any, survey: Survey, name: str) -> tuple[int, ...] | None:
    time = survey.shapes["inputs"][0]
    if isinstance(positions, str | np.ndarray) and not np.ndim(positions) and str(positions) == "last":
        return None
    if positions is None:
        return tuple(sorted({round((place + 1) * time / MOST_PLACES) - 1 for place in range(MOST_PLACES)} - {-1}))
    found = as_array(positions, POSITIONS)
    if found.ndim != 1 or found.dtype.kind not in "iu" or not len(found) or found.min() < 0 or found.max() >= time:
        raise ProbeError(
            f"{name} has positions that are no places of its tokens, but whole numbers from 0 to {time - 1} are "
            "needed, or the word last. Correct positions."
        )
    if (np.diff(found.astype(np.int64)) <= 0).any():
        raise ProbeError(f"{name} has positions that do not ascend, but each is read once, in order. Sort them.")
    return tuple(found.tolist())


def _check_target(survey: Survey, target: str, places: tuple[int, ...] | None, name: str) -> None:
    shape, kind = survey.shapes[f"{TARGET}{target}"], survey.kinds[f"{TARGET}{target}"]
    time = survey.shapes["inputs"][0]
    lengths = {time, *([len(places)] if places else [])}
    per_token = len(shape) == 2 and shape[0] in lengths
    if kind == "f":
        fits = 0 not in shape and (len(shape) <= 1 or per_token)
    else:
        fits = shape in ((), (1,)) or (per_token and shape[1] == 1) or (len(shape) == 1 and shape[0] in lengths)
    if not fits:
        needed = "[prompt, k] or [prompt, time, k]" if kind == "f" else "a category a prompt or a token"
        raise ProbeError(
            f"The target {target} of {name} has the shape {_shown(shape)}, but {needed} with a time of {time} is "
            "needed. Reshape it; real numbers are floats, categories whole numbers or words."
        )


def _shown(row: tuple[int, ...]) -> str:
    """Returns the shape of all rows as it is written, the number of prompts by its name."""
    return f"({', '.join(['prompts', *map(str, row)])})"


def _check_values(task: DataTask) -> None:
    """Refuses a target that says nothing, and categories that were never fitted."""
    told = task.survey.targets[task.target]
    if isinstance(task, CategoricalData):
        fitted = told.categories["fit"]
        for purpose in PURPOSES[1:]:
            unseen = sorted(map(str, told.categories[purpose] - fitted))
            if unseen:
                raise ProbeError(
                    f"The target {task.target} of {task.name} has the category {unseen[0][:40]} among prompts to "
                    f"{purpose} on and not among those to fit on, where a head would learn it. Give more prompts of "
                    "it, or drop them."
                )
        constant = len(fitted) < 2
    else:
        constant = told.low is not None and bool((told.low == told.high).all())
    if constant:
        raise ProbeError(
            f"The target {task.target} of {task.name} is constant among the prompts to fit on, but a head needs one "
            "that varies. Give another target."
        )
