"""Function classes to learn in context. A task is named with options: ``noisy_linear:noise=1,target=clean``."""

from __future__ import annotations

from typing import Any

from probe.errors import ProbeError
from probe.options import build
from probe.registries import IN_A_FILE, ObjectText, Registry
from probe.tasks.own import OwnTask, task
from probe.tasks.prompts import Prompts
from probe.tasks.registered import already_named
from probe.tasks.task import Counts, Shape, Task

__all__ = [
    "TASKS",
    "OwnTask",
    "Prompts",
    "Counts",
    "Shape",
    "Task",
    "make",
    "task",
]

TASKS: Registry[type[Task]] = Registry(
    "probe.tasks",
    {
        "chain_of_thought": "chain_of_thought:ChainOfThought",
        "cubic": "cubic:Cubic",
        "decision_tree": "decision_tree:DecisionTree",
        "hidden_markov": "hidden_markov:HiddenMarkov",
        "induction": "induction:Induction",
        "linear": "linear:Linear",
        "linear_classification": "linear_classification:LinearClassification",
        "linear_system": "linear_system:LinearSystem",
        "many_outlier": "many_outlier:ManyOutlier",
        "noisy_linear": "noisy_linear:NoisyLinear",
        "orthogonal_outlier": "orthogonal_outlier:OrthogonalOutlier",
        "quadratic": "quadratic:Quadratic",
        "regular_language": "regular_language:RegularLanguage",
        "relu_network": "relu_network:ReluNetwork",
        "skewed_linear": "skewed_linear:SkewedLinear",
        "sparse_linear": "sparse_linear:SparseLinear",
        "sparse_parity": "sparse_parity:SparseParity",
        "token_mqar": "token_mqar:TokenMqar",
        "vector_mqar": "vector_mqar:VectorMqar",
        "vector_retrieval": "vector_retrieval:VectorRetrieval",
    },
)


def make(text: str, dim: int) -> Task:
    """Returns the task that a text names, ``NAME`` or ``NAME:option=value,...``, for inputs of a dimension.

    Raises:
        ProbeError: if the name, an option or a value is not the task's.
    """
    if dim < 1:
        raise ProbeError(f"The dimension {dim} was given, but inputs need at least 1. Give --dim a positive number.")
    if IN_A_FILE.fullmatch(text) and not isinstance(text, ObjectText):
        text = ObjectText(text, already_named(text))
    return build(TASKS, "task", text, {"dim": dim})


def __getattr__(name: str) -> Any:
    """Returns the class of a task by its own name, as in `probe.tasks.Linear`."""
    return TASKS.named(name)
