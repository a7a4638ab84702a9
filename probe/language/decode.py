"""Greedy decoding through a model's own forward pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from probe.language.batches import Reader
from probe.language.matching import first_line


@torch.no_grad()
def greedy(reader: Reader, prompts: Sequence[Sequence[int]], tokens: int = 1) -> list[str]:
    """Returns the first line that each prompt is continued with, the likeliest token after the other.

    Args:
        tokens: the most that are decoded; a batch stops where every prompt has its first line.
    """
    answers = [""] * len(prompts)
    for places, batch in reader.batches(prompts):
        given = batch.shape[1]
        while batch.shape[1] < given + tokens:
            following = reader.stream.run(batch)[:, -1].argmax(-1, keepdim=True)
            batch = torch.cat([batch, following.to(batch)], dim=1)
            texts = [reader.tokenizer.decode(row) for row in batch[:, given:].tolist()]
            if all("\n" in text.strip(" ") for text in texts):
                break
        for place, text in zip(places, texts, strict=True):
            answers[place] = first_line(text)
    return answers
