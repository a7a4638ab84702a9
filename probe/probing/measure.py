"""Fits heads and measures their errors: one pass fits, a second chooses penalties, a third scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

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
    fitted, errors = measure_each(experiment, heads, pass_, [one], report, processes)
    return fitted[one.name], {head: found for (_, head), found in errors.items()}


def measure_each(
    experiment: Experiment,
    heads: Sequence[Head],
    pass_: Pass,
    targets: Sequence[Target],
    report: Report,
    processes: Processes = ALONE,
) -> tuple[dict[str, FittedHeads[LinearHeads]], dict[tuple[str, str], LayerErrors]]:
    """Returns the fitted heads by target and name, and the errors by target and head, of one pass for all targets.

    The model's own answers, and what else has no target to choose, stand under the first target.
    """
    asked = [head for head in heads if head.fitted]
    found = _fit(experiment, asked, pass_, targets, report, processes) if asked else {}
    fitted = {
        target.name: FittedHeads({head: one for (name, head), one in found.items() if name == target.name})
        for target in targets
    }
    return fitted, _score(experiment, heads, found, pass_, targets, report, processes)


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
    experiment: Experiment,
    heads: Sequence[Head],
    pass_: Pass,
    targets: Sequence[Target],
    report: Report,
    processes: Processes,
) -> dict[tuple[str, str], LinearHeads]:
    """Fits every head for every target, and chance beside them; by target and head."""
    # y may count at some contexts alone, so that its moments are not those of the others
    groups = [[one for one in targets if one.name == "y"], [one for one in targets if one.name != "y"]]

    def batches(purpose: Purpose) -> Iterator[dict[tuple[str, int], Read]]:
        for numbers, prompts, captured in experiment.batches(pass_, purpose, processes):
            features = _features(experiment, heads, pass_, purpose, numbers, captured.stream)
            share = share_of(experiment.task, prompts)
            weights = None if share is None else share[:, 0]
            reads: dict[tuple[str, int], Read] = {}
            for place, group in enumerate(groups):
                if group:
                    truth, counted = {one.name: one.encoded(prompts) for one in group}, group[0].counted(prompts)
                    reads |= {(name, place): Read(one, truth, counted, weights) for name, one in features.items()}
            yield reads
            report(f"{purpose} {experiment.checkpoint.name}", numbers.stop, pass_.count(purpose))

    held = [head for head in heads if head.held]
    heads = [head for head in heads if not head.held]
    own = [(head.name, {"y": _fit_held(experiment, head, pass_, report, processes)}) for head in held]
    by_features = [(name, found) for (name, _), found in fit_ridges(batches, processes).items()]
    return {
        (target, name): one.fitted_on(_origin(experiment, name, target))
        for name, found in [*by_features, *own]
        for target, one in found.items()
    }


def _fit_held(experiment: Experiment, head: Head, pass_: Pass, report: Report, processes: Processes) -> LinearHeads:
    """Fits a head on streams that are held in memory."""
    only_one(processes, f"--head {head.name}")

    def batches(purpose: Purpose) -> Iterator[Held]:
        for numbers, prompts, captured in experiment.batches(pass_, purpose):
            share = share_of(experiment.task, prompts)
            weights = prompts.counted.double() * (1.0 if share is None else share)
            yield read(head, experiment.model, captured.stream), prompts.targets[..., 0].long(), weights
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
    fitted: Mapping[tuple[str, str], LinearHeads],
    pass_: Pass,
    targets: Sequence[Target],
    report: Report,
    processes: Processes,
) -> dict[tuple[str, str], LayerErrors]:
    answering = {head.name: head for head in heads if head.overrides("answer")}
    references = {name: learners.make(name) for name in experiment.task.references[:1]}
    logits = {"model", OPTIMAL} | {name for name, head in answering.items() if head.logits}
    first, named = targets[0].name, {target.name: target for target in targets}
    scores = _tables(experiment, fitted, [*answering], [*references], pass_.seed, first)
    occurrences = {target.name: _occurrences(experiment, target, pass_) for target in targets}
    for numbers, prompts, captured in experiment.batches(pass_, "score", processes):
        units, share = units_of(experiment.task, "score", numbers), share_of(experiment.task, prompts)
        answers: dict[tuple[str, str], Tensor] = {}
        if experiment.answered:
            answers[first, "model"] = experiment.task.answer(captured.output.cpu())[None]
        features = _features(experiment, heads, pass_, "score", numbers, captured.stream) if fitted else {}
        for (target, name), found in fitted.items():
            predicted = found(features[name]).cpu()
            if target == "y":
                answers[target, name] = predicted
            else:
                _judge(scores[target, name], numbers, named[target], predicted, prompts, occurrences[target])
        with torch.no_grad():
            for name, head in answering.items():
                answers[first, name] = head.answer(experiment, captured.stream).cpu()
        answers |= {(first, name): learned(reference, prompts)[None] for name, reference in references.items()}
        optimal = experiment.task.optimal(prompts)
        answers |= {} if optimal is None else {(first, OPTIMAL): optimal[None]}
        guess = experiment.task.guess(prompts)
        for key, answer in answers.items():
            scores[key].add(units, experiment.task.cost(answer, prompts), guess, prompts.counted, share)
            metrics = experiment.task.metrics(answer, prompts, logits=key[1] in logits)
            scores[key].add_metrics(units, metrics, prompts.counted, share)
            add_beside(scores[key], experiment.task, units, answer, prompts)
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
    fitted: Iterable[tuple[str, str]],
    answering: Sequence[str],
    references: Sequence[str],
    seed: int,
    first: str,
) -> dict[tuple[str, str], LayerErrors]:
    """Returns an empty table of errors for every fitted head, and under the first target for all that answer y."""
    everywhere = experiment.read_layers
    scores = {(first, "model"): experiment.errors("y", [experiment.layers - 1], seed)} if experiment.answered else {}
    for target, name in fitted:
        scores[target, name] = experiment.errors(target, None if name == CHANCE else everywhere, seed)
    scores |= {(first, name): experiment.errors("y", everywhere, seed) for name in answering}
    known = [OPTIMAL] if type(experiment.task).optimal is not Task.optimal else []
    return scores | {(first, name): experiment.errors("y", None, seed) for name in [*references, *known]}
