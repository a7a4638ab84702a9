"""Fits heads on the residual stream at every block and measures what each block adds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from probe import checkpoint, tasks
from probe.capture import Captured, NativeModel, capture
from probe.checkpoint import Checkpoint, device_named
from probe.config import FitConfig
from probe.errors import ProbeError
from probe.heads import LinearHeads, Moments, SelectionErrors, solve_path
from probe.heads.calibrated import PROTOCOLS, Protocol, calibrate
from probe.learners import LEARNERS, Learner
from probe.randomness import KeyedGenerator, PromptSource, Purpose, key
from probe.records import COLUMNS, Record, versions
from probe.statistics import LayerErrors, MeanBootstrap
from probe.tasks import Prompts, Task
from probe.tasks.prompts import append_each

WIDE = 128  # above this width, contexts default to FEW
FEW = 8
FEWEST_SCORED = 32
CALIBRATED_BATCH = 8  # prompts, each with up to 50 queries appended alone

RIDGES = frozenset({"linear", "normed"})
Features = dict[str, Tensor]
Report = Callable[[str, int, int], None]
"""Called with the stage, the prompts done and all of them."""


@dataclass(frozen=True)
class Subject:
    """A checkpoint ready to be probed, with the task and contexts it is probed on."""

    checkpoint: Checkpoint
    model: NativeModel
    task: Task
    contexts: Tensor
    device: torch.device

    @property
    def layers(self) -> int:
        """The number of layers, the read-in included."""
        return len(self.model.places)

    def errors(self, target: str, layers: Sequence[int] | None, config: FitConfig) -> LayerErrors:
        """Returns an empty table of errors at this subject's contexts."""
        return LayerErrors(target, layers, self.layers - 1, self.contexts.tolist(), config.seed)

    @torch.no_grad()
    def decode(self, stream: Tensor) -> Tensor:
        """Returns what the model's own decoder makes of a stream, on the CPU."""
        return self.model.decode(stream).cpu()

    def batches(self, config: FitConfig, purpose: Purpose, count: int) -> Iterator[tuple[range, Prompts, Captured]]:
        """Draws prompts by number and captures the stream at the chosen contexts' query tokens."""
        longest = int(self.contexts.max())
        for first in range(0, count, config.batch):
            numbers = range(first, min(first + config.batch, count))
            prompts = self.task.draw(PromptSource(config.seed, purpose, numbers), longest)
            positions = prompts.queries[self.contexts].to(self.device)
            yield numbers, prompts, capture(self.model, prompts.inputs.to(self.device), positions)


def fit_heads(config: FitConfig, command: str = "", report: Report | None = None) -> Record:
    """Fits the chosen heads on every checkpoint and returns one row per model, layer, context, target and head.

    Raises:
        ProbeError: if a checkpoint, the task, a context or a number of prompts does not fit, before any work.
    """
    subjects = prepare(config)
    rows: list[dict[str, Any]] = []
    for subject in subjects:
        rows += _probe(subject, config, report or _silent)
    table = pd.DataFrame(rows)
    further = [name for name in table.columns if name not in COLUMNS]
    provenance = {
        "kind": "fit",
        "command": command,
        "config": asdict(config),
        "versions": versions(),
        "models": {subject.checkpoint.name: describe(subject) for subject in subjects},
    }
    return Record(table[[*COLUMNS, *further]], provenance)


def prepare(config: FitConfig) -> list[Subject]:
    """Loads the checkpoints and refuses, before any work, what does not fit together."""
    names = [checkpoint.find(name).stem for name in config.ckpt]
    if len(set(names)) < len(names):
        raise ProbeError(f"The checkpoints {', '.join(names)} share a name. Rename one, or drop the repeated one.")
    if not config.head:
        raise ProbeError("No head was given, but at least one is needed. Add --head linear.")
    for flag, number in (("--prompts", config.prompts), ("--batch", config.batch)):
        if number < 1:
            raise ProbeError(f"{flag} {number} was given, but a positive number is needed. Give one.")
    if config.score < FEWEST_SCORED:
        raise ProbeError(
            f"--score {config.score} was given, but bands need at least {FEWEST_SCORED} prompts. Give more."
        )
    device = device_named(config.device)
    return [_subject(checkpoint.load(name), config, device) for name in config.ckpt]


