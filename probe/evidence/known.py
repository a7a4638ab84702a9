"""What is known where: heads for the quantities that an algorithm would hold, at every layer, in one pass.

After Akyürek et al. (2022), arXiv:2211.15661, section 4.2, who looked for X'y and the least-squares weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from probe import learners
from probe.capture import Captured
from probe.config import FitConfig
from probe.fit import Subject
from probe.heads import LinearHeads, Moments, SelectionErrors, solve_path
from probe.learners import Examples, IterativeLearner
from probe.statistics import LayerErrors
from probe.tasks import Prompts

Targets = dict[str, Float[Tensor, "batch context target"]]
Ask = Callable[[Prompts, Captured], Targets]
"""Turns prompts, and what was captured on them, into what heads are asked for, by name."""
ITERATES = (1, 2, 4, 8)


def know(subject: Subject, ask: Ask, config: FitConfig) -> tuple[dict[str, LinearHeads], dict[str, LayerErrors]]:
    """Fits heads for every target at every layer and returns them with their errors on the score prompts.

    Every target has its own penalties, chosen on the selection prompts.
    """
    moments: dict[str, Moments] = {}
    for _, prompts, captured in subject.batches(config, "fit", config.prompts):
        for name, target in ask(prompts, captured).items():
            if name not in moments:
                grid = subject.layers, len(subject.contexts)
                moments[name] = Moments(grid, subject.model.width, target.shape[-1], subject.device)
            moments[name].update(captured.stream, target.to(subject.device))
    selection = {name: SelectionErrors(solve_path(found)) for name, found in moments.items()}
    for _, prompts, captured in subject.batches(config, "select", -(-config.prompts // 4)):
        for name, target in ask(prompts, captured).items():
            selection[name].update(captured.stream, target.to(subject.device))
    heads = {name: found.path.choose(found.best()) for name, found in selection.items()}
    errors = {name: subject.errors(name, range(subject.layers), config) for name in heads}
    for numbers, prompts, captured in subject.batches(config, "score", config.score):
        for name, target in ask(prompts, captured).items():
            errors[name].update(numbers, heads[name](captured.stream).cpu(), target)
    return heads, errors


def algorithmic(contexts: Sequence[int]) -> Ask:
    """Returns the quantities of a linear task: y, w, X'y / n, the least-squares weights and those of gradient descent.

    Weights after 1, 2, 4 and 8 steps of size 1 / L are called ``gd_1`` and so on.

    Args:
        contexts: the numbers of examples before the subject's queries.
    """
    descent, solver = learners.make(f"gd:steps={ITERATES[-1]},rate=inverse_lipschitz"), learners.LeastSquares()
    assert isinstance(descent, IterativeLearner)

    def ask(prompts: Prompts, captured: Captured) -> Targets:
        found: dict[str, list[Tensor]] = {"gradient": [], "least_squares": [], **{f"gd_{k}": [] for k in ITERATES}}
        for context in contexts:
            examples = Examples(prompts.x, prompts.y).first(context)
            iterates = descent.iterates(examples)
            found["gradient"].append(examples.second_moments()[1])
            found["least_squares"].append(solver.weights(examples))
            for k in ITERATES:
                found[f"gd_{k}"].append(iterates[k])
        w = prompts.parameters["w"][:, None].expand(-1, len(contexts), -1)
        return {"y": prompts.targets, "w": w} | {name: torch.stack(each, 1).float() for name, each in found.items()}

    return ask


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
