"""Text as token ids: a tokenizer reads every prompt, and a mask says where shorter ones have ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np

from probe.data.fields import Array
from probe.data.sources import Source
from probe.errors import ProbeError


@runtime_checkable
class Encoder(Protocol):
    """What turns a text into token ids."""

    def encode(self, text: str) -> list[int]:
        """Returns the token ids of a text."""


def encoded(source: Source, tokenizer: Encoder | None, name: str) -> Callable[[dict[str, Array]], dict[str, Array]]:
    """Returns a function that replaces the texts of a part by ids, as long as the longest text of all, and a mask.

    Raises:
        ProbeError: if there is no tokenizer, or a text has no token.
    """
    if tokenizer is None:
        raise ProbeError(
            f"{name} has text, but no tokenizer reads it. Give a model that brings one, or --tokenizer, or token ids "
            "as inputs."
        )
    reader = tokenizer
    longest = 0

    def reads(part: dict[str, Array]) -> list[list[int]]:
        return [_ids(reader, text, name) for text in _texts(part, name)]

    for part in source.parts():
        counts = [len(ids) for ids in reads(part)]
        if not all(counts):
            raise ProbeError(f"{name} has an empty text, but a prompt needs a token. Drop that prompt.")
        longest = max(longest, *counts, 0)

    def changed(part: dict[str, Array]) -> dict[str, Array]:
        if "inputs" in part or "mask" in part:
            raise ProbeError(f"{name} has text beside inputs or a mask, but text brings both. Give one or the other.")
        texts = reads(part)
        ids = np.zeros((len(texts), longest), dtype=np.int64)
        mask = np.zeros((len(texts), longest), dtype=bool)
        for row, found in enumerate(texts):
            ids[row, : len(found)], mask[row, : len(found)] = found, True
        return {field: one for field, one in part.items() if field != "text"} | {"inputs": ids, "mask": mask}

    return changed


def _texts(part: dict[str, Array], name: str) -> list[str]:
    found = part.get("text")
    if found is None or found.ndim != 1 or found.dtype.kind != "U":
        what = "none in a later batch" if found is None else f"of shape {found.shape} and type {found.dtype}"
        raise ProbeError(
            f"{name} has text, but {what}, and a text a prompt is needed. Give strings; token ids are inputs."
        )
    texts: list[str] = found.tolist()
    return texts


def _ids(tokenizer: Encoder, text: str, name: str) -> list[int]:
    try:
        found = np.asarray(tokenizer.encode(text))
    except Exception as error:  # a tokenizer of the user's may fail in any way
        raise ProbeError(
            f"The tokenizer failed on the text {text[:40]!r} of {name} ({type(error).__name__}: {str(error)[:100]}), "
            "but every text is to be read. Give another tokenizer, or drop that prompt."
        ) from error
    if found.ndim != 1 or (len(found) and found.dtype.kind not in "iu"):
        raise ProbeError(
            f"The tokenizer made of the text {text[:40]!r} of {name} something else than a list of whole numbers, but "
            "token ids are needed. Give another tokenizer."
        )
    ids: list[int] = found.tolist()
    return ids