def _subject(found: Checkpoint, config: FitConfig, device: torch.device) -> Subject:
    settings = found.model.config
    if config.dim is not None and config.dim != settings.dim:
        raise ProbeError(
            f"{found.name} reads {settings.dim}-dimensional inputs, but --dim {config.dim} was given. "
            "Drop --dim to use the checkpoint's."
        )
    task = tasks.make(config.task, settings.dim)
    contexts = choose_contexts(config.context, found.context, settings.width)
    if RIDGES & set(config.head) and config.prompts < 2 * (settings.width + 1):
        raise ProbeError(
            f"--prompts {config.prompts} was given, but a linear head on a stream {settings.width} wide needs at "
            f"least {2 * (settings.width + 1)}. Give more prompts."
        )
    if settings.positions == "learned" and 2 * max(contexts) + 1 > settings.slots:
        raise ProbeError(
            f"A context of {max(contexts)} was given, but {found.name} has learned positions for "
            f"{(settings.slots - 1) // 2} examples. Ask for a shorter context or train with a longer one."
        )
    fewest = PROTOCOLS[config.protocol].fitted if PROTOCOLS[config.protocol].in_context else 1
    if "calibrated" in config.head and max(contexts) < fewest:
        raise ProbeError(
            f"A largest context of {max(contexts)} was given, but the calibrated head by the {config.protocol} "
            f"protocol needs at least {fewest} examples. Give a larger --context."
        )
    if config.target != "y":
        _target(config, task.draw(PromptSource(config.seed, "fit", [0]), 1), torch.tensor([0]))
    found.model.to(device).use_kernel(config.kernel)
    return Subject(found, NativeModel(found.model), task, torch.tensor(contexts), device)


def choose_contexts(text: str, trained: int, width: int) -> list[int]:
    """Returns the numbers of examples to probe at: those named, or all, or eight spaced geometrically if wide.

    Raises:
        ProbeError: if the text is neither ``all`` nor whole numbers with commas between.
    """
    if text == "all":
        if width <= WIDE:
            return list(range(trained + 1))
        return sorted({round((trained + 1) ** (i / (FEW - 1))) - 1 for i in range(FEW)})
    try:
        contexts = sorted({int(part) for part in text.split(",")})
    except ValueError as error:
        raise ProbeError(
            f"--context {text} was given, but all or whole numbers with commas are needed. Write 0,5,10."
        ) from error
    if contexts[0] < 0:
        raise ProbeError(f"--context {text} was given, but a context is 0 or more. Drop the negative number.")
    return contexts


def _silent(stage: str, done: int, total: int) -> None:
    """Reports to nobody."""


def _probe(subject: Subject, config: FitConfig, report: Report) -> list[dict[str, Any]]:
    ridges = [name for name in config.head if name in RIDGES]
    fitted = _fit_linear(subject, config, report) if ridges else {}
    rows = _score(subject, config, fitted, report)
    if "calibrated" in config.head:
        rows += _calibrated(subject, config, report)
    return rows


def _features(subject: Subject, config: FitConfig, purpose: Purpose, numbers: range, stream: Tensor) -> Features:
    """Returns what every asked-for ridge head reads, and an independent random stream for the chance line."""
    found: Features = {"linear": stream} if "linear" in config.head else {}
    if "normed" in config.head:
        with torch.no_grad():
            found["normed"] = subject.model.normalise(stream)
    return found | {"chance": _noise(config, purpose, numbers, len(subject.contexts), subject.model.width)}


