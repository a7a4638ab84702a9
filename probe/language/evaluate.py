"""Accuracy of a language model against the number of demonstrations, task by task and over the tasks common to all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import pandas as pd
import torch
from torch import Tensor

from probe.checkpoints import Checkpoint
from probe.config import EvaluateConfig
from probe.errors import ProbeError
from probe.language.decode import greedy
from probe.language.matching import MATCHERS
from probe.language.prompts import Tokenizer, Wording
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


def evaluate_language(
    config: EvaluateConfig,
    command: str = "",
    report: Report | None = None,
    models: Sequence[Checkpoint] = (),
    tokenizer: Tokenizer | None = None,
) -> Record:
    """Returns a row per model, task, number of demonstrations and way of comparing, and their means over tasks.

    Prompt n of a task has the same query at every number of demonstrations, and the demonstrations of a longer prompt
    begin with those of a shorter. A task with too few pairs for a number of demonstrations has no row there, and is
    left out of every mean: where the paper's Figure 7 averages over fewer and easier tasks as demonstrations grow,
    a mean here is over the same tasks throughout.

    Args:
        models: checkpoints at hand, taken in place of those that the config names.
        tokenizer: taken in place of the models' own.

    Raises:
        ProbeError: if a model, its tokenizer, a task or a number does not fit.
    """
    if config.prompts < FEWEST:
        raise ProbeError(f"--prompts {config.prompts} was given, but bands need at least {FEWEST}. Give more.")
    if config.tokens < 1:
        raise ProbeError(f"--tokens {config.tokens} was given, but at least one is decoded. Give a positive number.")
    shown = choose_counts(config.index, DEMONSTRATIONS if config.context is None else config.context)
    found = studies(config, models, tokenizer)
    for study in found:
        study.check_reach(shown, config.seed)
    rows: list[dict[str, Any]] = []
    for study in found:
        counted = {}
        for place, wording in enumerate(study.wordings):
            counted[wording.name] = count_right(study, wording, shown, config)
            (report or silent)(f"{study.checkpoint.name} {wording.name}", place + 1, len(study.wordings))
        rows += _rows(study, counted, config)
    return Record(pd.DataFrame(rows)[[*COLUMNS, *FURTHER]], provenance("language", config, command, found))


def count_right(study: Study, wording: Wording, contexts: Sequence[int], config: EvaluateConfig) -> Counted:
    """Returns which prompts are answered right, where the task has pairs enough."""
    possible = [context for context in contexts if context < len(wording.pool)]
    drawn = [wording.draw(config.seed, "score", number, possible[-1] + 1) for number in range(config.prompts)]
    own = study.match(wording, config.match)
    found: Counted = {}
    for context in possible:
        prompts = [study.encode(wording, pairs[1 : context + 1], pairs[0]) for pairs in drawn]
        answers = greedy(study.reader, prompts, config.tokens)
        each = [
            [MATCHERS[match](answer, pairs[0]) for match in (own, *get_args(Match))]
            for answer, pairs in zip(answers, drawn, strict=True)
        ]
        found[context] = torch.tensor(each)
    return found


def _rows(study: Study, counted: dict[str, Counted], config: EvaluateConfig) -> list[dict[str, Any]]:
    contexts = sorted({context for each in counted.values() for context in each})
    common = [name for name, each in counted.items() if set(each) == set(contexts)]
    rows: list[dict[str, Any]] = []
    for place, metric in enumerate(METRICS):
        answered = {
            name: torch.stack([each[context][:, place] for context in each], dim=1) for name, each in counted.items()
        }
        for name, correct in answered.items():
            rows += _of(study, correct.double(), list(counted[name]), config, name, 1, metric)
        if len(counted) > 1 and common:
            mean = mean_over_tasks([answered[name].double() for name in common])
            rows += _of(study, mean, contexts, config, MEAN, len(common), metric)
    return rows


def _of(
    study: Study, correct: Tensor, contexts: list[int], config: EvaluateConfig, task: str, tasks: int, metric: str
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
    return list(share_rows(correct[:, None], [blocks], blocks, contexts, config.seed, labels))
