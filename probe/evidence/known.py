"""What is known where: heads for the quantities that an algorithm would hold, at every layer, in one pass.

After Akyürek et al. (2022), arXiv:2211.15661, section 4.2, who looked for X'y and the least-squares weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from probe.capture import Captured
from probe.config import FitConfig
from probe.errors import ProbeError
from probe.evidence.fitting import Fitting, Targets
from probe.fit import Subject
from probe.heads import LinearHeads
from probe.learners import Examples, GradientDescent, LeastSquares, OnlineGradientDescent
from probe.statistics import LayerErrors
from probe.tasks import Prompts

Ask = Callable[[Prompts, Captured], Targets]
"""Turns prompts, and what was captured on them, into what heads are asked for, by name."""
ITERATES = (1, 2, 4, 8)
ONLINE = 0.5
"""The step of online gradient descent over the one that would fit a typical example, |x|² = dim, exactly."""


def know(subject: Subject, ask: Ask, config: FitConfig) -> tuple[dict[str, LinearHeads], dict[str, LayerErrors]]:
    """Fits heads for every target at every layer and returns them with their errors on the score prompts.

    Every target has its own penalties, chosen on the selection prompts.
    """
    fitting = Fitting(subject.device)
    for purpose, count in fitting.passes(config):
        for _, prompts, captured in subject.batches(config, purpose, count):
            fitting.update(purpose, captured.stream, ask(prompts, captured))
    heads = fitting.solve()
    errors = {name: subject.errors(name, range(subject.layers), config) for name in heads}
    for numbers, prompts, captured in subject.batches(config, "score", config.score):
        for name, target in ask(prompts, captured).items():
            errors[name].update(numbers, heads[name](captured.stream).cpu(), target)
    return heads, errors


def algorithmic(contexts: Sequence[int]) -> Ask:
    """Returns the quantities of a linear task at its queries: y, w, and those of `quantities`.

    Args:
        contexts: the numbers of examples before the subject's queries.
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
