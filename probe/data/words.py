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
    reads = tokenizer.encode
    longest = 0
    for part in source.parts():
        counts = [len(reads(str(text))) for text in part["text"].tolist()]
        if not all(counts):
            raise ProbeError(f"{name} has an empty text, but a prompt needs a token. Drop that prompt.")
        longest = max(longest, *counts)

    def changed(part: dict[str, Array]) -> dict[str, Array]:
        if "inputs" in part or "mask" in part:
            raise ProbeError(f"{name} has text beside inputs or a mask, but text brings both. Give one or the other.")
        texts = [reads(str(text)) for text in part["text"].tolist()]
        ids = np.zeros((len(texts), longest), dtype=np.int64)
        mask = np.zeros((len(texts), longest), dtype=bool)
        for row, found in enumerate(texts):
            ids[row, : len(found)], mask[row, : len(found)] = found, True
        return {field: one for field, one in part.items() if field != "text"} | {"inputs": ids, "mask": mask}

    return changed
