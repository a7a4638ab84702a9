"""Whether an algorithm that was fixed in distribution predicts a model's answers out of it.

Setting, steps, scales and the share of the model's own error stay what they were; only the prompts are others: weights
twice as long, inputs that are turned or badly conditioned, values with noise. Two algorithms that answer alike where a
model was trained need not do so elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from probe.evidence.answers import Change
from probe.probing.experiment import Experiment
from probe.randomness import KeyedGenerator, PromptSource, generator, key
from probe.tasks import Prompts
from probe.tasks.prompts import interleave

NOISE = 0.5
"""Of the values, in units of their root mean square within the prompt."""
SMALLEST = 0.2
"""What the last coordinate of badly conditioned inputs is multiplied with; the first is left as it is."""
Inputs = Callable[[Float[Tensor, "prompt point dim"]], Float[Tensor, "prompt point dim"]]


def changes(experiment: Experiment, seed: int) -> Mapping[str, Change]:
    """Returns what is done to prompts, by its name; nothing where the task's y is not w times x."""
    sample = experiment.task.draw(PromptSource(seed, "score", [0]), experiment.longest)
    regressors = experiment.task.regressors(sample.x)
    if "w" not in sample.parameters or regressors is None or not torch.equal(regressors, sample.x):
        return {}
    dim = sample.x.shape[-1]
    drawn = generator(seed, "rotation").standard_normal((dim, dim))
    turned = torch.from_numpy(np.linalg.qr(drawn)[0]).float()
    ends = torch.linspace(0, float(np.log(SMALLEST)), dim).exp()
    return {
        "scaled": lambda prompts, numbers: _valued(prompts, 2 * prompts.y, 2 * prompts.targets),
        "rotated": lambda prompts, numbers: _moved(prompts, lambda x: x @ turned.to(x)),
        "conditioned": lambda prompts, numbers: _moved(prompts, lambda x: x * ends.to(x)),
        "noisy": lambda prompts, numbers: _noisy(prompts, numbers, seed),
    }


def _valued(prompts: Prompts, y: Tensor, targets: Tensor) -> Prompts:
    return replace(prompts, y=y, targets=targets, inputs=interleave(prompts.x, y))


def _moved(prompts: Prompts, of: Inputs) -> Prompts:
    """Returns the prompts with other x, and with the y that the same w answers to these."""
    x = of(prompts.x)
    shift = ((x - prompts.x) * prompts.parameters["w"][:, None]).sum(-1)
    moved = replace(prompts, x=x)
    return _valued(moved, prompts.y + shift, prompts.targets + shift[..., None])


def _noisy(prompts: Prompts, numbers: range, seed: int) -> Prompts:
    keyed, points = KeyedGenerator(), prompts.y.shape[1]
    drawn = np.stack([keyed.at(key(seed, "noise beyond", n)).standard_normal(points) for n in numbers])
    noise = NOISE * prompts.y.square().mean(1, keepdim=True).sqrt() * torch.from_numpy(drawn).to(prompts.y)
    return _valued(prompts, prompts.y + noise, prompts.targets)
