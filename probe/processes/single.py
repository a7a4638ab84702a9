"""What a verb knows of the processes it runs in, and the usual case: one process alone."""

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
        """Returns to all what process 0 makes of all parts, merged in an order that their number alone decides."""

    def shared(self, make: Callable[[], Whole]) -> Whole:
        """Returns to all what process 0 makes."""

    def add(self, tensor: Tensor) -> None:
        """Adds the tensors of all processes, in place; the sum is the same in each, to the bit."""

    def share(self, prompts: int) -> slice:
        """Returns this process's contiguous share of a batch."""


class Single:
    """One process, which does everything."""

    rank, count, writes = 0, 1, True

    def check(self) -> None:
        """Passes: nobody else can end."""

    def deal(self, parts: Sequence[T]) -> Iterator[T]:
        """Yields all parts."""
        yield from parts

    def merged(self, part: Part, merge: Callable[[Part, Part], Part], finish: Callable[[Part], Whole]) -> Whole:
        """Returns what is made of the only part."""
        return finish(part)

    def shared(self, make: Callable[[], Whole]) -> Whole:
        """Returns what is made."""
        return make()

    def add(self, tensor: Tensor) -> None:
        """Leaves the tensor as it is."""

    def share(self, prompts: int) -> slice:
        """Returns the whole batch."""
        return slice(0, prompts)


ALONE: Processes = Single()


def only_one(processes: Processes, what: str) -> None:
    """Raises `ProbeError` where several processes run what has to be run by one."""
    if processes.count > 1:
        raise ProbeError(f"{what} runs in one process, but torchrun started {processes.count}. Leave torchrun away.")


class Mergeable(Protocol):
    """Whatever gathers prompts and can be merged with its like."""

    def merge(self: Kind, other: Kind) -> Kind:
        """Returns what both have gathered."""


Kind = TypeVar("Kind", bound=Mergeable)
Name = TypeVar("Name")


def merge_each(one: dict[Name, Kind], other: dict[Name, Kind]) -> dict[Name, Kind]:
    """Merges by name; a process that was dealt no batch may have gathered nothing."""
    if not (one and other):
        return one or other
    assert one.keys() == other.keys(), "processes gather the same things"
    return {name: found.merge(other[name]) for name, found in one.items()}
