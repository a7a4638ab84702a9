"""Fits heads and measures their errors: one pass fits, a second chooses penalties, a third scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from probe import learners
from probe.heads import FittedHeads, Head, LinearHeads, Origin
from probe.heads.chance import noise
from probe.heads.head import read
from probe.heads.logistic import Held, fit_logistic
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment, learned
from probe.probing.own_data import add_beside, share_of, units_of
from probe.probing.ridge_fit import Read, fit_ridges
from probe.probing.targets import counted_of, target_of
from probe.processes import ALONE, Processes, merge_each, only_one
from probe.progress import Report
from probe.randomness import Purpose
from probe.statistics import LayerErrors
from probe.tasks import Task

CHANCE = "chance"
"""What the heads on random numbers are called, which are fitted wherever another one is."""


OPTIMAL = "optimal"
"""What the answers are called that no model improves on, of a task that knows them."""


def measure(
    experiment: Experiment,
    heads: Sequence[Head],
    pass_: Pass,
    target: str,
    report: Report,
    processes: Processes = ALONE,
) -> tuple[FittedHeads[LinearHeads], dict[str, LayerErrors]]:
    """Returns the fitted heads by name, and the errors of all heads on the score prompts.

    Heads that are judged by a protocol of their own are left to `probe.probing.judged`.

    Args:
        target: what fitted heads are asked for.
    """
    asked = [head for head in heads if head.fitted]
    fitted = FittedHeads(_fit(experiment, asked, pass_, target, report, processes) if asked else {})
    return fitted, _score(experiment, heads, fitted, pass_, target, report, processes)


def _features(
    experiment: Experiment, heads: Sequence[Head], pass_: Pass, purpose: Purpose, numbers: range, stream: Tensor
) -> dict[str, Tensor]:
    """Returns every fitted head's features by its name, and an independent random stream for the chance line."""
    whole = experiment.site is None
    found = {head.name: read(head, experiment.model, stream) if whole else stream for head in heads if head.fitted}
    return found | {CHANCE: noise(pass_.seed, purpose, numbers, len(experiment.contexts), stream.shape[-1])}


def _fit(
    experiment: Experiment, heads: Sequence[Head], pass_: Pass, target: str, report: Report, processes: Processes
) -> dict[str, LinearHeads]:
    """Fits every head, and chance beside them."""

    def batches(purpose: Purpose) -> Iterator[dict[str, Read]]:
        for numbers, prompts, captured in experiment.batches(pass_, purpose, processes):
            truth = {target: target_of(target, prompts, experiment.task, experiment.task_name)}
            counted = counted_of(target, prompts)
            features = _features(experiment, heads, pass_, purpose, numbers, captured.stream)
            share = share_of(experiment.task, prompts)
            weights = None if share is None else share[:, 0]
            yield {name: Read(one, truth, counted, weights) for name, one in features.items()}
            report(f"{purpose} {experiment.checkpoint.name}", numbers.stop, pass_.count(purpose))

    held = [head for head in heads if head.held]
    heads = [head for head in heads if not head.held]
    own = {head.name: {target: _fit_held(experiment, head, pass_, report, processes)} for head in held}
    found = fit_ridges(batches, processes) | own
    return {name: one[target].fitted_on(_origin(experiment, name, target)) for name, one in found.items()}


def _fit_held(experiment: Experiment, head: Head, pass_: Pass, report: Report, processes: Processes) -> LinearHeads:
    """Fits a head on streams that are held in memory."""
    only_one(processes, f"--head {head.name}")

    def batches(purpose: Purpose) -> Iterator[Held]:
        for numbers, prompts, captured in experiment.batches(pass_, purpose):
            yield read(head, experiment.model, captured.stream), prompts.targets[..., 0].long(), prompts.counted
            report(f"{purpose} {head.name} {experiment.checkpoint.name}", numbers.stop, pass_.count(purpose))

    return fit_logistic(batches, experiment.task.shape.outputs)


def _origin(experiment: Experiment, head: str, target: str) -> Origin:
    return Origin(
        model=experiment.checkpoint.name,
        digest=experiment.checkpoint.digest,
        task=str(experiment.task_name),
        target=target if target != "y" else experiment.target,
        head=head if experiment.site is None else f"{head} at {experiment.site.name}",
        layers=(0,) if head == CHANCE else tuple(experiment.read_layers),
        contexts=tuple(experiment.contexts),
    )


def _score(
    experiment: Experiment,
    heads: Sequence[Head],
    fitted: Mapping[str, LinearHeads],
    pass_: Pass,
    target: str,
    report: Report,
    processes: Processes,
) -> dict[str, LayerErrors]:
    answering = {head.name: head for head in heads if head.overrides("answer")}
    references = {name: learners.make(name) for name in experiment.task.references[:1]}
    logits = {"model", OPTIMAL} | {name for name, head in answering.items() if head.logits}
    scores = _tables(experiment, fitted, [*answering], [*references], pass_.seed, target)
    for numbers, prompts, captured in experiment.batches(pass_, "score", processes):
        units, share = units_of(experiment.task, "score", numbers), share_of(experiment.task, prompts)
        answers = {"model": experiment.task.answer(captured.output.cpu())[None]} if experiment.answered else {}
        if fitted:
            for name, features in _features(experiment, heads, pass_, "score", numbers, captured.stream).items():
                predicted = fitted[name](features).cpu()
                if target == "y":
                    answers[name] = predicted
                else:
                    truth = target_of(target, prompts, experiment.task, experiment.task_name)
                    scores[name].update(numbers, predicted, truth)
                    scores[name].add_moments(numbers, truth)
        with torch.no_grad():
            answers |= {name: head.answer(experiment, captured.stream).cpu() for name, head in answering.items()}
        answers |= {name: learned(reference, prompts)[None] for name, reference in references.items()}
        optimal = experiment.task.optimal(prompts)
        answers |= {} if optimal is None else {OPTIMAL: optimal[None]}
        guess = experiment.task.guess(prompts)
        for name, answer in answers.items():
            scores[name].add(units, experiment.task.cost(answer, prompts), guess, prompts.counted, share)
            metrics = experiment.task.metrics(answer, prompts, logits=name in logits)
            scores[name].add_metrics(units, metrics, prompts.counted, share)
            add_beside(scores[name], experiment.task, units, answer, prompts)
        report(f"score {experiment.checkpoint.name}", numbers.stop, pass_.score)
    return processes.merged(scores, merge_each, dict)


def _tables(
    experiment: Experiment,
    fitted: Mapping[str, LinearHeads],
    answering: Sequence[str],
    references: Sequence[str],
    seed: int,
    target: str,
) -> dict[str, LayerErrors]:
    """Returns an empty table of errors for the model itself, every head and every reference."""
    everywhere = experiment.read_layers
    scores = {"model": experiment.errors("y", [experiment.layers - 1], seed)} if experiment.answered else {}
    scores |= {name: experiment.errors(target, None if name == CHANCE else everywhere, seed) for name in fitted}
    scores |= {name: experiment.errors("y", everywhere, seed) for name in answering}
    known = [OPTIMAL] if type(experiment.task).optimal is not Task.optimal else []
    return scores | {name: experiment.errors("y", None, seed) for name in [*references, *known]}
