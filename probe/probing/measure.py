"""Fits heads and measures their errors: one pass fits, a second chooses penalties, a third scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from probe import learners
from probe.heads import FittedHeads, Head, LinearHeads, Origin
from probe.heads.chance import noise
from probe.heads.head import read
from probe.heads.logistic import Held, fit_logistic
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.probing.learned import learned
from probe.probing.own_data import add_beside, share_of, units_of
from probe.probing.ridge_fit import Read, fit_ridges
from probe.probing.targets import Target, targets_of
from probe.processes import ALONE, Processes, merge_each, only_one
from probe.progress import Report
from probe.randomness import Purpose
from probe.statistics import LayerErrors
from probe.tasks import Prompts, Task

CHANCE = "chance"
"""What the heads on random numbers are called, which are fitted wherever another one is."""


OPTIMAL = "optimal"
"""What the answers are called that no model improves on, of a task that knows them."""


def measure(
    experiment: Experiment,
    heads: Sequence[Head],
    pass_: Pass,
    target: str | Target,
    report: Report,
    processes: Processes = ALONE,
) -> tuple[FittedHeads[LinearHeads], dict[str, LayerErrors]]:
    """Returns the fitted heads by name, and the errors of all heads on the score prompts.

    Heads that are judged by a protocol of their own are left to `probe.probing.judged`.

    Args:
        target: what fitted heads are asked for, or its name.
    """
    one = target if isinstance(target, Target) else asked_of(experiment, target, pass_)[0]
    asked = [head for head in heads if head.fitted]
    fitted = FittedHeads(_fit(experiment, asked, pass_, one, report, processes) if asked else {})
    return fitted, _score(experiment, heads, fitted, pass_, one, report, processes)


def asked_of(experiment: Experiment, text: str, pass_: Pass) -> list[Target]:
    """Returns the targets that a text or an object names, before an experiment's task."""
    return targets_of(
        text,
        experiment.task,
        experiment.task_name,
        experiment.longest,
        seed=pass_.seed,
        prompts=pass_.prompts,
        offset=experiment.offset,
    )


def _features(
    experiment: Experiment, heads: Sequence[Head], pass_: Pass, purpose: Purpose, numbers: range, stream: Tensor
) -> dict[str, Tensor]:
    """Returns every fitted head's features by its name, and an independent random stream for the chance line."""
    whole = experiment.site is None
    found = {head.name: read(head, experiment.model, stream) if whole else stream for head in heads if head.fitted}
    return found | {CHANCE: noise(pass_.seed, purpose, numbers, len(experiment.contexts), stream.shape[-1])}


def _fit(
    experiment: Experiment, heads: Sequence[Head], pass_: Pass, target: Target, report: Report, processes: Processes
) -> dict[str, LinearHeads]:
    """Fits every head, and chance beside them."""

    def batches(purpose: Purpose) -> Iterator[dict[str, Read]]:
        for numbers, prompts, captured in experiment.batches(pass_, purpose, processes):
            truth, counted = {target.name: target.encoded(prompts)}, target.counted(prompts)
            features = _features(experiment, heads, pass_, purpose, numbers, captured.stream)
            share = share_of(experiment.task, prompts)
            weights = None if share is None else share[:, 0]
            yield {name: Read(one, truth, counted, weights) for name, one in features.items()}
            report(f"{purpose} {experiment.checkpoint.name}", numbers.stop, pass_.count(purpose))

    held = [head for head in heads if head.held]
    heads = [head for head in heads if not head.held]
    own = {head.name: {target.name: _fit_held(experiment, head, pass_, report, processes)} for head in held}
    found = fit_ridges(batches, processes) | own
    return {name: one[target.name].fitted_on(_origin(experiment, name, target.name)) for name, one in found.items()}


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
    target: Target,
    report: Report,
    processes: Processes,
) -> dict[str, LayerErrors]:
    answering = {head.name: head for head in heads if head.overrides("answer")}
    references = {name: learners.make(name) for name in experiment.task.references[:1]}
    logits = {"model", OPTIMAL} | {name for name, head in answering.items() if head.logits}
    scores = _tables(experiment, fitted, [*answering], [*references], pass_.seed, target.name)
    occurrences = _occurrences(experiment, target, pass_)
    for numbers, prompts, captured in experiment.batches(pass_, "score", processes):
        units, share = units_of(experiment.task, "score", numbers), share_of(experiment.task, prompts)
        answers = {"model": experiment.task.answer(captured.output.cpu())[None]} if experiment.answered else {}
        if fitted:
            for name, features in _features(experiment, heads, pass_, "score", numbers, captured.stream).items():
                predicted = fitted[name](features).cpu()
                if target.name == "y":
                    answers[name] = predicted
                else:
                    _judge(scores[name], numbers, target, predicted, prompts, occurrences)
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


def _occurrences(experiment: Experiment, target: Target, pass_: Pass) -> Float64[Tensor, "context category"] | None:
    """Returns how often each category of a target is there in the score prompts; None of a real one."""
    if target.categories is None:
        return None
    return torch.stack([target.occurrences(prompts) for prompts in experiment.drawn(pass_, "score")]).sum(0)


def _judge(
    errors: LayerErrors,
    numbers: range,
    target: Target,
    predicted: Float[Tensor, "layer batch context target"],
    prompts: Prompts,
    occurrences: Float64[Tensor, "context category"] | None,
) -> None:
    """Adds the costs of answers to another target than y; of categories the accuracies, too."""
    everyone = torch.ones(len(numbers), len(prompts.contexts), dtype=torch.bool)
    errors.add(numbers, target.cost(predicted, prompts), target.guess(prompts), everyone)
    if occurrences is None:
        errors.add_moments(numbers, target.values(prompts))
        return
    right = target.right(predicted, prompts).double()
    errors.add_metrics(numbers, {"accuracy": right.mean(-1)}, everyone)
    weight = target.weight(prompts, occurrences)
    total = weight.sum(-1)
    balanced = (right * weight).sum(-1) / total.where(total > 0, 1.0)
    errors.add_metrics(numbers, {"balanced_accuracy": balanced}, total)


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
