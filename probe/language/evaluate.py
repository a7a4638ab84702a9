"""Accuracy of a language model against the number of demonstrations, task by task and over the tasks common to all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import pandas as pd
import torch
from torch import Tensor

from probe.config import EvaluateConfig
from probe.errors import ProbeError
from probe.language.decode import greedy
from probe.language.matching import MATCHERS
from probe.language.prompts import Wording
from probe.language.rows import MEAN, mean_over_tasks, share_rows
from probe.language.study import DEMONSTRATIONS, FEWEST, Study, choose_counts, provenance, studies
from probe.language.tasks import Match
from probe.progress import Report, silent
from probe.records import COLUMNS, Record

FURTHER = ["task", "tasks", "metric", "value", "value_low", "value_high", "standard_error"]
METRICS = ("accuracy", *get_args(Match))
"""Accuracy by the paper's own comparison for the task, or by the one asked for; and by every comparison."""

Counted = dict[int, Tensor]
"""Which prompts are answered right, by number of demonstrations: [prompt, metric]."""


def evaluate_language(config: EvaluateConfig, command: str = "", report: Report = silent) -> Record:
    """Returns a row per model, task, number of demonstrations and way of comparing, and their means over tasks.

    Prompt n of a task has the same query at every number of demonstrations, and the demonstrations of a longer prompt
    begin with those of a shorter. A task with too few pairs for a number of demonstrations has no row there, and is
    left out of every mean: where the paper's Figure 7 averages over fewer and easier tasks as demonstrations grow,
    a mean here is over the same tasks throughout.

    Raises:
        ProbeError: if a model, its tokenizer, a task or a number does not fit.
    """
    if config.prompts < FEWEST:
        raise ProbeError(f"--prompts {config.prompts} was given, but bands need at least {FEWEST}. Give more.")
    if config.tokens < 1:
        raise ProbeError(f"--tokens {config.tokens} was given, but at least one is decoded. Give a positive number.")
    shown = choose_counts(config.index, DEMONSTRATIONS if config.context is None else config.context)
    found = studies(config)
    for study in found:
        study.check_reach(shown, config.seed)
    how = Decoding(config.prompts, config.seed, config.tokens, config.match)
    rows: list[dict[str, Any]] = []
    for study in found:
        counted = {}
        for place, wording in enumerate(study.wordings):
            counted[wording.name] = count_right(study, wording, shown, how)
            report(f"{study.checkpoint.name} {wording.name}", place + 1, len(study.wordings))
        rows += _rows(study, counted, config.seed)
    return Record(pd.DataFrame(rows)[[*COLUMNS, *FURTHER]], provenance("language", config, command, found))


@dataclass(frozen=True)
class Decoding:
    """How answers are decoded and compared.

    Args:
        prompts: a task.
        seed: of the prompts.
        tokens: the most that are decoded.
        match: how answers are compared, or "published" for the paper's own comparison.
    """

    prompts: int
    seed: int
    tokens: int
    match: str


def count_right(study: Study, wording: Wording, contexts: Sequence[int], how: Decoding) -> Counted:
    """Returns which prompts are answered right, where the task has pairs enough."""
    possible = [context for context in contexts if context < len(wording.pool)]
    drawn = [wording.draw(how.seed, "score", number, possible[-1] + 1) for number in range(how.prompts)]
    own = study.match(wording, how.match)
    found: Counted = {}
    for context in possible:
        shown = [study.encode(wording, pairs[1 : context + 1], pairs[0]) for pairs in drawn]
        answers = greedy(study.reader, shown, how.tokens)
        each = [
            [MATCHERS[by](answer, pairs[0]) for by in (own, *get_args(Match))]
            for answer, pairs in zip(answers, drawn, strict=True)
        ]
        found[context] = torch.tensor(each)
    return found


def _rows(study: Study, counted: dict[str, Counted], seed: int) -> list[dict[str, Any]]:
    contexts = sorted({context for each in counted.values() for context in each})
    common = [name for name, each in counted.items() if set(each) == set(contexts)]
    rows: list[dict[str, Any]] = []
    for place, metric in enumerate(METRICS):
        answered = {
            name: torch.stack([each[context][:, place] for context in each], dim=1) for name, each in counted.items()
        }
        for name, correct in answered.items():
            rows += _of(study, correct.double(), list(counted[name]), seed, name, 1, metric)
        if len(counted) > 1 and common:
            mean = mean_over_tasks([answered[name].double() for name in common])
            rows += _of(study, mean, contexts, seed, MEAN, len(common), metric)
    return rows


def _of(
    study: Study, correct: Tensor, contexts: list[int], seed: int, task: str, tasks: int, metric: str
) -> list[dict[str, Any]]:
    blocks = study.reader.layers - 1
    labels = {
        "model": study.checkpoint.name,
        "target": "answer",
        "head": "model",
        "task": task,
        "tasks": tasks,
        "metric": metric,
    }
    return list(share_rows(correct[:, None], [blocks], blocks, contexts, seed, labels))
