"""Heads for the quantities that an algorithm would hold, at every layer, all fitted in one pass.

After Akyürek et al. (2022), arXiv:2211.15661, section 4.2, who looked for X'y and the least-squares weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from probe.capture import Captured
from probe.errors import ProbeError
from probe.evidence.preconditioned import preconditioned
from probe.evidence.rows import row
from probe.heads import LinearHeads
from probe.learners import Examples
from probe.learners.gd import GradientDescent
from probe.learners.least_squares import LeastSquares
from probe.learners.online_gd import OnlineGradientDescent
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.probing.ridge_fit import Fitting, Read, Targets, fit_ridges
from probe.randomness import PromptSource
from probe.statistics import LayerErrors
from probe.tasks import Prompts

TargetFn = Callable[[Prompts, Captured], Targets]
"""Returns the heads' targets by name, from prompts and the activations captured on them."""
CountedFn = Callable[[Prompts], Bool[Tensor, "batch context"]]
"""Returns which queries of prompts count."""
ITERATES = (1, 2, 4, 8)
ONLINE = 0.5
"""The step of online gradient descent over the one that would fit a typical example, |x|² = dim, exactly."""


def _counted(prompts: Prompts) -> Bool[Tensor, "batch context"]:
    return prompts.counted


def algorithmic_errors(experiment: Experiment, pass_: Pass) -> dict[str, LayerErrors]:
    """Returns the errors of heads at the queries, by target: y, what the layer before left of it, and `quantities`.

    Tasks that draw no w are asked for y and its remainder alone.

    Raises:
        ProbeError: if the task does not ask for a number.
    """
    if experiment.task.objective != "squared" or experiment.task.shape.outputs != 1:
        raise ProbeError(
            f"{experiment.task_name} was given, but what is known is sought in tasks that ask for one number. "
            "Use one such as linear."
        )
    sample = experiment.task.draw(PromptSource(pass_.seed, "fit", [0]), experiment.longest)
    targets = algorithmic_targets(experiment.contexts) if "w" in sample.parameters else answers
    heads, errors = fit_targets(experiment, targets, pass_)
    return errors | {"remainder": remainder_errors(experiment, heads["y"], pass_)}


def fit_targets(
    experiment: Experiment, targets: TargetFn, pass_: Pass, counted: CountedFn = _counted
) -> tuple[dict[str, LinearHeads], dict[str, LayerErrors]]:
    """Fits heads for every target at every layer and returns them with their errors on the score prompts.

    Every target has its own penalties, chosen on the selection prompts.

    Args:
        targets: returns what the heads are asked for.
        counted: returns which queries count; the task's own unless given.
    """
    heads = _fit(experiment, targets, pass_, counted=counted)
    errors = {name: experiment.errors(name, range(experiment.layers), pass_.seed) for name in heads}
    for numbers, prompts, captured in experiment.batches(pass_, "score"):
        for name, target in targets(prompts, captured).items():
            errors[name].update(numbers, heads[name](captured.stream).cpu(), target, counted(prompts))
    return heads, errors


def remainder_errors(experiment: Experiment, of_y: LinearHeads, pass_: Pass) -> LayerErrors:
    """Returns the errors of heads, on what each block wrote, for what the layer before left of y, in the unit of y.

    Layer l is to be compared with the error of y at layer l - 1, which is what predicting no remainder costs. Heads
    read the change of the stream and not the stream: there the earlier answer lies under what was added to it.

    Args:
        of_y: heads for y at every layer.
    """
    targets = remainder(of_y)
    heads = _fit(experiment, targets, pass_, _written)["remainder"]
    errors = experiment.errors("remainder", range(experiment.layers), pass_.seed)
    for numbers, prompts, captured in experiment.batches(pass_, "score"):
        left = targets(prompts, captured)["remainder"].double().permute(2, 0, 1)
        wrong = (heads(_written(captured)).cpu().diagonal(dim1=0, dim2=3).permute(2, 0, 1) - left).square()
        zero = prompts.targets[..., 0].double().square()
        errors.add(numbers, wrong * prompts.counted, zero * prompts.counted, prompts.counted)
    return errors


