"""The passes over prompts: some fit heads, others choose their penalties, and yet others measure their errors."""

from __future__ import annotations

import torch
from torch import Tensor

from probe import learners
from probe.config import FitConfig
from probe.heads import LinearHeads, Moments, SelectionErrors, best_penalty, solve_path
from probe.probing.chance import noise
from probe.probing.experiment import Experiment, learned
from probe.probing.prepare import RIDGES
from probe.probing.targets import counted_of, target_of
from probe.processes import ALONE, Processes, merge_each
from probe.progress import Report
from probe.randomness import Purpose
from probe.statistics import LayerErrors

Features = dict[str, Tensor]


def measure(
    experiment: Experiment, config: FitConfig, report: Report, processes: Processes = ALONE
) -> tuple[dict[str, LinearHeads], dict[str, LayerErrors]]:
    """Returns the fitted heads, and the errors of every head but the calibrated on the score prompts."""
    ridges = [name for name in config.head if name in RIDGES]
    fitted = _fit_linear(experiment, config, report, processes) if ridges else {}
    return fitted, _score(experiment, config, fitted, report, processes)


def _features(experiment: Experiment, config: FitConfig, purpose: Purpose, numbers: range, stream: Tensor) -> Features:
    """Returns what every asked-for ridge head reads, and an independent random stream for the chance line."""
    found: Features = {"linear": stream} if "linear" in config.head else {}
    if "normed" in config.head:
        with torch.no_grad():
            found["normed"] = experiment.model.normalise(stream)
    return found | {"chance": noise(config, purpose, numbers, len(experiment.contexts), experiment.model.width)}


def _fit_linear(
    experiment: Experiment, config: FitConfig, report: Report, processes: Processes = ALONE
) -> dict[str, LinearHeads]:
    """Fits every ridge head, and chance beside them, in one pass, and chooses their penalties in a second."""
    name, moments = experiment.checkpoint.name, dict[str, Moments]()
    for numbers, prompts, captured in experiment.batches(config, "fit", config.prompts, processes):
        target, counted = target_of(config, prompts, experiment.task), counted_of(config, prompts)
        for head, features in _features(experiment, config, "fit", numbers, captured.stream).items():
            if head not in moments:
                grid = len(features), len(experiment.contexts)
                moments[head] = Moments(grid, experiment.model.width, target.shape[-1], features.device)
            moments[head].update(features, target.to(features.device), counted)
        report(f"fit {name}", numbers.stop, config.prompts)
    # solved once and handed round: machines of two kinds would not find the same path to the bit
    paths = processes.merged(moments, merge_each, lambda all_: {head: solve_path(each) for head, each in all_.items()})
    errors = {head: SelectionErrors(path) for head, path in paths.items()}
    count = -(-config.prompts // 4)
    for numbers, prompts, captured in experiment.batches(config, "select", count, processes):
        target, counted = target_of(config, prompts, experiment.task), counted_of(config, prompts)
        for head, features in _features(experiment, config, "select", numbers, captured.stream).items():
            errors[head].update(features, target.to(features.device), counted)
        report(f"select {name}", numbers.stop, count)
    sums = processes.merged({head: error.errors for head, error in errors.items()}, _added, dict)
    return {head: path.choose(best_penalty(sums[head])) for head, path in paths.items()}


def _added(one: dict[str, Tensor], other: dict[str, Tensor]) -> dict[str, Tensor]:
    return {head: errors + other[head] for head, errors in one.items()}


def _score(
    experiment: Experiment, config: FitConfig, fitted: dict[str, LinearHeads], report: Report, processes: Processes
) -> dict[str, LayerErrors]:
    everywhere = range(experiment.layers)
    scores = {"model": experiment.errors("y", [experiment.layers - 1], config)}
    for head in fitted:
        scores[head] = experiment.errors(config.target, None if head == "chance" else everywhere, config)
    if "lens" in config.head:
        scores["lens"] = experiment.errors("y", everywhere, config)
    references = {name: learners.make(name) for name in experiment.task.references[:1]}
    scores.update({learner: experiment.errors("y", None, config) for learner in references})
    for numbers, prompts, captured in experiment.batches(config, "score", config.score, processes):
        answers = {"model": experiment.task.answer(captured.output.cpu())[None]}
        if fitted:
            for head, features in _features(experiment, config, "score", numbers, captured.stream).items():
                predicted = fitted[head](features).cpu()
                if config.target == "y":
                    answers[head] = predicted
                else:
                    scores[head].update(numbers, predicted, target_of(config, prompts, experiment.task))
        if "lens" in scores:
            answers["lens"] = experiment.decode(captured.stream)
        for learner, reference in references.items():
            answers[learner] = learned(reference, prompts)[None]
        guess = experiment.task.guess(prompts)
        for head, answer in answers.items():
            scores[head].add(numbers, experiment.task.cost(answer, prompts), guess, prompts.counted)
            metrics = experiment.task.metrics(answer, prompts, logits=head in ("model", "lens"))
            scores[head].add_metrics(numbers, metrics, prompts.counted)
        report(f"score {experiment.checkpoint.name}", numbers.stop, config.score)
    return processes.merged(scores, merge_each, dict)
