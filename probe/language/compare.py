"""Language models side by side: paired differences of accuracy on prompts of the same words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from math import sqrt
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from probe.config import CompareConfig
from probe.errors import ProbeError
from probe.language.evaluate import METRICS, Counted, Decoding, count_right
from probe.language.pairs import Pairs
from probe.language.prompts import Wording
from probe.language.rows import MEAN, mean_over_tasks
from probe.language.study import DEMONSTRATIONS, FEWEST, Study, choose_counts, provenance, studies
from probe.progress import Report, silent
from probe.records import Record
from probe.statistics import MeanBootstrap

CLOSE = 0.02
"""Accuracies no further apart than this are called alike, whatever their bands."""


def compare_language(config: CompareConfig, command: str = "", report: Report = silent) -> Record:
    """Returns a row per pair of models, task, number of demonstrations and way of comparing, and a verdict.

    Prompt n shows every model the same words, which are those that all of their tokenizers keep; how they are cut into
    tokens, and whether a space stands before each, is the tokenizer's own. ``low`` and ``high`` bound one difference
    of accuracies, ``all_low`` and ``all_high`` those at all numbers of demonstrations at once.

    Raises:
        ProbeError: if a model, its tokenizer, a task or a number does not fit, or the tokenizers share too few words.
    """
    _check(config)
    shown = choose_counts("auto", DEMONSTRATIONS if config.context is None else config.context)
    found = share_words(studies(config))
    for study in found:
        study.check_reach(shown, config.seed)
    how = Decoding(config.score, config.seed, config.tokens, config.match)
    counted: list[dict[str, Counted]] = []
    for study in found:
        counted.append({})
        for place, wording in enumerate(study.wordings):
            counted[-1][wording.name] = count_right(study, wording, shown, how)
            report(f"{study.checkpoint.name} {wording.name}", place + 1, len(study.wordings))
    pairs = combinations(zip(found, counted, strict=True), 2)
    rows = [
        {"model": a.checkpoint.name, "other": b.checkpoint.name} | row
        for (a, first), (b, second) in pairs
        for row in _rows(first, second, config.seed)
    ]
    table = pd.DataFrame(rows)
    about = provenance("language-compare", config, command, found)
    return Record(table, about | {"verdict": verdicts(table)})


def share_words(found: Sequence[Study]) -> list[Study]:
    """Returns the studies with the pairs alone that every one of their tokenizers keeps.

    Raises:
        ProbeError: if fewer than two pairs of a task are left.
    """
    shared: list[list[Wording]] = [[] for _ in found]
    for same in zip(*(study.wordings for study in found), strict=True):
        pool = same[0].pool
        if isinstance(pool, Pairs):
            others = [set(one.pool.pairs) for one in same[1:] if isinstance(one.pool, Pairs)]
            pool = Pairs(tuple(pair for pair in pool.pairs if all(pair in other for other in others)))
        if len(pool) < 2:
            raise ProbeError(
                f"The tokenizers of {', '.join(study.checkpoint.name for study in found)} keep {len(pool)} pairs of "
                f"{same[0].name} in common, but at least 2 are needed. Choose other tasks."
            )
        for wordings, one in zip(shared, same, strict=True):
            wordings.append(replace(one, pool=pool))
    return [replace(study, wordings=wordings) for study, wordings in zip(found, shared, strict=True)]


def verdicts(table: pd.DataFrame) -> list[str]:
    """Returns a sentence a pair, on the mean over tasks with the most demonstrations.

    Accuracies are called different where the band of their difference, simultaneous over the numbers of
    demonstrations, excludes 0 and the difference is larger than 0.02.
    """
    sentences = []
    for (name, other), rows in table[table["metric"] == "accuracy"].groupby(["model", "other"], sort=False):
        means = rows[rows["task"] == MEAN]
        sentences.append(_sentence(str(name), str(other), (rows if means.empty else means).iloc[-1]))
    return [
        *sentences,
        "This compares these checkpoints; of architectures one can speak from three training seeds a side.",
    ]


def _sentence(name: str, other: str, row: pd.Series[Any]) -> str:
    where = f"over {row['tasks']} tasks" if row["task"] == MEAN else f"on {row['task']}"
    band = f"difference {row['difference']:.3f}, simultaneous 95 % band {row['all_low']:.3f} to {row['all_high']:.3f}"
    numbers = f"{where}, at {row['context']} demonstrations, {row['value']:.3f} and {row['other_value']:.3f}; {band}"
    if (row["all_low"] > 0 or row["all_high"] < 0) and abs(row["difference"]) > CLOSE:
        told = "more" if row["difference"] > 0 else "less"
        return f"The checkpoint {name} is right {told} often than {other}: {numbers}."
    return f"The checkpoints {name} and {other} are not told apart by their accuracy: {numbers}."


def _check(config: CompareConfig) -> None:
    if config.score < FEWEST:
        raise ProbeError(f"--score {config.score} was given, but bands need at least {FEWEST} prompts. Give more.")
    if config.head != "linear":
        raise ProbeError(
            f"--head {config.head} was given, but language models are compared by their own answers. Drop it, or ask "
            "for heads with probe fit."
        )


def _rows(a: dict[str, Counted], b: dict[str, Counted], seed: int) -> Iterator[dict[str, Any]]:
    """Yields the rows of two models, the mean over the tasks that have pairs enough throughout at the end."""
    contexts = sorted({context for each in a.values() for context in each})
    common = [name for name, each in a.items() if len(each) == len(contexts)]
    for place, metric in enumerate(METRICS):
        right = {
            name: [
                torch.stack([each[context][:, place] for context in each], dim=1).double()
                for each in (a[name], b[name])
            ]
            for name in a
        }
        for name, (first, second) in right.items():
            yield from _task_rows(first, second, list(a[name]), seed, {"metric": metric, "task": name, "tasks": 1})
        if len(right) > 1:
            first, second = (mean_over_tasks([right[name][side] for name in common]) for side in (0, 1))
            labels = {"metric": metric, "task": MEAN, "tasks": len(common)}
            yield from _task_rows(first, second, contexts, seed, labels)


def _task_rows(
    a: Float[Tensor, "prompt context"],
    b: Float[Tensor, "prompt context"],
    contexts: Sequence[int],
    seed: int,
    labels: dict[str, Any],
) -> Iterator[dict[str, Any]]:
    gaps = MeanBootstrap((len(contexts),), seed=seed)
    gaps.update(range(len(a)), a - b)
    (low, high), (all_low, all_high) = gaps.interval(), gaps.simultaneous()
    columns = {"value": a.mean(0), "other_value": b.mean(0), "difference": gaps.estimate()}
    columns |= {"low": low, "high": high, "all_low": all_low, "all_high": all_high}
    columns["standard_error"] = (a - b).std(0, correction=0) / sqrt(len(a))
    for place, context in enumerate(contexts):
        numbers = {name: values[place].item() for name, values in columns.items()}
        yield {"quantity": "accuracy", "context": context, "prompts": len(a)} | labels | numbers
