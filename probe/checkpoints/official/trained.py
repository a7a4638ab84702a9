"""The task that an official run was trained on, as a task of probe."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from probe import tasks
from probe.checkpoints.official.settings import Settings
from probe.curriculum import Curriculum
from probe.errors import ProbeError, suggest
from probe.models import ResidualModel
from probe.tasks import TASKS


@dataclass(frozen=True)
class Equivalent:
    """The task of probe that equals an official one.

    Args:
        name: our task's name.
        options: official arguments and the options of ours that they are.
        fixed: options that the official task has where it is given no arguments.
        note: where ours departs from the official task.
        context: the examples before the last query, of the official number of points.
    """

    name: str
    options: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, object] = field(default_factory=dict)
    note: str = ""
    context: Callable[[int], int] = lambda points: points - 1


EQUIVALENTS: dict[str, Equivalent] = {
    "linear_regression": Equivalent("linear", {"scale": "y_scale"}),
    "sparse_linear_regression": Equivalent("sparse_linear", {"sparsity": "sparsity"}),
    "linear_classification": Equivalent("linear_classification"),
    "noisy_linear_regression": Equivalent(
        "noisy_linear", {"noise_std": "noise", "renormalize_ys": "renormalise", "scale": "y_scale"}, {"noise": 0.0}
    ),
    "quadratic_regression": Equivalent("quadratic"),
    "relu_2nn_regression": Equivalent("relu_network", {"hidden_layer_size": "hidden"}),
    "decision_tree": Equivalent("decision_tree", {"depth": "depth"}),
    "sparse_parity": Equivalent("sparse_parity", {"k": "size"}),
    "filter_linear_regression": Equivalent("many_outlier", {"prob": "probability"}, {"probability": 0.0}),
    "filter_ortho_linear_regression": Equivalent(
        "orthogonal_outlier", {"prob": "probability"}, {"probability": 0.0, "released": True}
    ),
    "filter_scale_linear_regression": Equivalent("linear", note="its outliers, small x with the y of large ones"),
    "filter_relu_2nn_regression": Equivalent("relu_network", {"hidden_layer_size": "hidden"}, note="its outliers"),
    "retrieval": Equivalent("vector_retrieval", fixed={"released": True}, context=lambda points: points),
    "token_induction_head": Equivalent(
        "induction",
        {"chain_depth": "chain_depth"},
        note="that its symbols come in pairs of a key, shown once, and a value",
        context=lambda points: 2 * points,
    ),
}
# samplers that the tasks above have by themselves
PLAIN = ("gaussian", "gaussian_for_retrieval", "sparse_parity_sampler", "filter", "unique_key_tokens_random_query")


@dataclass(frozen=True)
class Trained:
    """The task, dimension and context that a run was trained on.

    Args:
        task: our task's text.
        dim: dimension of its inputs.
        context: the largest number of examples by the step of the weights.
        notes: what our task does not say of it.
    """

    task: str
    dim: int
    context: int
    notes: tuple[str, ...]

    def flops(self, model: ResidualModel, settings: Settings, step: int | None) -> int | None:
        """Returns the floating-point operations of the training, three forward passes a step; None if not known."""
        batch, points = settings.training.get("batch_size"), _points(settings)
        if step is None or not isinstance(batch, int):
            return None
        task, equivalent, last = tasks.make(self.task, self.dim), _equivalent(settings), _last(settings)
        total, at = 0, 0
        while at <= step:
            shown = points.at(at, last)
            grows = shown < last and points.increment
            until = min(step + 1, (at // points.every + 1) * points.every) if grows else step + 1
            forward = model.cumulative_flops(task.length(equivalent.context(shown)))[-1]
            total += 3 * forward * batch * (until - at)
            at = until
        return total


def trained_on(settings: Settings, step: int | None) -> Trained:
    """Returns the task, dimension and context that a run was trained on.

    Args:
        step: the step of the weights, by which the curriculum had come so far; None for its end.

    Raises:
        ProbeError: if the task is unknown or a setting is missing.
    """
    equivalent, last = _equivalent(settings), _last(settings)
    given = {**_section(settings, "task_kwargs"), **_section(settings, "data_kwargs")}
    given |= _section(settings, "data_sampler_kwargs")
    name, options, notes = equivalent.name, dict(equivalent.fixed), [equivalent.note] if equivalent.note else []
    data = settings.training.get("data", "gaussian")
    if data == "skewed_gaussian" and name == "linear":
        name, options = "skewed_linear", {"power": given.pop("exp", 1)}
    elif data == "unique_key_tokens_fixed_query":
        options["fixed_query"] = True
    elif data not in PLAIN:
        notes.append(f"that x was drawn by {data}")
    if name == "induction":
        options["vocabulary"] = settings.symbols
    # what was in the pool is not saved
    given |= {pool: settings.training.get(pool) for pool in ("num_tasks", "num_training_examples")}
    for argument, value in given.items():
        if argument in equivalent.options:
            options[equivalent.options[argument]] = value
        elif value is not None:
            notes.append(f"{argument} = {value}")
    points = last if step is None else _points(settings).at(step, last)
    text = _text(name, options)
    told = tuple(f"the task {text} leaves out {note}" for note in notes)
    return Trained(text, settings.whole("n_dims"), equivalent.context(points), told)


def _equivalent(settings: Settings) -> Equivalent:
    name = str(settings.training.get("task"))
    if name not in EQUIVALENTS:
        raise ProbeError(
            f"{settings.path} was trained on the task {name!r}, which no official code base has. "
            f"{suggest(name, list(EQUIVALENTS))}Official tasks: {', '.join(EQUIVALENTS)}."
        )
    return EQUIVALENTS[name]


def _text(name: str, options: Mapping[str, object]) -> str:
    """Returns a task's text, without options that have their default value."""
    defaults = inspect.signature(TASKS[name]).parameters
    told = [f"{key}={_word(value)}" for key, value in options.items() if value != defaults[key].default]
    return f"{name}:{','.join(told)}" if told else name


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _section(settings: Settings, name: str) -> dict[str, Any]:
    section = settings.training.get(name)
    return dict(section) if isinstance(section, dict) else {}


def _points(settings: Settings) -> Curriculum:
    """Returns the curriculum of the number of points."""
    return Curriculum(_stage(settings, "start"), _stage(settings, "inc"), _stage(settings, "interval"))


def _last(settings: Settings) -> int:
    return _stage(settings, "end")


def _stage(settings: Settings, name: str) -> int:
    value = _section(settings, "curriculum").get("points")
    number = value.get(name) if isinstance(value, dict) else None
    if type(number) is not int or number < (0 if name == "inc" else 1):
        raise ProbeError(
            f"{settings.path} gives training.curriculum.points.{name} as {number!r}, but a positive whole number is "
            "needed. Correct the file."
        )
    return number
