"""Data as a task: a prompt is a row, drawn by its number, and the head's target is one of the data's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from probe.data.fields import TARGET, Array
from probe.data.sources import Rows, Source
from probe.data.survey import Survey
from probe.errors import ProbeError
from probe.randomness import PromptSource, Purpose
from probe.randomness import Source as Draws
from probe.statistics import Balanced, RatioBootstrap
from probe.tasks import Counts, Prompts, Shape, Task

WEIGHTS = "weights"
"""The field that says how much each prompt counts."""
SHARE = "weights of the data"
"""The parameter of prompts that says the same; a target may well be called weights."""
LARGEST = 2**17
"""Categories times layers times contexts of which the balanced accuracy is kept: its resamples take 1 GB then."""
CONTEXTS: dict[Counts, str] = {
    "examples": "numbers of examples before the query",
    "tokens": "numbers of tokens before the query",
    "places": "tokens, by their place from 0; -1 is the last that counts",
}
"""What records say of the contexts."""
Beside = dict[str, tuple[type[RatioBootstrap], Tensor, Tensor]]
"""What is measured beside the error: the kind of statistic, each prompt's numerator and its denominator."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DataTask(Task):
    """Rows of data, one a prompt. A context is the place of a token; -1 is each prompt's last.

    Attributes:
        name: of the data.
        target: the one that heads are asked for.
        places: the tokens that heads read, or None for each prompt's last one that counts.
        labels: the contexts that these tokens stand for, where they are no places of the prompt.
        counted: what a context is.
        dim: 0, as the data bring their dimension.
    """

    appendable: ClassVar[bool] = False

    name: str
    target: str
    source: Source
    survey: Survey
    places: tuple[int, ...] | None
    labels: tuple[int, ...] | None = None
    counted: Counts = "places"
    dim: int = 0

    def __post_init__(self) -> None:
        """Opens the rows for reading by number."""
        object.__setattr__(self, "_rows", Rows(self.source, self.survey.starts, self.survey.digests))

    @property
    def time(self) -> int:
        """The number of tokens of a prompt."""
        return self.survey.shapes["inputs"][0]

    @property
    def counts(self) -> Counts:
        """What a context is: a token's place, or what the task of kept streams counts."""
        return self.counted

    @property
    def contexts(self) -> tuple[int, ...]:
        """What records call the tokens that heads read: their places, or their labels."""
        return self.labels or ((-1,) if self.places is None else self.places)

    @property
    def outputs(self) -> int:
        """How many numbers answer the target."""
        raise NotImplementedError

    @property
    def shape(self) -> Shape:
        """What the data hold: of symbols the least vocabulary."""
        read = self.survey.shapes["inputs"]
        return Shape(0 if self.survey.symbols else read[1], self.outputs, self.survey.symbols)

    def suits(self, model: Shape) -> bool:
        """Returns whether a model reads tokens of this kind."""
        own = self.shape
        return own.inputs == model.inputs and bool(own.symbols) == bool(model.symbols) and own.symbols <= model.symbols

    def answered_by(self, model: Shape) -> bool:
        """Returns whether a model's own predictions answer the target: it is called y, and they are as many numbers."""
        return self.target == "y" and self.outputs == model.outputs

    def available(self, purpose: Purpose) -> int:
        """Returns how many prompts there are for a purpose."""
        return len(self.survey.rows[purpose])

    def units(self, purpose: Purpose, numbers: range) -> list[int]:
        """Returns what bands resample: the group of every prompt, or its own number."""
        units = self.survey.units[purpose]
        return units[numbers.start : numbers.stop].tolist() if len(units) else list(numbers)

    def length(self, context: int) -> int:
        """Returns the tokens of a prompt, whatever the context."""
        return self.time

    def draw(self, source: Draws, context: int, active: int | None = None) -> Prompts:
        """Returns the rows of a purpose by their numbers.

        Raises:
            ProbeError: if prompts are drawn at random, as in training.
        """
        if not isinstance(source, PromptSource):
            raise ProbeError(f"{self.name} was given to be drawn at random, but data have given rows. Give a task.")
        return self.prompts(source.purpose, source.numbers)

    def prompts(self, purpose: Purpose, numbers: list[int]) -> Prompts:
        """Returns the rows of a purpose by their numbers."""
        rows: Rows = self._rows  # type: ignore[attr-defined]
        fields = rows.take(self.survey.rows[purpose][numbers])
        read = fields["inputs"]
        inputs = torch.from_numpy(read.astype(np.float32 if read.dtype.kind == "f" else np.int64))
        mask = torch.from_numpy(fields["mask"].astype(bool)) if "mask" in fields else None
        queries, counted = self._queries(len(inputs), mask)
        targets = self._at(self._values(fields[f"{TARGET}{self.target}"]), mask)
        return Prompts(
            inputs=inputs,
            targets=targets,
            queries=queries,
            contexts=self.contexts,
            counted=counted,
            x=inputs[torch.arange(len(inputs))[:, None], queries.expand(len(inputs), -1)],
            y=targets,
            parameters=self._parameters(fields),
        )

    def _queries(self, batch: int, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Returns where the tokens stand that are read, for all prompts or for each, and which of them count."""
        if self.places is None:
            last = torch.full((batch,), self.time - 1) if mask is None else last_counted(mask)
            return last[:, None], torch.ones(batch, 1, dtype=torch.bool) if mask is None else mask.any(1, keepdim=True)
        places = torch.tensor(self.places)
        return places, torch.ones(batch, len(places), dtype=torch.bool) if mask is None else mask[:, places]

    def _at(self, values: Tensor, mask: Tensor | None) -> Tensor:
        """Returns a target where it is asked for: a prompt's own everywhere, a token's at its token."""
        if values.ndim == 2:
            return values[:, None].expand(-1, len(self.contexts), -1)
        if self.places is None:
            queries, _ = self._queries(len(values), mask)
            return values.gather(1, queries[..., None].expand(-1, -1, values.shape[-1]))
        # a value a place that is read, or one a token
        return values if values.shape[1] == len(self.places) else values[:, list(self.places)]

    def _values(self, found: Array) -> Tensor:
        """Returns a target as [prompt, k] or [prompt, place, k]."""
        raise NotImplementedError

    def _parameters(self, fields: dict[str, Array]) -> dict[str, Tensor]:
        """Returns the weights, and the other targets that are real numbers of a prompt."""
        found = {
            name.removeprefix(TARGET): torch.from_numpy(one.astype(np.float32))
            for name, one in fields.items()
            if name.startswith(TARGET) and one.dtype.kind == "f" and one.ndim == 2
        }
        if WEIGHTS in fields:
            found[SHARE] = torch.from_numpy(fields[WEIGHTS].astype(np.float64))
        return found

    def kept(self, purpose: Purpose, numbers: range, chosen: Tensor) -> dict[str, Tensor]:
        """Returns every field but inputs and mask of some prompts, at the chosen of the tokens that heads read.

        Words become whole numbers, their places in the order of the words.
        """
        rows: Rows = self._rows  # type: ignore[attr-defined]
        fields = rows.take(self.survey.rows[purpose][numbers.start : numbers.stop])
        found = {name: torch.from_numpy(_native(fields[name])) for name in (WEIGHTS,) if name in fields}
        if len(self.survey.units[purpose]):
            found["groups"] = torch.tensor(self.units(purpose, numbers))
        mask = torch.from_numpy(fields["mask"].astype(bool)) if "mask" in fields else None
        for name, one in fields.items():
            if name.startswith(TARGET):
                codes = np.searchsorted(self.words_of(name), one) if one.dtype.kind in "US" else one
                per_token = one.ndim == 3 or (one.ndim == 2 and one.dtype.kind != "f" and one.shape[1] > 1)
                values = torch.from_numpy(_native(codes) if codes.dtype.kind == "f" else codes.astype(np.int64))
                values = self._at(values.reshape(*values.shape[:2], -1), mask)[:, chosen] if per_token else values
                found[name] = values.contiguous()
        return found

    def words_of(self, name: str) -> Array:
        """Returns the categories of a target of words, in order."""
        told = self.survey.targets[name.removeprefix(TARGET)].categories
        return np.array(sorted(set.union(*told.values())))

    def cost(
        self, answers: Float[Tensor, "*lead batch query answer"], prompts: Prompts
    ) -> Float[Tensor, "*lead batch query"]:
        """Returns each query's cost times its prompt's weight, 0 where it does not count."""
        return super().cost(answers, prompts) * weights_of(prompts)

    def guess(self, prompts: Prompts) -> Float[Tensor, "batch query"]:
        """Returns the cost of knowing nothing times the prompt's weight, 0 where the query does not count."""
        return super().guess(prompts) * weights_of(prompts)

    def beside(self, answers: Float[Tensor, "layer batch query answer"], prompts: Prompts) -> Beside:
        """Returns what is measured beside the error; of real numbers nothing, whose R² needs no answers."""
        return {}

    @property
    def told(self) -> dict[str, Any]:
        """What a record says of the data."""
        rows, units = self.survey.rows, self.survey.units
        return {
            "name": self.name,
            "digest": self.survey.digest,
            "split": self.survey.split,
            "prompts": {purpose: len(found) for purpose, found in rows.items()},
            "groups": {purpose: len(np.unique(found)) for purpose, found in units.items() if len(found)},
            "targets": {name: list(self.survey.shapes[f"{TARGET}{name}"]) for name in self.survey.targets},
            "target": self.target,
            "words": {
                name: self.words_of(name).tolist()
                for name in self.survey.targets
                if self.survey.kinds[f"{TARGET}{name}"] in "US"
            },
            "contexts": CONTEXTS[self.counted],
        }


class RealData(DataTask):
    """Data whose target is of real numbers."""

    @property
    def outputs(self) -> int:
        """The numbers of the target."""
        shape = self.survey.shapes[f"{TARGET}{self.target}"]
        return shape[-1] if shape else 1

    def _values(self, found: Array) -> Tensor:
        values = torch.from_numpy(found.astype(np.float32))
        return values[:, None] if values.ndim == 1 else values


class CategoricalData(DataTask):
    """Data whose target is one of some categories."""

    objective: ClassVar[str] = "symbol"

    @property
    def categories(self) -> list[Any]:
        """The categories that heads are fitted to, in order."""
        return sorted(self.survey.targets[self.target].categories["fit"])

    @property
    def outputs(self) -> int:
        """How many categories there are."""
        return len(self.categories)

    def answered_by(self, model: Shape) -> bool:
        """Returns whether a model's own predictions answer the target: its categories are then 0, 1, ..."""
        return super().answered_by(model) and self.categories == list(range(self.outputs))

    def _values(self, found: Array) -> Tensor:
        # labels under a mask may be none of those that were fitted
        codes = np.searchsorted(np.array(self.categories), found).clip(max=self.outputs - 1)
        values = torch.from_numpy(codes.astype(np.int64))
        per_prompt = values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1)
        return values.reshape(len(values), 1) if per_prompt else values.reshape(*values.shape[:2], 1)

    def beside(self, answers: Float[Tensor, "layer batch query answer"], prompts: Prompts) -> Beside:
        """Returns the balanced accuracy, the mean over categories of the share of each that is answered rightly."""
        if self.outputs * answers.shape[0] * answers.shape[2] > LARGEST:
            return {}
        codes = prompts.targets[..., 0]
        weights = weights_of(prompts) * prompts.counted
        member = torch.nn.functional.one_hot(codes, self.outputs).permute(0, 2, 1) * weights[:, None]
        right = (answers.argmax(-1) == codes).double()
        return {
            "balanced_accuracy": (Balanced, torch.einsum("bcq,lbq->bclq", member.double(), right), member[:, :, None])
        }

    @property
    def told(self) -> dict[str, Any]:
        """What a record says of the data, the categories among it."""
        return super().told | {"categories": list(map(str, self.categories))}


def _native(numbers: Array) -> Array:
    """Returns numbers as torch holds them: in this machine's order of bytes, real ones of at most float64."""
    return numbers.astype(np.float64 if numbers.dtype.itemsize > 8 else numbers.dtype.newbyteorder("="), copy=False)


def weights_of(prompts: Prompts) -> Tensor:
    """Returns how much each prompt counts, [batch, 1]; once where nothing says so."""
    found = prompts.parameters.get(SHARE)
    return torch.ones(len(prompts.inputs), 1, dtype=torch.float64) if found is None else found[:, None]


def last_counted(mask: Tensor) -> Tensor:
    """Returns the place of the last token of every prompt that counts; 0 where none does."""
    places = torch.arange(mask.shape[1])
    return (mask * places).amax(1)
