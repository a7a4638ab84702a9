"""Fits heads on the residual stream at every block and measures what each block adds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from probe import learners
from probe.capture import capture
from probe.checkpoint import Checkpoint
from probe.config import FitConfig
from probe.devices import device_named
from probe.errors import ProbeError, suggest
from probe.heads import LinearHeads, Moments, SelectionErrors, best_penalty, solve_path
from probe.heads.calibrated import PROTOCOLS, Calibration, Protocol, calibrate
from probe.language import is_language, language_layers
from probe.processes import ALONE, Processes, merge_each, only_one
from probe.randomness import KeyedGenerator, PromptSource, Purpose, key
from probe.records import COLUMNS, Record, versions
from probe.statistics import LayerErrors, MeanBootstrap
from probe.subject import Subject as Subject
from probe.subject import check_length, check_same, describe, learned, load_all, notes_on, task_for, trained_context
from probe.tasks import Prompts, Task
from probe.tasks.objectives import ZERO

WIDE = 128  # above this width, contexts default to FEW
FEW = 8
FEWEST_SCORED = 32
MOST_SYMBOLS = 512
CALIBRATED_BATCH = 8  # prompts, each with up to 50 queries appended alone

RIDGES = frozenset({"linear", "normed"})
Features = dict[str, Tensor]
Report = Callable[[str, int, int], None]
"""Called with the stage, the prompts done and all of them."""


def fit_heads(
    config: FitConfig,
    command: str = "",
    report: Report | None = None,
    models: Sequence[Checkpoint] = (),
    processes: Processes = ALONE,
) -> Record:
    """Fits the chosen heads on every checkpoint and returns one row per model, layer, context, target and head.

    Args:
        models: checkpoints at hand, taken in place of the files that the config names.
        processes: those that run this together; each returns the whole record.

    Raises:
        ProbeError: if a checkpoint, the task, a context or a number of prompts does not fit, before any work.
    """
    if is_language(config.task):
        only_one(processes, f"--task {config.task}")
        return language_layers(config, command, report, models)
    subjects = prepare(config, models)
    check_same([subject.checkpoint for subject in subjects], processes)
    rows: list[dict[str, Any]] = []
    for subject in subjects:
        rows += _probe(subject, config, report or _silent, processes)
    table = pd.DataFrame(rows)
    further = [name for name in table.columns if name not in COLUMNS]
    provenance = {
        "kind": "fit",
        "command": command,
        "config": asdict(config),
        "versions": versions(),
        "processes": processes.count,
        "notes": [note for subject in subjects for note in notes_on([subject.checkpoint], max(subject.contexts))],
        "units": {"y": subjects[0].task.unit} | ({} if config.target == "y" else {config.target: ZERO}),
        "models": {
            subject.checkpoint.name: describe(subject.checkpoint, subject.task, subject.longest) for subject in subjects
        },
    }
    return Record(table[[*COLUMNS, *further]], provenance)


def prepare(config: FitConfig, models: Sequence[Checkpoint] = ()) -> list[Subject]:
    """Loads the checkpoints and refuses, before any work, what does not fit together."""
    if not config.head:
        raise ProbeError("No head was given, but at least one is needed. Add --head linear.")
    if "task_vector" in config.head:
        raise ProbeError(f"The task_vector head suits language tasks, and {config.task} is none. Use --head linear.")
    if config.score < FEWEST_SCORED:
        raise ProbeError(
            f"--score {config.score} was given, but bands need at least {FEWEST_SCORED} prompts. Give more."
        )
    device = device_named(config.device)
    return [_subject(found, config, device) for found in load_all(config.ckpt, models)]


def _subject(found: Checkpoint, config: FitConfig, device: torch.device) -> Subject:
    width, task = found.stream.width, task_for(found, config.task, config.dim)
    asked = parse_contexts(config.context)
    longest = trained_context([found]) if asked is None else max(asked)
    sample = task.draw(PromptSource(config.seed, "fit", [0]), longest)
    contexts = choose_contexts(asked, sample.contexts, width)
    if RIDGES & set(config.head) and config.prompts < 2 * (width + 1):
        raise ProbeError(
            f"--prompts {config.prompts} was given, but a linear head on a stream {width} wide needs at "
            f"least {2 * (width + 1)}. Give more prompts."
        )
    if RIDGES & set(config.head) and task.objective == "symbol" and task.shape.outputs > MOST_SYMBOLS:
        raise ProbeError(
            f"A linear head was asked for {task.shape.outputs} symbols, but it suits at most {MOST_SYMBOLS}, one "
            "target each. Use --head lens."
        )
    check_length(found, task, longest)
    if "calibrated" in config.head and not (task.appendable and task.objective == "squared"):
        raise ProbeError(
            f"The calibrated head was asked for, but it suits tasks of pairs with a number to predict, and not "
            f"{config.task}. Use --head linear lens."
        )
    fewest = PROTOCOLS[config.protocol].fitted if PROTOCOLS[config.protocol].in_context else 1
    if "calibrated" in config.head and longest < fewest:
        raise ProbeError(
            f"A largest context of {longest} was given, but the calibrated head by the {config.protocol} "
            f"protocol needs at least {fewest} examples. Give a larger --context."
        )
    _target(config, sample, task)
    if config.target != "y" and not RIDGES & set(config.head):
        raise ProbeError(
            f"--target {config.target} was given, but of the heads only linear and normed can be asked for it. "
            "Add --head linear, or drop --target."
        )
    found.model.to(device)
    found.stream.use_kernel(config.kernel)
    chosen = torch.tensor([sample.contexts.index(context) for context in contexts])
    return Subject(found, found.stream, task, longest, contexts, chosen, device)


def choose_contexts(asked: list[int] | None, available: Sequence[int], width: int) -> list[int]:
    """Returns the numbers of examples to probe at: those asked for, or all, or eight spaced geometrically if wide.

    Raises:
        ProbeError: if the task has no query after so many examples.
    """
    if asked is None:
        if width <= WIDE:
            return list(available)
        last = len(available)
        return [available[place] for place in sorted({round(last ** (i / (FEW - 1))) - 1 for i in range(FEW)})]
    missing = [context for context in asked if context not in available]
    if missing:
        raise ProbeError(
            f"A context of {missing[0]} was given, but in prompts of {available[-1]} examples the task has queries "
            f"after {available[0]} to {available[-1]}. Choose among them."
        )
    return asked


def parse_contexts(text: str) -> list[int] | None:
    """Returns the numbers of examples that a checked text names, in their order, or None for ``all``."""
    return None if text == "all" else sorted({int(part) for part in text.split(",")})


def _silent(stage: str, done: int, total: int) -> None:
    """Reports to nobody."""


def _probe(subject: Subject, config: FitConfig, report: Report, processes: Processes) -> list[dict[str, Any]]:
    fitted, scores = measure(subject, config, report, processes)
    rows = [row for head, errors in scores.items() for row in errors.rows(subject.checkpoint.name, head)]
    for head, heads in fitted.items():
        chosen = [row for row in rows if row["head"] == head]
        for row, penalty in zip(chosen, heads.penalty.flatten().tolist(), strict=True):
            row["penalty"] = penalty
    if "calibrated" in config.head:
        rows += _calibrated(subject, config, report, processes)
    return rows


def measure(
    subject: Subject, config: FitConfig, report: Report, processes: Processes = ALONE
) -> tuple[dict[str, LinearHeads], dict[str, LayerErrors]]:
    """Returns the fitted heads, and the errors of every head but the calibrated on the score prompts."""
    ridges = [name for name in config.head if name in RIDGES]
    fitted = _fit_linear(subject, config, report, processes) if ridges else {}
    return fitted, _score(subject, config, fitted, report, processes)


def _features(subject: Subject, config: FitConfig, purpose: Purpose, numbers: range, stream: Tensor) -> Features:
    """Returns what every asked-for ridge head reads, and an independent random stream for the chance line."""
    found: Features = {"linear": stream} if "linear" in config.head else {}
    if "normed" in config.head:
        with torch.no_grad():
            found["normed"] = subject.model.normalise(stream)
    return found | {"chance": _noise(config, purpose, numbers, len(subject.contexts), subject.model.width)}


def _fit_linear(
    subject: Subject, config: FitConfig, report: Report, processes: Processes = ALONE
) -> dict[str, LinearHeads]:
    """Fits every ridge head, and chance beside them, in one pass, and chooses their penalties in a second."""
    name, moments = subject.checkpoint.name, dict[str, Moments]()
    for numbers, prompts, captured in subject.batches(config, "fit", config.prompts, processes):
        target, counted = _target(config, prompts, subject.task), _counted(config, prompts)
        for head, features in _features(subject, config, "fit", numbers, captured.stream).items():
            if head not in moments:
                grid = len(features), len(subject.contexts)
                moments[head] = Moments(grid, subject.model.width, target.shape[-1], features.device)
            moments[head].update(features, target.to(features.device), counted)
        report(f"fit {name}", numbers.stop, config.prompts)
    # solved once and handed round: machines of two kinds would not find the same path to the bit
    paths = processes.merged(moments, merge_each, lambda all_: {head: solve_path(each) for head, each in all_.items()})
    errors = {head: SelectionErrors(path) for head, path in paths.items()}
    count = -(-config.prompts // 4)
    for numbers, prompts, captured in subject.batches(config, "select", count, processes):
        target, counted = _target(config, prompts, subject.task), _counted(config, prompts)
        for head, features in _features(subject, config, "select", numbers, captured.stream).items():
            errors[head].update(features, target.to(features.device), counted)
        report(f"select {name}", numbers.stop, count)
    sums = processes.merged({head: error.errors for head, error in errors.items()}, _added, dict)
    return {head: path.choose(best_penalty(sums[head])) for head, path in paths.items()}


def _added(one: dict[str, Tensor], other: dict[str, Tensor]) -> dict[str, Tensor]:
    return {head: errors + other[head] for head, errors in one.items()}


def _noise(config: FitConfig, purpose: Purpose, numbers: range, contexts: int, width: int) -> Tensor:
    """Returns an independent random stream, the same at every context: [1, batch, context, width]."""
    drawn = _independent((config.seed, "chance", purpose), numbers, width)
    return drawn[None, :, None].expand(1, -1, contexts, -1)


def _counted(config: FitConfig, prompts: Prompts) -> Tensor | None:
    """Returns at which contexts a prompt counts, or None for all: a drawn parameter can be asked for anywhere."""
    return None if config.target != "y" or bool(prompts.counted.all()) else prompts.counted


def _target(config: FitConfig, prompts: Prompts, task: Task) -> Tensor:
    """Returns what the head is asked for, [batch, context, target]."""
    if config.target == "y":
        return task.encoded(prompts)
    # whole numbers and masks name symbols, coordinates or places, which a regression cannot predict
    drawn = {name: value for name, value in prompts.parameters.items() if value.ndim == 2 and value.is_floating_point()}
    if config.target not in drawn:
        whole = "It holds whole numbers or a mask, which a regression cannot predict. "
        why = whole if config.target in prompts.parameters else suggest(config.target, ["y", *drawn])
        raise ProbeError(
            f"No target of {config.task} is called {config.target!r}. {why}Targets: {', '.join(['y', *drawn])}."
        )
    return drawn[config.target][:, None].expand(-1, len(prompts.contexts), -1).float()


def _score(
    subject: Subject, config: FitConfig, fitted: dict[str, LinearHeads], report: Report, processes: Processes
) -> dict[str, LayerErrors]:
    everywhere = range(subject.layers)
    scores = {"model": subject.errors("y", [subject.layers - 1], config)}
    for head in fitted:
        scores[head] = subject.errors(config.target, None if head == "chance" else everywhere, config)
    if "lens" in config.head:
        scores["lens"] = subject.errors("y", everywhere, config)
    references = {name: learners.make(name) for name in subject.task.references[:1]}
    scores.update({learner: subject.errors("y", None, config) for learner in references})
    for numbers, prompts, captured in subject.batches(config, "score", config.score, processes):
        answers = {"model": subject.task.answer(captured.output.cpu())[None]}
        if fitted:
            for head, features in _features(subject, config, "score", numbers, captured.stream).items():
                predicted = fitted[head](features).cpu()
                if config.target == "y":
                    answers[head] = predicted
                else:
                    scores[head].update(numbers, predicted, _target(config, prompts, subject.task))
        if "lens" in scores:
            answers["lens"] = subject.decode(captured.stream)
        for learner, reference in references.items():
            answers[learner] = learned(reference, prompts)[None]
        guess = subject.task.guess(prompts)
        for head, answer in answers.items():
            scores[head].add(numbers, subject.task.cost(answer, prompts), guess, prompts.counted)
            metrics = subject.task.metrics(answer, prompts, logits=head in ("model", "lens"))
            scores[head].add_metrics(numbers, metrics, prompts.counted)
        report(f"score {subject.checkpoint.name}", numbers.stop, config.score)
    return processes.merged(scores, merge_each, dict)


def _calibrated(subject: Subject, config: FitConfig, report: Report, processes: Processes) -> list[dict[str, Any]]:
    """Runs a protocol of Grazzi et al. (2024) with the largest chosen context as its k."""
    protocol, examples = PROTOCOLS[config.protocol], subject.longest
    layers, blocks, name = range(subject.layers), subject.layers - 1, subject.checkpoint.name
    errors = {
        head: LayerErrors("y", of, blocks, [examples], config.seed) for head, of in (("lens", layers), ("chance", None))
    }
    means = {quantity: MeanBootstrap((subject.layers,), seed=config.seed) for quantity in ("scale", "shift")}
    for first in processes.deal(range(0, protocol.prompts, CALIBRATED_BATCH)):
        numbers = range(first, min(first + CALIBRATED_BATCH, protocol.prompts))
        source = PromptSource(config.seed, "score", numbers)
        prompts = subject.task.draw(source, examples + protocol.appended - 1)
        found = calibrate_prompts(subject, prompts, protocol, examples)
        zero = found.zero[:, None]
        errors["lens"].add(numbers, found.squared[..., None], zero, torch.ones_like(zero, dtype=torch.bool))
        means["scale"].update(numbers, found.scale.T)
        means["shift"].update(numbers, found.shift.T)
        unknowing = _independent((config.seed, "chance", "calibrated"), numbers, protocol.fitted + protocol.tested)
        blind = _calibrated_by(protocol, unknowing[None], _calibration_targets(prompts, protocol, examples))
        errors["chance"].add(numbers, blind.squared[..., None], zero, torch.ones_like(zero, dtype=torch.bool))
        report(f"calibrate {name}", numbers.stop, protocol.prompts)
    errors, means = processes.merged(errors, merge_each, dict), processes.merged(means, merge_each, dict)
    rows = list(errors["lens"].rows(name, "calibrated"))
    for quantity, found_means in means.items():
        mean, (low, high) = found_means.estimate(), found_means.interval()
        for layer, row in enumerate(rows):
            row[quantity] = mean[layer].item()
            row[f"{quantity}_low"], row[f"{quantity}_high"] = low[layer].item(), high[layer].item()
    return rows + list(errors["chance"].rows(name, "chance_calibrated"))


def calibrate_prompts(subject: Subject, prompts: Prompts, protocol: Protocol, examples: int) -> Calibration:
    """Returns scale, shift and error of every layer on given prompts, by a protocol of Grazzi et al. (2024).

    Args:
        prompts: the first `examples` points of each are its context, the others are appended to it one at a time.
    """
    predicted = _calibration_predictions(subject, prompts, protocol, examples)
    return _calibrated_by(protocol, predicted, _calibration_targets(prompts, protocol, examples))


def _calibrated_by(protocol: Protocol, predicted: Tensor, target: Tensor) -> Calibration:
    """Fits on the first predictions and judges on the rest, [layer, batch, fitted + tested]."""
    m = protocol.fitted
    return calibrate(predicted[..., :m], target[:, :m], predicted[..., m:], target[:, m:])


def _calibration_targets(prompts: Prompts, protocol: Protocol, examples: int) -> Tensor:
    """Returns the targets of the fitted queries and then of the tested, [batch, fitted + tested]."""
    first = examples - protocol.fitted if protocol.in_context else examples
    return prompts.targets[:, first:, 0]


def _calibration_predictions(subject: Subject, prompts: Prompts, protocol: Protocol, examples: int) -> Tensor:
    """Returns the lens's predictions at the fitted queries and then the tested, [layer, batch, fitted + tested]."""
    stream, _ = subject.alone(prompts, examples)
    predicted = subject.decode(stream)[..., 0]
    if not protocol.in_context:
        return predicted
    inside = prompts.queries[examples - protocol.fitted : examples].to(subject.device)
    within = capture(subject.model, prompts.inputs[:, : 2 * examples + 1].to(subject.device), inside)
    return torch.cat([subject.decode(within.stream)[..., 0], predicted], dim=-1)


def _independent(parts: tuple[object, ...], numbers: range, count: int) -> Tensor:
    """Returns standard normal draws that know nothing of the prompts, float32 [batch, count]."""
    drawn, keyed = np.empty((len(numbers), count), dtype=np.float32), KeyedGenerator()
    for row, number in zip(drawn, numbers, strict=True):
        keyed.at(key(*parts, number)).standard_normal(out=row, dtype=np.float32)
    return torch.from_numpy(drawn)
