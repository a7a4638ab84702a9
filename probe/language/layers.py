"""By layer: what the lens makes of the answer, which task a linear head reads, what a task vector carries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from probe.capture import capture
from probe.config import FitConfig
from probe.errors import ProbeError
from probe.heads import Head, make_all
from probe.language.decode import greedy
from probe.language.identity import identity_rows
from probe.language.matching import MATCHERS
from probe.language.prompts import Wording
from probe.language.rows import mean_rows, share_rows
from probe.language.study import DEMONSTRATIONS, FEWEST, Study, provenance, studies
from probe.language.task_vectors import vector_answers
from probe.probing.draws import Pass
from probe.progress import Report, silent
from probe.records import COLUMNS, Record

FURTHER = ["task", "metric", "value", "value_low", "value_high", "standard_error"]


def language_layers(config: FitConfig, command: str = "", report: Report = silent) -> Record:
    """Returns a row per model, task, layer, number of demonstrations, head and metric.

    * ``lens``: the model's own decoder applied early, at the query's last token: the probability and rank of the
      answer's first token, and whether it is the likeliest (``accuracy``, whose complement is `error`). The token is
      the answer's as the demonstrations write it, a space before it where they have one: without demonstrations a
      model may well answer without the space, which decoding forgives and the lens does not.
    * ``linear``, ``normed``: a ridge head from the stream there to the task, among those named; `error` is the share
      of wrong answers over that of guessing.
    * ``task_vector``: the stream at the last token of a prompt with demonstrations and another query, patched into a
      prompt of the query alone (Hendel et al., 2023, arXiv:2310.15916), beside the accuracies ``demonstrations`` and
      ``zero_shot`` of the same queries, which have no layer.

    Raises:
        ProbeError: if a model, its tokenizer, a task, a head or a number does not fit.
    """
    heads = make_all(config.head)
    contexts = _check(config, heads)
    found = studies(config)
    _check_pools(found, config, contexts)
    rows: list[dict[str, Any]] = []
    for study in found:
        for place, wording in enumerate(study.wordings):
            for context in contexts:
                for head in heads:
                    rows += ROWS[head.name](study, wording, context, config) if head.name in ROWS else []
            report(f"{study.checkpoint.name} {wording.name}", place + 1, len(study.wordings))
        for head in heads:
            for context in contexts if head.fitted else ():
                rows += identity_rows(study, head, context, Pass.of(config), report)
    table = pd.DataFrame(rows)
    return Record(table.reindex(columns=[*COLUMNS, *FURTHER]), provenance("language-layers", config, command, found))


def _check(config: FitConfig, heads: Sequence[Head]) -> list[int]:
    """Returns the numbers of demonstrations, or refuses what does not fit."""
    unfit = [head.name for head in heads if not (head.fitted or head.name in ROWS)]
    if unfit or not heads:
        refused = f"The {unfit[0]} head suits numbers, not words." if unfit else "No head was given."
        raise ProbeError(f"{refused} Use --head lens, linear, normed or task_vector.")
    if config.score < FEWEST:
        raise ProbeError(f"--score {config.score} was given, but bands need at least {FEWEST} prompts. Give more.")
    try:
        contexts = [DEMONSTRATIONS] if config.context == "all" else sorted({int(n) for n in config.context.split(",")})
    except ValueError:
        contexts = [-1]
    if contexts[0] < 0:
        raise ProbeError(f"--context {config.context} was given, but numbers of demonstrations are needed. Write 0,5.")
    if [head.name for head in heads] == ["task_vector"] and contexts == [0]:
        raise ProbeError("--context 0 was given, but a task vector is of a prompt with demonstrations. Write 5.")
    return contexts


def _check_pools(found: Sequence[Study], config: FitConfig, contexts: Sequence[int]) -> None:
    needed = max(contexts) + (2 if "task_vector" in config.head else 1)
    for study in found:
        for wording in study.wordings:
            if len(wording.pool) < needed:
                raise ProbeError(
                    f"{contexts[-1]} demonstrations of {wording.name} need {needed} pairs, but the tokenizer of "
                    f"{study.checkpoint.name} keeps {len(wording.pool)}. Ask for fewer with --context."
                )


@dataclass(frozen=True, eq=False)
class Lens:
    """What the model's decoder makes of the answer's first token at every layer."""

    probability: Float[Tensor, "prompt layer"]
    rank: Float[Tensor, "prompt layer"]
    top: Float[Tensor, "prompt layer"]


@torch.no_grad()
def read_lens(study: Study, prompts: Sequence[Sequence[int]], answers: Sequence[int]) -> Lens:
    """Returns probability, rank (1 is the likeliest) and whether it is the likeliest, at each prompt's last token."""
    reader = study.reader
    found = torch.empty(3, len(prompts), reader.layers, dtype=torch.float64)
    for places, batch in reader.batches(prompts):
        last = torch.tensor([batch.shape[1] - 1], device=reader.device)
        truth = torch.tensor([answers[place] for place in places], device=reader.device)[:, None]
        for layer, stream in enumerate(capture(reader.stream, batch, last).stream[:, :, 0]):
            scores = reader.stream.decode(stream).float()
            own = scores.gather(1, truth)
            found[0, places, layer] = scores.softmax(-1).gather(1, truth)[:, 0].double().cpu()
            # half of those that tie stand before it: what carries no information ranks in the middle
            rank = 1 + (scores > own).sum(1) + ((scores == own).sum(1) - 1) / 2
            found[1, places, layer] = rank.double().cpu()
            found[2, places, layer] = (scores.argmax(-1) == truth[:, 0]).double().cpu()
    return Lens(*found)


