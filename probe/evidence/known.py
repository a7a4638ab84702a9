"""What is known where: heads for the quantities that an algorithm would hold, at every layer, in one pass.

After Akyürek et al. (2022), arXiv:2211.15661, section 4.2, who looked for X'y and the least-squares weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from probe.capture import Captured
from probe.config import FitConfig
from probe.errors import ProbeError
from probe.evidence.rows import row
from probe.heads import LinearHeads
from probe.learners import Examples
from probe.learners.gd import GradientDescent
from probe.learners.least_squares import LeastSquares
from probe.learners.online_gd import OnlineGradientDescent
from probe.probing.experiment import Experiment
from probe.probing.ridge_fit import Fitting, Targets
from probe.randomness import PromptSource
from probe.statistics import LayerErrors
from probe.tasks import Prompts

Ask = Callable[[Prompts, Captured], Targets]
"""Turns prompts, and what was captured on them, into what heads are asked for, by name."""
Counted = Callable[[Prompts], Bool[Tensor, "batch context"]]
"""Tells which queries of prompts count."""
ITERATES = (1, 2, 4, 8)
ONLINE = 0.5
"""The step of online gradient descent over the one that would fit a typical example, |x|² = dim, exactly."""


def _counted(prompts: Prompts) -> Bool[Tensor, "batch context"]:
    return prompts.counted


def known(experiment: Experiment, config: FitConfig) -> dict[str, LayerErrors]:
    """Returns the errors of heads at the queries, by target: y, what the layer before left of it, and `quantities`.

    Tasks that draw no w are asked for y and its remainder alone.

    Raises:
        ProbeError: if the task does not ask for a number.
    """
    if experiment.task.objective != "squared" or experiment.task.shape.outputs != 1:
        raise ProbeError(
            f"{config.task} was given, but what is known is sought in tasks that ask for one number. "
            "Use one such as linear."
        )
    sample = experiment.task.draw(PromptSource(config.seed, "fit", [0]), experiment.longest)
    heads, errors = know(experiment, algorithmic(experiment.contexts) if "w" in sample.parameters else _answers, config)
    return errors | {"remainder": remainder_errors(experiment, heads["y"], config)}


def know(
    experiment: Experiment, ask: Ask, config: FitConfig, counted: Counted = _counted
) -> tuple[dict[str, LinearHeads], dict[str, LayerErrors]]:
    """Fits heads for every target at every layer and returns them with their errors on the score prompts.

    Every target has its own penalties, chosen on the selection prompts.

    Args:
        counted: tells which queries count; the task's own unless given.
    """
    heads = _fit(experiment, ask, config, counted=counted)
    errors = {name: experiment.errors(name, range(experiment.layers), config) for name in heads}
    for numbers, prompts, captured in experiment.batches(config, "score", config.score):
        for name, target in ask(prompts, captured).items():
            errors[name].update(numbers, heads[name](captured.stream).cpu(), target, counted(prompts))
    return heads, errors


def remainder_errors(experiment: Experiment, answers: LinearHeads, config: FitConfig) -> LayerErrors:
    """Returns the errors of heads, on what each block wrote, for what the layer before left of y, in the unit of y.

    Layer l is to be compared with the error of y at layer l - 1, which is what predicting no remainder costs. Heads
    read the change of the stream and not the stream: there the earlier answer lies under what was added to it.

    Args:
        answers: heads for y at every layer.
    """
    ask = remainder(answers)
    heads = _fit(experiment, ask, config, _written)["remainder"]
    errors = experiment.errors("remainder", range(experiment.layers), config)
    for numbers, prompts, captured in experiment.batches(config, "score", config.score):
        left = ask(prompts, captured)["remainder"].double().permute(2, 0, 1)
        wrong = (heads(_written(captured)).cpu().diagonal(dim1=0, dim2=3).permute(2, 0, 1) - left).square()
        zero = prompts.targets[..., 0].double().square()
        errors.add(numbers, wrong * prompts.counted, zero * prompts.counted, prompts.counted)
    return errors


def known_rows(errors: dict[str, LayerErrors], model: str, head: str = "linear") -> list[dict[str, Any]]:
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
    """Returns what the read-in and every block added to the stream."""
    return torch.cat([captured.stream[:1], captured.stream.diff(dim=0)])


def _fit(
    experiment: Experiment,
    ask: Ask,
    config: FitConfig,
    read: Callable[[Captured], Tensor] = _stream,
    counted: Counted = _counted,
) -> dict[str, LinearHeads]:
    fitting = Fitting(experiment.device)
    for purpose, count in fitting.passes(config):
        for _, prompts, captured in experiment.batches(config, purpose, count):
            fitting.update(purpose, read(captured), ask(prompts, captured), counted(prompts))
    return fitting.solve()


def _answers(prompts: Prompts, captured: Captured) -> Targets:
    return {"y": prompts.targets}


def algorithmic(contexts: Sequence[int]) -> Ask:
    """Returns the quantities of a linear task at its queries: y, w, and those of `quantities`.

    Args:
        contexts: the numbers of examples before the experiment's queries.
    """

    def ask(prompts: Prompts, captured: Captured) -> Targets:
        return {"y": prompts.targets, **quantities(prompts, contexts)}

    return ask


def quantities(prompts: Prompts, contexts: Sequence[int]) -> Targets:
    """Returns what algorithms hold after so many examples: w, X'y / n, and the weights that they would answer by.

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


def remainder(heads: LinearHeads) -> Ask:
    """Returns y minus the answer of the layer before, one column a layer; the read-in's is y itself.

    Column l belongs to layer l: whether a block writes what was still missing is asked where it was missing.

    Args:
        heads: for y, fitted at every layer.
    """

    def ask(prompts: Prompts, captured: Captured) -> Targets:
        answers = heads(captured.stream).cpu()[..., 0]
        before = torch.cat([torch.zeros_like(answers[:1]), answers[:-1]])
        left = prompts.targets[..., 0].double() - before
        return {"remainder": left.permute(1, 2, 0).float()}

    return ask
