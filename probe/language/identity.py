"""Linear heads for the task's identity: which of the named tasks a prompt shows, read from its last token's stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from probe.capture import capture
from probe.errors import ProbeError
from probe.heads import Head, LinearHeads
from probe.heads.head import check_prompts, read
from probe.language.study import Study
from probe.probing.draws import Pass
from probe.probing.ridge_fit import Fitting, Read, fit_ridges
from probe.progress import Report
from probe.randomness import Purpose, generator
from probe.statistics import LayerErrors

CHUNK = 512
"""Prompts that are grouped by length at a time; results depend on it by rounding alone."""


def identity_rows(study: Study, head: Head, context: int, pass_: Pass, report: Report) -> list[dict[str, Any]]:
    """Returns the rows of a fitted head for the task at one number of demonstrations, and of chance.

    Prompt n shows task n modulo their number. A head may know a task by its words as well as by its demonstrations;
    the rows at no demonstrations say how far words go.

    Raises:
        ProbeError: if fewer than two tasks are named, or the head has too few prompts.
    """
    tasks = len(study.wordings)
    if tasks < 2:
        raise ProbeError(
            f"A {head.name} head tells tasks apart, but {study.wordings[0].name} is one. Use --head lens, or --task "
            "language."
        )
    check_prompts(head, study.reader.stream, pass_.prompts)
    fitted = _fit(study, head, context, pass_, report)
    layers = study.reader.layers
    scores = {
        head.name: LayerErrors("task", range(layers), layers - 1, [context], pass_.seed),
        "chance": LayerErrors("task", None, layers - 1, [context], pass_.seed),
    }
    for numbers, features, truth in _batches(study, head, context, pass_, "score"):
        guess = torch.full((len(truth), 1), 1 - 1 / tasks, dtype=torch.float64)
        for name, one in features.items():
            cost = (fitted[name](one).argmax(-1).cpu() != truth[:, None]).double()
            scores[name].add(numbers, cost, guess, torch.ones(len(truth), 1, dtype=torch.bool))
        report(f"score {study.checkpoint.name}", numbers.stop, pass_.score)
    rows = []
    for name, errors in scores.items():
        for row in errors.rows(study.checkpoint.name, name):
            spread = (row["mse"] * (1 - row["mse"]) / row["prompts"]) ** 0.5
            further = {"task": "identity", "metric": "accuracy", "value": 1 - row["mse"], "standard_error": spread}
            ends = {f"value_{a}": 1 - row[b] * (1 - 1 / tasks) for a, b in (("low", "high"), ("high", "low"))}
            rows.append(row | further | ends)
    return rows


def _fit(study: Study, head: Head, context: int, pass_: Pass, report: Report) -> dict[str, LinearHeads]:
    def batches(purpose: Fitting) -> Iterator[dict[str, Read]]:
        for numbers, features, truth in _batches(study, head, context, pass_, purpose):
            target = {"task": F.one_hot(truth, len(study.wordings)).float()[:, None]}
            yield {name: Read(one, target) for name, one in features.items()}
            report(f"{purpose} {study.checkpoint.name}", numbers.stop, pass_.count(purpose))

    return {name: found["task"] for name, found in fit_ridges(batches).items()}


@torch.no_grad()
def _batches(
    study: Study, head: Head, context: int, pass_: Pass, purpose: Purpose
) -> Iterator[tuple[range, dict[str, Tensor], Tensor]]:
    """Yields prompts' numbers, what each head reads [layer, batch, 1, width], and their tasks."""
    reader = study.reader
    for numbers in replace(pass_, batch=CHUNK).batches(purpose):
        truth = torch.tensor([number % len(study.wordings) for number in numbers])
        prompts = []
        for number, task in zip(numbers, truth.tolist(), strict=True):
            wording = study.wordings[task]
            pairs = wording.draw(pass_.seed, purpose, number, context + 1)
            prompts.append(study.encode(wording, pairs[1:], pairs[0]))
        stream = torch.empty(reader.layers, len(numbers), 1, reader.stream.width, device=reader.device)
        for places, batch in reader.batches(prompts):
            last = torch.tensor([batch.shape[1] - 1], device=reader.device)
            stream[:, places] = capture(reader.stream, batch, last).stream.to(stream)
        drawn = [
            generator(pass_.seed, "chance", "language", purpose, number).standard_normal(reader.stream.width, "float32")
            for number in numbers
        ]
        chance = torch.stack(list(map(torch.from_numpy, drawn)))[None, :, None]
        yield numbers, {head.name: read(head, reader.stream, stream), "chance": chance}, truth