def _labels(study: Study, wording: Wording, head: str, metric: str) -> dict[str, Any]:
    return {
        "model": study.checkpoint.name,
        "target": "answer",
        "head": head,
        "task": wording.name,
        "metric": metric,
    }


def _lens_rows(study: Study, wording: Wording, context: int, config: FitConfig) -> list[dict[str, Any]]:
    drawn = [wording.draw(config.seed, "score", number, context + 1) for number in range(config.score)]
    prompts = [study.encode(wording, pairs[1:], pairs[0]) for pairs in drawn]
    lens = read_lens(study, prompts, [wording.answer(pairs[0], study.reader.tokenizer) for pairs in drawn])
    layers, blocks = range(study.reader.layers), study.reader.layers - 1
    shares = _labels(study, wording, "lens", "accuracy")
    rows = list(share_rows(lens.top[..., None], layers, blocks, [context], config.seed, shares))
    probabilities = _labels(study, wording, "lens", "probability")
    rows += mean_rows(lens.probability, layers, blocks, context, config.seed, probabilities)
    ranks = _labels(study, wording, "lens", "rank")
    rows += mean_rows(lens.rank, layers, blocks, context, config.seed, ranks, geometric=True)
    return rows


def _vector_rows(study: Study, wording: Wording, context: int, config: FitConfig) -> list[dict[str, Any]]:
    if context == 0:  # a task vector is of demonstrations
        return []
    drawn = [wording.draw(config.seed, "score", number, context + 2) for number in range(config.score)]
    queries = [pairs[0] for pairs in drawn]
    # the other query comes last, so that the demonstrations are those that every other row has
    with_others = [study.encode(wording, pairs[1:-1], pairs[-1]) for pairs in drawn]
    alone = [study.encode(wording, [], query) for query in queries]
    shown = [study.encode(wording, pairs[1:-1], pairs[0]) for pairs in drawn]
    matches = MATCHERS[study.match(wording, config.match)]

    def correct(answers: Sequence[str]) -> Tensor:
        return torch.tensor([matches(text, query) for text, query in zip(answers, queries, strict=True)]).double()

    patched = torch.stack([correct(texts) for texts in vector_answers(study.reader, with_others, alone)], dim=1)
    layers, blocks = range(study.reader.layers), study.reader.layers - 1
    labels = _labels(study, wording, "task_vector", "accuracy")
    rows = list(share_rows(patched[..., None], layers, blocks, [context], config.seed, labels))
    for head, prompts in (("demonstrations", shown), ("zero_shot", alone)):
        share = correct(greedy(study.reader, prompts))[:, None, None]
        labels = _labels(study, wording, head, "accuracy")
        rows += share_rows(share, None, blocks, [context], config.seed, labels)
    return rows


ROWS: dict[str, Callable[[Study, Wording, int, FitConfig], list[dict[str, Any]]]] = {
    "lens": _lens_rows,
    "task_vector": _vector_rows,
}
"""Heads that are measured on one task at a time, by name; those that are fitted tell the tasks apart."""
