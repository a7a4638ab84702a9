"""Fitted heads by their names, which are told apart, saved and read together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from probe.errors import UnknownNameError, suggest
from probe.files import Write
from probe.heads.fitted import LinearHeads, heads_of
from probe.heads.saved import Entry, digest_of, head_paths, head_writes, read_heads, write_heads

Kind = TypeVar("Kind", covariant=True)


class FittedHeads(Mapping[str, Kind], Generic[Kind]):
    """Fitted heads by name: of one checkpoint by the head's name, of several by the checkpoint's and then the head's.

    Args:
        what: one of the names, in a word, for messages.
    """

    def __init__(self, heads: Mapping[str, Kind], what: str = "head") -> None:
        self._heads = dict(heads)
        self._what = what

    def __getitem__(self, name: str) -> Kind:
        """Returns the heads of a name.

        Raises:
            UnknownNameError: a ProbeError and KeyError with the names that there are, if there is no such one.
        """
        if name not in self._heads:
            raise UnknownNameError(
                f"No fitted {self._what} is called {str(name)[:60]!r}. {suggest(str(name), list(self))}"
                f"{self._what.capitalize()}s: {', '.join(self) or 'none'}."
            )
        return self._heads[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._heads)

    def __len__(self) -> int:
        return len(self._heads)

    def __repr__(self) -> str:
        """Shows a line for each."""
        lines = "".join(f"\n  {name!r}: {found!r}" for name, found in self._heads.items())
        return f"FittedHeads({lines}\n)" if lines else "FittedHeads()"

    def entries(self, path: tuple[str, ...] = ()) -> list[Entry]:
        """Returns all heads as files hold them."""
        found: list[Entry] = []
        for name, heads in self._heads.items():
            if isinstance(heads, FittedHeads):
                found += heads.entries((*path, name))
            else:
                assert isinstance(heads, LinearHeads), f"{name} are no heads"
                found.append(heads.entry((*path, name)))
        return found

    @property
    def digest(self) -> str:
        """The digest of all heads, which their files carry."""
        return digest_of(self.entries())

    def writes(self, stem: str | Path) -> dict[Path, Write]:
        """Returns the contents of the two files by path, to be written together with others."""
        return head_writes(self.entries(), stem)

    def save(self, stem: str | Path) -> tuple[Path, Path]:
        """Writes all heads to STEM.safetensors and STEM.json, both or neither, and returns their paths.

        Raises:
            ProbeError: if they cannot be written.
        """
        return write_heads(self.entries(), stem)


def load(stem: str | Path) -> Any:
    """Returns the heads that were saved as STEM.safetensors and STEM.json, or beside a record as STEM.heads.*.

    Returns:
        `LinearHeads` where one was saved; else `FittedHeads`, whose values are again such where several checkpoints
        have heads.

    Raises:
        ProbeError: for a missing, damaged or foreign file.
    """
    text = str(stem)
    stem = next((text[: -len(end)] for end in (".safetensors", ".json") if text.endswith(end)), text)
    beside = head_paths(f"{stem}.heads")[0]
    if beside.exists() and not head_paths(stem)[0].exists():
        stem = f"{stem}.heads"
    return _nested([(entry.path, heads_of(entry)) for entry in read_heads(stem)])


def _nested(found: list[tuple[tuple[str, ...], LinearHeads]]) -> LinearHeads | FittedHeads[Any]:
    if len(found) == 1 and not found[0][0]:
        return found[0][1]
    groups: dict[str, list[tuple[tuple[str, ...], LinearHeads]]] = {}
    for path, heads in found:
        groups.setdefault(path[0] if path else "", []).append((path[1:], heads))
    deep = any(len(path) > 1 for path, _ in found)
    return FittedHeads({name: _nested(group) for name, group in groups.items()}, "checkpoint" if deep else "head")