def target_rows(errors: dict[str, LayerErrors], model: str, head: str = "linear") -> list[dict[str, Any]]:
    """Returns the rows of a record: the error of every target at every layer and context.

    Args:
        head: what to call these heads: those on an untrained model go by another name.
    """
    return [
        row(
            model,
            "known",
            f"error of {name}",
            found["error"],
            found["low"],
            found["high"],
            site="written at x" if name == "remainder" else "stream at x",
            head=head,
            layer=found["layer"],
            context=found["context"],
            prompts=found["prompts"],
        )
        for name, one in errors.items()
        for found in one.rows(model, head)
    ]


def _stream(captured: Captured) -> Float[Tensor, "layer batch context width"]:
    return captured.stream


def _written(captured: Captured) -> Float[Tensor, "layer batch context width"]:
    """Returns the additions of the read-in and of every block to the stream."""
    return torch.cat([captured.stream[:1], captured.stream.diff(dim=0)])


def _fit(
    experiment: Experiment,
    targets: TargetFn,
    pass_: Pass,
    features: Callable[[Captured], Tensor] = _stream,
    counted: CountedFn = _counted,
) -> dict[str, LinearHeads]:
    def batches(purpose: Fitting) -> Iterator[dict[str, Read]]:
        for _, prompts, captured in experiment.batches(pass_, purpose):
            yield {"": Read(features(captured), targets(prompts, captured), counted(prompts))}

    return fit_ridges(batches)[""]


def answers(prompts: Prompts, captured: Captured) -> Targets:
    """Returns the true answers to the queries, as ``y``."""
    return {"y": prompts.targets}


def algorithmic_targets(contexts: Sequence[int]) -> TargetFn:
    """Returns a function that gives what is sought at a linear task's queries: y, w, `quantities`, `preconditioned`.

    Args:
        contexts: the numbers of examples before the experiment's queries.
    """

    def targets(prompts: Prompts, captured: Captured) -> Targets:
        return {"y": prompts.targets, **quantities(prompts, contexts), **preconditioned(prompts, contexts)}

    return targets


def quantities(prompts: Prompts, contexts: Sequence[int]) -> dict[str, Float[Tensor, "batch context target"]]:
    """Returns the algorithms' quantities after so many examples: w, X'y / n, and the weights that they would answer by.

    ``gd_k`` are the weights after k steps of size 1 / L of gradient descent, ``online_gd`` those of one pass over the
    examples with a step of half of 1 / dim, ``projection`` those of one pass that fits each example exactly.

    Raises:
        ProbeError: if the task has no w.
    """
    if "w" not in prompts.parameters:
        raise ProbeError(
            "The task draws no w, but the quantities of linear algorithms need one. Use a linear task, such as linear."
        )
    examples = Examples(prompts.x, prompts.y)
    descent, solver = GradientDescent(max(ITERATES), "inverse_lipschitz"), LeastSquares()
    online = {
        "online_gd": OnlineGradientDescent(ONLINE / prompts.x.shape[-1]).iterates(examples),
        "projection": OnlineGradientDescent("projection").iterates(examples),
    }
    found: dict[str, list[Tensor]] = {}
    for context in contexts:
        first = examples.first(context)
        iterates = descent.iterates(first)
        held = {"gradient": first.second_moments()[1], "least_squares": solver.weights(first)}
        held |= {f"gd_{k}": iterates[k] for k in ITERATES} | {name: each[context] for name, each in online.items()}
        for name, weights in held.items():
            found.setdefault(name, []).append(weights)
    w = prompts.parameters["w"][:, None].expand(-1, len(contexts), -1)
    return {"w": w} | {name: torch.stack(each, 1).float() for name, each in found.items()}


def remainder(heads: LinearHeads) -> TargetFn:
    """Returns a function that gives y minus the answer of the layer before, a column a layer; the read-in's is y.

    Column l belongs to layer l: whether a block writes what was still missing is asked where it was missing.

    Args:
        heads: for y, fitted at every layer.
    """

    def targets(prompts: Prompts, captured: Captured) -> Targets:
        answered = heads(captured.stream).cpu()[..., 0]
        before = torch.cat([torch.zeros_like(answered[:1]), answered[:-1]])
        left = prompts.targets[..., 0].double() - before
        return {"remainder": left.permute(1, 2, 0).float()}

    return targets
