"""What a layer curve looks like where nothing was learned: the nulls beside every figure.

What the inputs alone tell of the answer stands in every curve already: layer 0 at a query is its token's read-in.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import torch

from probe.capture import Captured, DescribedModel, NativeModel
from probe.checkpoints import Checkpoint
from probe.errors import ProbeError
from probe.evidence.targets import answers, fit_targets
from probe.heads.linear import Linear
from probe.models import ResidualModel
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.probing.prepare import same_on
from probe.probing.ridge_fit import Targets
from probe.randomness import key
from probe.statistics import LayerErrors
from probe.tasks import Prompts


def untrained(found: Checkpoint, seed: int) -> Checkpoint:
    """Returns the same model without what it learned.

    Of our own layouts the weights are drawn anew, as those of a training are. Nothing tells how those of other models
    were drawn: there the entries of every parameter stand in random order, of the same size and scale.

    Raises:
        ProbeError: if nothing in the blocks can be trained, or the model cannot be copied.
    """
    described = found.stream.description
    if described.parameters[-1] == described.parameters[0]:
        raise ProbeError(
            f"{found.name} has blocks without parameters, but an untrained model differs from a trained one in these. "
            "Leave this null out."
        )
    stream = _fresh(found.model, seed) if isinstance(found.model, ResidualModel) else _shuffled(found, seed)
    return replace(found, name=f"{found.name}-untrained", stream=stream, digest="")


def _fresh(trained: ResidualModel, seed: int) -> NativeModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(key(seed, "untrained") % 2**63)
        model = ResidualModel(trained.config)
    model.eval().requires_grad_(False)
    return NativeModel(model)


def _shuffled(found: Checkpoint, seed: int) -> DescribedModel:
    try:
        stream = deepcopy(found.stream)
    except Exception as error:  # a module of a stranger's may hold anything
        raise ProbeError(
            f"{found.name} is a {type(found.model).__name__} that cannot be copied ({error}), but its weights are "
            "shuffled in a copy. Leave this null out."
        ) from error
    random = torch.Generator().manual_seed(key(seed, "untrained") % 2**63)
    with torch.no_grad():
        for parameter in stream.model.parameters():
            order = torch.randperm(parameter.numel(), generator=random).to(parameter.device)
            parameter.copy_(parameter.flatten()[order].view_as(parameter))
    stream.model.eval().requires_grad_(False)
    return stream


def untrained_errors(experiment: Experiment, pass_: Pass) -> LayerErrors:
    """Returns the errors of heads for y on the untrained model, on the same prompts."""
    return control_errors(untrained(experiment.checkpoint, pass_.seed), experiment, pass_)


def control_errors(found: Checkpoint, experiment: Experiment, pass_: Pass) -> LayerErrors:
    """Returns the errors of heads for y on another checkpoint, on the experiment's prompts and contexts.

    A model trained on one fixed w shows what its layers tell of fresh ones without having learned to learn.

    Raises:
        ProbeError: if the checkpoint does not fit the task.
    """
    other = same_on(found, experiment)
    Linear().check(other, pass_.prompts)
    return fit_targets(other, answers, pass_)[1]["y"]


def shuffled_errors(experiment: Experiment, pass_: Pass) -> LayerErrors:
    """Returns the errors of heads that are fitted to, and judged by, another prompt's targets.

    Anything below 1 would be a leak between prompts.
    """

    def another(prompts: Prompts, captured: Captured) -> Targets:
        return {"shuffled": experiment.task.encoded(prompts).roll(1, 0)}

    # where the other prompt's target does not count, it may be an outlier, which is known to all
    return fit_targets(experiment, another, pass_, lambda prompts: prompts.counted.roll(1, 0))[1]["shuffled"]
