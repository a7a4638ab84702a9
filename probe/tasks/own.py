"""A task made of a function that draws a prompt: shapes are found by a trial, and no prompt depends on another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, overload

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from probe.errors import ProbeError
from probe.fields import Range
from probe.randomness import PromptSource, Source
from probe.tasks.drawn import Drawn, kind_of, read
from probe.tasks.prompts import Prompts
from probe.tasks.registered import LOADED
from probe.tasks.task import Axis, Shape, Task

Draw = Callable[[np.random.Generator, int, int], tuple[Any, ...]]
"""Takes a generator, a number of prompts and a length; returns xs, ys and, where it likes, latents by name."""
Layout = Literal["pairs", "sequence"]
TRIALS, POINTS = 128, 8
"""Prompts of the trial, and their length."""
DRAWS, DRAWN = 5, 2**24
"""A prompt's generator is keyed by so many numbers from [0, 1), each a multiple of 1 over the second."""


@dataclass(frozen=True)
class OwnTask(Task):
    """Draws what a function of one's own draws; see `probe.task`.

    Args:
        dim: dimension of x; 0 where x is a symbol.
        values: numbers of a y.
        name: what records call it: FILE.py:NAME, or the function's name where it stands in no file.
        function: what draws one prompt.
        layout: pairs shows x1 y1 x2 y2 ... and asks at every x; sequence shows the x alone, and asks for y at each.
        size: symbols that there are; 0 where tokens are vectors.
        square: the mean square of a y, over the trial.
    """

    grows: ClassVar[tuple[Axis, ...]] = ("points",)
    appendable: ClassVar[bool] = False

    dim: Annotated[int, Range(0, 2**16)] = 0
    values: int = field(default=1, repr=False)
    name: str = field(default="", repr=False)
    function: Draw | None = field(default=None, repr=False)
    layout: Layout = field(default="pairs", repr=False)
    size: int = field(default=0, repr=False)
    square: float = field(default=1.0, repr=False)

    @property
    def shape(self) -> Shape:
        """What a model must read and predict."""
        return Shape(self.dim if self.layout == "sequence" else max(self.dim, self.values), self.values)

    @property
    def variance(self) -> float:
        """The target's mean square over the trial: the mean squared error of predicting zero."""
        return self.square

    def length(self, context: int) -> int:
        """Returns the tokens of a prompt with so many examples before the last query, the last y left out."""
        return context + 1 if self.layout == "sequence" else 2 * context + 1

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts with `context` examples before the last query; all coordinates are active.

        Raises:
            ProbeError: if the function draws what is no prompt of this task.
        """
        keys = source.uniform(DRAWS)
        rows = (keys.cpu().double() * DRAWN).long().tolist()
        drawn = [self._one(row, context + 1) for row in rows]
        if len(rows) > 1:
            _refuse_other(self.name, drawn[0], self._one(rows[0], context + 1))
        x, y = (torch.stack(each).to(keys.device) for each in ([one.x for one in drawn], [one.y for one in drawn]))
        alone = self.layout == "sequence"
        return Prompts(
            inputs=x if alone else self._interleaved(x, y),
            targets=y if y.ndim == 3 else y[..., None],
            queries=torch.arange(context + 1, device=keys.device) * (1 if alone else 2),
            contexts=tuple(range(context + 1)),
            counted=torch.ones(y.shape[:2], dtype=torch.bool, device=keys.device),
            x=x,
            # learners read one number a point
            y=y[..., 0] if y.ndim == 3 and self.values == 1 else y,
            parameters={
                name: self._stacked(name, drawn).to(keys.device)
                for name in dict.fromkeys(name for one in drawn for name in one.latents)
            },
        )

    def _one(self, words: list[int], points: int) -> Drawn:
        """Returns what is drawn for the prompt of a key."""
        assert self.function is not None, "an own task is made of a function"
        number = sum(word * DRAWN**place for place, word in enumerate(words))
        found = _called(self.name, self.function, np.random.Generator(np.random.Philox(key=number)), points)
        self._check(found)
        return found

    def _check(self, found: Drawn) -> None:
        """Raises `ProbeError` where a prompt has other dimensions than those of the trial."""
        if found.x.ndim != 2 or (found.x.shape[-1], found.y.shape[-1]) != (self.dim, self.values):
            raise ProbeError(
                f"The task {self.name} drew xs of {kind_of(found.x)} and ys of {kind_of(found.y)}, but before it drew "
                f"{self.dim} numbers an x and {self.values} a y. Let it draw the same for every prompt and length."
            )

    def _stacked(self, name: str, drawn: list[Drawn]) -> Tensor:
        found = [one.latents.get(name) for one in drawn]
        shapes = {None if value is None else tuple(value.shape) for value in found}
        if len(shapes) > 1:
            raise ProbeError(
                f"The task {self.name} drew the latent {name} in {len(shapes)} shapes, but one is needed for all "
                "prompts of a length. Fill the shorter ones up."
            )
        return torch.stack([value for value in found if value is not None])

    def _interleaved(
        self, x: Shaped[Tensor, "batch point *dim"], y: Shaped[Tensor, "batch point *value"]
    ) -> Shaped[Tensor, "batch time *token"]:
        """Returns the tokens x1 y1 x2 ... x(k+1), each filled up with zeros to the wider of the two."""
        tokens = x.new_zeros(*x.shape[:2], 2, self.shape.inputs)
        tokens[:, :, 0, : self.dim], tokens[:, :, 1, : self.values] = x, y
        return tokens.flatten(1, 2)[:, :-1]


@dataclass(frozen=True)
class OwnSymbols(OwnTask):
    """Draws symbols by a function of one's own; see `probe.task`."""

    objective: ClassVar[str] = "symbol"

    @property
    def shape(self) -> Shape:
        """What a model must read and predict."""
        return Shape(0, self.size, self.size)

    @property
    def variance(self) -> float:
        """The share of wrong guesses."""
        return 1 - 1 / self.size

    def _check(self, found: Drawn) -> None:
        if found.x.ndim != 1:
            raise ProbeError(
                f"The task {self.name} drew xs of {kind_of(found.x)}, but before it drew symbols. Draw one kind alone."
            )
        low, high = (
            int(end([end(found.x.tolist(), default=0), end(found.y.tolist(), default=0)])) for end in (min, max)
        )
        if low < 0:
            raise ProbeError(f"The task {self.name} drew the symbol {low}, but symbols begin at 0. Count from there.")
        if high >= self.size:
            raise ProbeError(
                f"The task {self.name} drew the symbol {high}, but it has the symbols 0 to {self.size - 1}. Say how "
                f"many there are: @probe.task(symbols={high + 1})."
            )

    def _interleaved(
        self, x: Shaped[Tensor, "batch point *dim"], y: Shaped[Tensor, "batch point *value"]
    ) -> Shaped[Tensor, "batch time *token"]:
        """Returns the tokens x1 y1 x2 ... x(k+1)."""
        return torch.stack([x, y], dim=2).flatten(1)[:, :-1]


