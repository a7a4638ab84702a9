"""Linear heads for the task's identity: which of the named tasks a prompt shows, read from its last token's stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from probe.capture import capture
from probe.config import FitConfig
from probe.errors import ProbeError
from probe.heads import LinearHeads, Moments, SelectionErrors, solve_path
from probe.language.study import Study
from probe.progress import Report
from probe.randomness import Purpose, generator
from probe.statistics import LayerErrors

CHUNK = 512
"""Prompts that are grouped by length at a time; results depend on it by rounding alone."""


def identity_rows(study: Study, head: str, context: int, config: FitConfig, report: Report) -> list[dict[str, Any]]:
    """Returns the rows of a ridge head for the task at one number of demonstrations, and of chance.

    Prompt n shows task n modulo their number. A head may know a task by its words as well as by its demonstrations;
    the rows at no demonstrations say how far words go.

    Raises:
        ProbeError: if fewer than two tasks are named, or the head has too few prompts.
    """
    tasks, width = len(study.wordings), study.reader.stream.width
    if tasks < 2:
        raise ProbeError(
            f"A {head} head tells tasks apart, but {config.task} is one. Use --head lens, or --task language."
        )
    if config.prompts < 2 * (width + 1):
        raise ProbeError(
            f"--prompts {config.prompts} was given, but a linear head on a stream {width} wide needs at "
            f"least {2 * (width + 1)}. Give more prompts."
        )
    fitted = _fit(study, head, context, config, report)
    layers = study.reader.layers
    scores = {
        head: LayerErrors("task", range(layers), layers - 1, [context], config.seed),
        "chance": LayerErrors("task", None, layers - 1, [context], config.seed),
    }
    for numbers, features, truth in _batches(study, head, context, config, "score", config.score):
        guess = torch.full((len(truth), 1), 1 - 1 / tasks, dtype=torch.float64)
        for name, one in features.items():
            cost = (fitted[name](one).argmax(-1).cpu() != truth[:, None]).double()
            scores[name].add(numbers, cost, guess, torch.ones(len(truth), 1, dtype=torch.bool))
        report(f"score {study.checkpoint.name}", numbers.stop, config.score)
    rows = []
    for name, errors in scores.items():
        for row in errors.rows(study.checkpoint.name, name):
            spread = (row["mse"] * (1 - row["mse"]) / row["prompts"]) ** 0.5
            further = {"task": "identity", "metric": "accuracy", "value": 1 - row["mse"], "standard_error": spread}
            ends = {f"value_{a}": 1 - row[b] * (1 - 1 / tasks) for a, b in (("low", "high"), ("high", "low"))}
            rows.append(row | further | ends)
    return rows


def _fit(study: Study, head: str, context: int, config: FitConfig, report: Report) -> dict[str, LinearHeads]:
    moments: dict[str, Moments] = {}
    for numbers, features, truth in _batches(study, head, context, config, "fit", config.prompts):
        target = F.one_hot(truth, len(study.wordings)).float()[:, None]
        for name, one in features.items():
            if name not in moments:
                moments[name] = Moments((len(one), 1), one.shape[-1], target.shape[-1], one.device)
            moments[name].update(one, target.to(one.device))
        report(f"fit {study.checkpoint.name}", numbers.stop, config.prompts)
    errors = {name: SelectionErrors(solve_path(found)) for name, found in moments.items()}
    for _, features, truth in _batches(study, head, context, config, "select", -(-config.prompts // 4)):
        target = F.one_hot(truth, len(study.wordings)).float()[:, None]
        for name, one in features.items():
            errors[name].update(one, target.to(one.device))
    return {name: error.path.choose(error.best()) for name, error in errors.items()}


@torch.no_grad()
def _batches(
    study: Study, head: str, context: int, config: FitConfig, purpose: Purpose, count: int
) -> Iterator[tuple[range, dict[str, Tensor], Tensor]]:
    """Yields prompts' numbers, what each head reads [layer, batch, 1, width], and their tasks."""
    reader = study.reader
    for first in range(0, count, CHUNK):
        numbers = range(first, min(first + CHUNK, count))
        truth = torch.tensor([number % len(study.wordings) for number in numbers])
        prompts = []
        for number, task in zip(numbers, truth.tolist(), strict=True):
            wording = study.wordings[task]
            pairs = wording.draw(config.seed, purpose, number, context + 1)
            prompts.append(study.encode(wording, pairs[1:], pairs[0]))
        stream = torch.empty(reader.layers, len(numbers), 1, reader.stream.width, device=reader.device)
        for places, batch in reader.batches(prompts):
            last = torch.tensor([batch.shape[1] - 1], device=reader.device)
            stream[:, places] = capture(reader.stream, batch, last).stream.to(stream)
        read = reader.stream.normalise(stream) if head == "normed" else stream
        drawn = [
            generator(config.seed, "chance", "language", purpose, number).standard_normal(
                reader.stream.width, "float32"
            )
            for number in numbers
        ]
        yield numbers, {head: read, "chance": torch.stack(list(map(torch.from_numpy, drawn)))[None, :, None]}, truth