def _fit_linear(subject: Subject, config: FitConfig, report: Report) -> dict[str, LinearHeads]:
    """Fits every ridge head, and chance beside them, in one pass, and chooses their penalties in a second."""
    name, moments = subject.checkpoint.name, dict[str, Moments]()
    for numbers, prompts, captured in subject.batches(config, "fit", config.prompts):
        target = _target(config, prompts, subject.contexts)
        for head, features in _features(subject, config, "fit", numbers, captured.stream).items():
            if head not in moments:
                grid = len(features), len(subject.contexts)
                moments[head] = Moments(grid, subject.model.width, target.shape[-1], features.device)
            moments[head].update(features, target.to(features.device))
        report(f"fit {name}", numbers.stop, config.prompts)
    errors = {head: SelectionErrors(solve_path(found)) for head, found in moments.items()}
    count = -(-config.prompts // 4)
    for numbers, prompts, captured in subject.batches(config, "select", count):
        target = _target(config, prompts, subject.contexts)
        for head, features in _features(subject, config, "select", numbers, captured.stream).items():
            errors[head].update(features, target.to(features.device))
        report(f"select {name}", numbers.stop, count)
    return {head: error.path.choose(error.best()) for head, error in errors.items()}


def _noise(config: FitConfig, purpose: Purpose, numbers: range, contexts: int, width: int) -> Tensor:
    """Returns an independent random stream, the same at every context: [1, batch, context, width]."""
    drawn = _independent((config.seed, "chance", purpose), numbers, width)
    return drawn[None, :, None].expand(1, -1, contexts, -1)


def _target(config: FitConfig, prompts: Prompts, contexts: Tensor) -> Tensor:
    """Returns what the head is asked for, [batch, context, target]."""
    if config.target == "y":
        return prompts.targets[:, contexts, None]
    drawn = {name: value for name, value in prompts.parameters.items() if value.ndim == 2}
    if config.target not in drawn:
        raise ProbeError(
            f"No target of {config.task} is called {config.target!r}. Targets: {', '.join(['y', *drawn])}."
        )
    return drawn[config.target][:, None].expand(-1, len(contexts), -1)


def _score(subject: Subject, config: FitConfig, fitted: dict[str, LinearHeads], report: Report) -> list[dict[str, Any]]:
    everywhere, name = range(subject.layers), subject.checkpoint.name
    scores = {"model": subject.errors("y", [subject.layers - 1], config)}
    for head in fitted:
        scores[head] = subject.errors(config.target, None if head == "chance" else everywhere, config)
    if "lens" in config.head:
        scores["lens"] = subject.errors("y", everywhere, config)
    scores.update({learner: subject.errors("y", None, config) for learner in LEARNERS})
    for numbers, prompts, captured in subject.batches(config, "score", config.score):
        y = prompts.targets[:, subject.contexts, None]
        target = _target(config, prompts, subject.contexts)
        scores["model"].update(numbers, captured.output.cpu()[None], y)
        if fitted:
            for head, features in _features(subject, config, "score", numbers, captured.stream).items():
                scores[head].update(numbers, fitted[head](features).cpu(), target)
        if "lens" in scores:
            scores["lens"].update(numbers, subject.decode(captured.stream), y)
        for learner, function in LEARNERS.items():
            scores[learner].update(numbers, _learned(function, prompts, subject.contexts), y)
        report(f"score {name}", numbers.stop, config.score)
    rows = [row for head, errors in scores.items() for row in errors.rows(name, head)]
    for head, heads in fitted.items():
        chosen = [row for row in rows if row["head"] == head]
        for row, penalty in zip(chosen, heads.penalty.flatten().tolist(), strict=True):
            row["penalty"] = penalty
    return rows


def _learned(learner: Learner, prompts: Prompts, contexts: Tensor) -> Tensor:
    """Returns a learner's predictions at every context, [1, batch, context, 1]."""
    x, y = prompts.x, prompts.y
    predicted = [learner(x[:, :i], y[:, :i], x[:, i]) for i in contexts.tolist()]
    return torch.stack(predicted, dim=1)[None, :, :, None]


def _calibrated(subject: Subject, config: FitConfig, report: Report) -> list[dict[str, Any]]:
    """Runs a protocol of Grazzi et al. (2024) with the largest chosen context as its k."""
    protocol, examples = PROTOCOLS[config.protocol], int(subject.contexts.max())
    layers, blocks, name = range(subject.layers), subject.layers - 1, subject.checkpoint.name
    lens = LayerErrors("y", layers, blocks, [examples], config.seed)
    chance = LayerErrors("y", None, blocks, [examples], config.seed)
    scales, shifts = (MeanBootstrap((subject.layers,), seed=config.seed) for _ in range(2))
    for first in range(0, protocol.prompts, CALIBRATED_BATCH):
        numbers = range(first, min(first + CALIBRATED_BATCH, protocol.prompts))
        source = PromptSource(config.seed, "score", numbers)
        prompts = subject.task.draw(source, examples + protocol.appended - 1)
        predicted, target = _calibration_predictions(subject, prompts, protocol, examples)
        fitted = target[:, : protocol.fitted], target[:, protocol.fitted :]
        split = torch.split(predicted, [protocol.fitted, protocol.tested], dim=-1)
        found = calibrate(split[0], fitted[0], split[1], fitted[1])
        lens.add(numbers, found.squared.T[..., None], found.zero[:, None, None])
        scales.update(numbers, found.scale.T)
        shifts.update(numbers, found.shift.T)
        unknowing = _independent((config.seed, "chance", "calibrated"), numbers, protocol.fitted + protocol.tested)
        random = torch.split(unknowing[None], [protocol.fitted, protocol.tested], dim=-1)
        blind = calibrate(random[0], fitted[0], random[1], fitted[1])
        chance.add(numbers, blind.squared.T[..., None], blind.zero[:, None, None])
        report(f"calibrate {name}", numbers.stop, protocol.prompts)
    rows = list(lens.rows(name, "calibrated"))
    for quantity, found_means in (("scale", scales), ("shift", shifts)):
        mean, (low, high) = found_means.estimate(), found_means.interval()
        for layer, row in enumerate(rows):
            row[quantity] = mean[layer].item()
            row[f"{quantity}_low"], row[f"{quantity}_high"] = low[layer].item(), high[layer].item()
    return rows + list(chance.rows(name, "chance_calibrated"))


def _calibration_predictions(
    subject: Subject, prompts: Prompts, protocol: Protocol, examples: int
) -> tuple[Tensor, Tensor]:
    """Returns lens predictions [layer, batch, fitted + tested] and their targets [batch, fitted + tested]."""
    sequences, targets = append_each(prompts, examples)
    batch, asked = targets.shape
    last = torch.tensor([sequences.shape[2] - 1], device=subject.device)
    alone = capture(subject.model, sequences.flatten(0, 1).to(subject.device), last)
    predicted = subject.decode(alone.stream)[:, :, 0, 0].reshape(subject.layers, batch, asked)
    if not protocol.in_context:
        return predicted, targets
    inside = prompts.queries[examples - protocol.fitted : examples].to(subject.device)
    within = capture(subject.model, sequences[:, 0].to(subject.device), inside)
    earlier = subject.decode(within.stream)[..., 0]
    there = prompts.targets[:, examples - protocol.fitted : examples]
    return torch.cat([earlier, predicted], dim=-1), torch.cat([there, targets], dim=-1)


def _independent(parts: tuple[object, ...], numbers: range, count: int) -> Tensor:
    """Returns standard normal draws that know nothing of the prompts, float32 [batch, count]."""
    drawn, keyed = np.empty((len(numbers), count), dtype=np.float32), KeyedGenerator()
    for row, number in zip(drawn, numbers, strict=True):
        keyed.at(key(*parts, number)).standard_normal(out=row, dtype=np.float32)
    return torch.from_numpy(drawn)


def describe(subject: Subject) -> dict[str, Any]:
    """Returns what a figure needs to know of a model: its blocks, and parameters and FLOPs up to each layer."""
    found, time = subject.checkpoint, 2 * int(subject.contexts.max()) + 1
    return {
        "arch": found.description.get("arch", found.model.config.layout),
        "layout": found.model.config.layout,
        "letters": found.model.letters,
        "blocks": subject.layers - 1,
        "block": "pre-norm",
        "width": found.model.config.width,
        "dim": found.model.config.dim,
        "context": found.context,
        "task": found.task,
        "seed": found.description.get("seed"),
        "step": found.description.get("step"),
        "digest": found.digest,
        "cumulative_parameters": found.model.cumulative_parameters(),
        "cumulative_flops": found.model.cumulative_flops(time),
    }