@overload
def task(draw: Draw) -> OwnTask: ...


@overload
def task(*, layout: Layout = "pairs", symbols: int = 0) -> Callable[[Draw], OwnTask]: ...


def task(
    draw: Draw | None = None, *, layout: Layout = "pairs", symbols: int = 0
) -> OwnTask | Callable[[Draw], OwnTask]:
    """Makes a task of a function ``draw(rng, prompts, length) -> xs, ys[, latents]``.

    The function is called for one prompt at a time, with a NumPy generator of that prompt's own: prompt n depends on
    seed, purpose and n alone, whatever the batch. It returns xs ``[prompts, length, dim]`` and ys ``[prompts, length]``
    or ``[prompts, length, values]``, both as floats, or both as whole numbers ``[prompts, length]``, which are symbols;
    and a dictionary of latents by name, of any shape behind the axis of prompts, which `--target` can ask for.

    Args:
        draw: the function; left out where options are given, as in ``@probe.task(layout="sequence")``.
        layout: pairs shows x1 y1 x2 y2 ... and asks for y at every x; sequence shows the x alone, and asks at each.
        symbols: how many symbols there are; by default one more than the largest of a trial.

    Raises:
        ProbeError: if a trial draws what is no prompt, a NaN, or another prompt in a batch than alone.
    """
    return made(draw, layout, symbols) if draw is not None else lambda function: made(function, layout, symbols)


