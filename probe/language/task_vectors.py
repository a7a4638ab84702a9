"""Task vectors: what demonstrations leave at a prompt's last token, carried into a prompt without any.

Hendel, Geva & Globerson (2023), arXiv:2310.15916, section 3: the stream at the last token of demonstrations followed by
another query, put in place of the stream at the last token of the query alone, at the same layer. Nothing here depends
on attention: the stream of a recurrent model is patched in the same way, while its states at earlier tokens stay.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from probe.capture import capture
from probe.interventions import patching
from probe.language.batches import Reader
from probe.language.matching import first_line


@torch.no_grad()
def last_streams(reader: Reader, prompts: Sequence[Sequence[int]]) -> Float[Tensor, "layer prompt width"]:
    """Returns the stream at each prompt's last token, at every layer, on the CPU."""
    found = torch.empty(reader.layers, len(prompts), reader.stream.width)
    for places, batch in reader.batches(prompts):
        last = torch.tensor([batch.shape[1] - 1], device=reader.device)
        found[:, places] = capture(reader.stream, batch, last).stream[:, :, 0].float().cpu()
    return found


@torch.no_grad()
def patched_answers(
    reader: Reader, prompts: Sequence[Sequence[int]], layer: int, vectors: Float[Tensor, "prompt width"]
) -> list[str]:
    """Returns the one-token answer of each prompt whose last token's stream is a given vector at one layer."""
    answers = [""] * len(prompts)
    for places, batch in reader.batches(prompts):
        last = torch.tensor([batch.shape[1] - 1], device=reader.device)
        with patching(reader.stream.places[layer], last, vectors[places][:, None]):
            following = reader.stream.run(batch)[:, -1].argmax(-1)
        for place, token in zip(places, following.tolist(), strict=True):
            answers[place] = first_line(reader.tokenizer.decode([token]))
    return answers


def vector_answers(
    reader: Reader, demonstrated: Sequence[Sequence[int]], alone: Sequence[Sequence[int]]
) -> list[list[str]]:
    """Returns, layer by layer, the answers of the prompts alone with the task vectors of the demonstrated ones."""
    vectors = last_streams(reader, demonstrated)
    return [patched_answers(reader, alone, layer, vectors[layer]) for layer in range(reader.layers)]
