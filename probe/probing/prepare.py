"""Checkpoints set before a task: what does not fit together is refused before any work."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from probe.checkpoints import Checkpoint
from probe.config import FitConfig
from probe.errors import ProbeError
from probe.heads.calibrated import PROTOCOLS
from probe.probing.experiment import Experiment, check_length, load_all, task_for, trained_context
from probe.probing.targets import target_of
from probe.processes.devices import device_named
from probe.randomness import PromptSource

RIDGES = frozenset({"linear", "normed"})
WIDE = 128  # above this width, contexts default to FEW
FEW = 8
FEWEST_SCORED = 32
MOST_SYMBOLS = 512


def prepare(config: FitConfig, models: Sequence[Checkpoint] = ()) -> list[Experiment]:
    """Loads the checkpoints and refuses, before any work, what does not fit together."""
    if not config.head:
        raise ProbeError("No head was given, but at least one is needed. Add --head linear.")
    if "task_vector" in config.head:
        raise ProbeError(f"The task_vector head suits language tasks, and {config.task} is none. Use --head linear.")
    if config.score < FEWEST_SCORED:
        raise ProbeError(
            f"--score {config.score} was given, but bands need at least {FEWEST_SCORED} prompts. Give more."
        )
    device = device_named(config.device)
    return [_experiment(found, config, device) for found in load_all(config.ckpt, models)]


def _experiment(found: Checkpoint, config: FitConfig, device: torch.device) -> Experiment:
    width, task = found.stream.width, task_for(found, config.task, config.dim)
    asked = parse_contexts(config.context)
    longest = trained_context([found]) if asked is None else max(asked)
    sample = task.draw(PromptSource(config.seed, "fit", [0]), longest)
    contexts = choose_contexts(asked, sample.contexts, width)
    if RIDGES & set(config.head) and config.prompts < 2 * (width + 1):
        raise ProbeError(
            f"--prompts {config.prompts} was given, but a linear head on a stream {width} wide needs at "
            f"least {2 * (width + 1)}. Give more prompts."
        )
    if RIDGES & set(config.head) and task.objective == "symbol" and task.shape.outputs > MOST_SYMBOLS:
        raise ProbeError(
            f"A linear head was asked for {task.shape.outputs} symbols, but it suits at most {MOST_SYMBOLS}, one "
            "target each. Use --head lens."
        )
    check_length(found, task, longest)
    if "calibrated" in config.head and not (task.appendable and task.objective == "squared"):
        raise ProbeError(
            f"The calibrated head was asked for, but it suits tasks of pairs with a number to predict, and not "
            f"{config.task}. Use --head linear lens."
        )
    fewest = PROTOCOLS[config.protocol].fitted if PROTOCOLS[config.protocol].in_context else 1
    if "calibrated" in config.head and longest < fewest:
        raise ProbeError(
            f"A largest context of {longest} was given, but the calibrated head by the {config.protocol} "
            f"protocol needs at least {fewest} examples. Give a larger --context."
        )
    target_of(config, sample, task)
    if config.target != "y" and not RIDGES & set(config.head):
        raise ProbeError(
            f"--target {config.target} was given, but of the heads only linear and normed can be asked for it. "
            "Add --head linear, or drop --target."
        )
    found.model.to(device)
    found.stream.use_kernel(config.kernel)
    chosen = torch.tensor([sample.contexts.index(context) for context in contexts])
    return Experiment(found, found.stream, task, longest, contexts, chosen, device)


def choose_contexts(asked: list[int] | None, available: Sequence[int], width: int) -> list[int]:
    """Returns the numbers of examples to probe at: those asked for, or all, or eight spaced geometrically if wide.

    Raises:
        ProbeError: if the task has no query after so many examples.
    """
    if asked is None:
        if width <= WIDE:
            return list(available)
        last = len(available)
        return [available[place] for place in sorted({round(last ** (i / (FEW - 1))) - 1 for i in range(FEW)})]
    missing = [context for context in asked if context not in available]
    if missing:
        raise ProbeError(
            f"A context of {missing[0]} was given, but in prompts of {available[-1]} examples the task has queries "
            f"after {available[0]} to {available[-1]}. Choose among them."
        )
    return asked


def parse_contexts(text: str) -> list[int] | None:
    """Returns the numbers of examples that a checked text names, in their order, or None for ``all``."""
    return None if text == "all" else sorted({int(part) for part in text.split(",")})
