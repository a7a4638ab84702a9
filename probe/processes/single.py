"""The protocol by which a command addresses the processes that it runs in, and the usual case: a single process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

from probe.errors import ProbeError

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
Part = TypeVar("Part")
Whole = TypeVar("Whole")


@runtime_checkable
class Processes(Protocol):
    """The processes that run one command together; every one of them makes the same calls in the same order."""

    @property
    def rank(self) -> int:
        """The number of this process, from 0."""

    @property
    def count(self) -> int:
        """How many there are."""

    @property
    def writes(self) -> bool:
        """Whether this is the one that prints and writes."""

    def check(self) -> None:
        """Raises `EndedError` where this process was told to end."""

    def deal(self, parts: Sequence[T]) -> Iterator[T]:
        """Yields this process's parts: those whose place is its number, modulo how many processes there are."""

    def merged(self, part: Part, merge: Callable[[Part, Part], Part], finish: Callable[[Part], Whole]) -> Whole:
        """Returns, in every process, the merged parts finished by process 0.

        The order of merging depends on the number of processes alone.
        """

    def shared(self, make: Callable[[], Whole]) -> Whole:
        """Returns, in every process, the result of ``make`` in process 0."""

    def add(self, tensor: Tensor) -> None:
        """Adds the tensors of all processes, in place; the sum is the same in each, to the bit."""

    def share(self, prompts: int) -> slice:
        """Returns this process's contiguous share of a batch."""


class Single:
    """One process, which does everything."""

    rank, count, writes = 0, 1, True

    def check(self) -> None:
        """Does nothing: there is no other process that could end."""

    def deal(self, parts: Sequence[T]) -> Iterator[T]:
        """Yields all parts."""
        yield from parts

    def merged(self, part: Part, merge: Callable[[Part, Part], Part], finish: Callable[[Part], Whole]) -> Whole:
        """Returns the only part, finished."""
        return finish(part)

    def shared(self, make: Callable[[], Whole]) -> Whole:
        """Returns the result of ``make``."""
        return make()

    def add(self, tensor: Tensor) -> None:
        """Leaves the tensor as it is."""

    def share(self, prompts: int) -> slice:
        """Returns the whole batch."""
        return slice(0, prompts)


ALONE: Processes = Single()


def only_one(processes: Processes, what: str) -> None:
    """Raises `ProbeError` if several processes run a command that runs in one process alone."""
    if processes.count > 1:
        raise ProbeError(f"{what} runs in one process, but torchrun started {processes.count}. Leave torchrun away.")


class Mergeable(Protocol):
    """An accumulator over prompts that can be merged with another of its kind."""

    def merge(self: Kind, other: Kind) -> Kind:
        """Returns the accumulator over the prompts of both."""


Kind = TypeVar("Kind", bound=Mergeable)
Name = TypeVar("Name")


def merge_each(one: dict[Name, Kind], other: dict[Name, Kind]) -> dict[Name, Kind]:
    """Returns accumulators merged by name; one side is empty if its process was dealt no batch."""
    if not (one and other):
        return one or other
    assert one.keys() == other.keys(), "processes gather the same things"
    return {name: found.merge(other[name]) for name, found in one.items()}