def made(draw: Draw, layout: Layout = "pairs", symbols: int = 0) -> OwnTask:
    """Returns the task of a function, once a trial has found its shapes.

    Raises:
        ProbeError: if the trial draws what is no prompt, a NaN, or another prompt in a batch than alone.
    """
    if not callable(draw):
        raise ProbeError(
            f"probe.task was given a {type(draw).__name__}, but a task is a function draw(rng, prompts, length). "
            "Decorate one."
        )
    name = _name(draw)
    first = _called(name, draw, np.random.default_rng(0), POINTS)
    if symbols and (symbols < 2 or first.x.ndim == 2):
        raise ProbeError(
            f"The task {name} was given symbols={symbols} and draws {kind_of(first.x)} as xs, but that is the number, "
            "of 2 or more, of whole numbers that xs and ys are among. Drop symbols, or draw whole numbers."
        )
    if first.x.ndim == 2:
        found = OwnTask(first.x.shape[-1], first.y.shape[-1], name, draw, layout)
    else:
        found = OwnSymbols(0, 1, name, draw, layout, symbols or 2**62)
    trial = found.draw(PromptSource(0, "fit", range(TRIALS)), POINTS - 1)
    if isinstance(found, OwnSymbols):
        found = _sized(found, symbols or 1 + max(int(trial.x.max()), int(trial.targets.max())))
    else:
        found = _scaled(found, trial.targets.double())
    LOADED[name] = found
    return found


def _sized(found: OwnSymbols, size: int) -> OwnSymbols:
    if size < 2:
        raise ProbeError(f"The task {found.name} drew one symbol alone, but at least two are needed. Draw others.")
    return replace(found, size=size)


def _scaled(found: OwnTask, y: Tensor) -> OwnTask:
    if bool((y == y[:1, :1]).all()):
        raise ProbeError(
            f"The task {found.name} drew ys that are all {y.flatten()[0] + 0.0:g}, but a model is asked for what "
            "varies. Draw others."
        )
    return replace(found, square=float(y.square().sum(-1).mean()))


def _called(name: str, function: Draw, rng: np.random.Generator, points: int) -> Drawn:
    """Returns what a function draws for one prompt.

    Raises:
        ProbeError: if it fails, or draws what is no prompt.
    """
    try:
        found = function(rng, 1, points)
    except ProbeError:
        raise
    except Exception as error:  # a function of the user's may fail in any way
        raise ProbeError(
            f"The task {name} failed when it was asked for 1 prompt of {points} points ({type(error).__name__}: "
            f"{str(error)[:200]}), but it draws any. Correct the function draw(rng, prompts, length)."
        ) from error
    return read(name, found, points)


def _refuse_other(name: str, first: Drawn, again: Drawn) -> None:
    """Raises `ProbeError` where a prompt is another one when it is drawn again behind others."""
    pairs = {"xs": (first.x, again.x), "ys": (first.y, again.y)}
    pairs |= {
        f"the latent {key}": (value, again.latents[key]) for key, value in first.latents.items() if key in again.latents
    }
    for what, (one, other) in pairs.items():
        if not torch.equal(one, other):
            raise ProbeError(
                f"The task {name} drew {what} of a prompt otherwise when it drew it again behind others, but a prompt "
                "may depend on its own generator alone. Take every random number from rng, and keep nothing between "
                "calls."
            )


def _name(draw: Draw) -> str:
    """Returns FILE.py:NAME, or the name alone of a function that stands in no file."""
    own = str(getattr(draw, "__name__", type(draw).__name__))
    path = Path(getattr(getattr(draw, "__code__", None), "co_filename", ""))
    if path.suffix != ".py" or not path.is_file():
        return own
    whole, here = path.resolve(), Path.cwd().resolve()
    return f"{whole.relative_to(here) if whole.is_relative_to(here) else whole}:{own}"
