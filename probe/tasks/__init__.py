"""Function classes to learn in context. A task is named with options: ``noisy_linear:noise=1,target=clean``."""

from __future__ import annotations

from probe.errors import ProbeError
from probe.options import build
from probe.tasks.chain_of_thought import ChainOfThought
from probe.tasks.cubic import Cubic
from probe.tasks.decision_tree import DecisionTree
from probe.tasks.induction import Induction
from probe.tasks.linear import Linear
from probe.tasks.linear_classification import LinearClassification
from probe.tasks.many_outlier import ManyOutlier
from probe.tasks.noisy_linear import NoisyLinear
from probe.tasks.orthogonal_outlier import OrthogonalOutlier
from probe.tasks.prompts import Prompts
from probe.tasks.quadratic import Quadratic
from probe.tasks.regular_language import RegularLanguage
from probe.tasks.relu_network import ReluNetwork
from probe.tasks.skewed_linear import SkewedLinear
from probe.tasks.sparse_linear import SparseLinear
from probe.tasks.sparse_parity import SparseParity
from probe.tasks.task import Shape, Task
from probe.tasks.token_mqar import TokenMqar
from probe.tasks.vector_mqar import VectorMqar
from probe.tasks.vector_retrieval import VectorRetrieval

__all__ = [
    "TASKS",
    "ChainOfThought",
    "Cubic",
    "DecisionTree",
    "Induction",
    "Linear",
    "LinearClassification",
    "ManyOutlier",
    "NoisyLinear",
    "OrthogonalOutlier",
    "Prompts",
    "Quadratic",
    "RegularLanguage",
    "ReluNetwork",
    "Shape",
    "SkewedLinear",
    "SparseLinear",
    "SparseParity",
    "Task",
    "TokenMqar",
    "VectorMqar",
    "VectorRetrieval",
    "make",
]

TASKS: dict[str, type[Task]] = {
    "chain_of_thought": ChainOfThought,
    "cubic": Cubic,
    "decision_tree": DecisionTree,
    "induction": Induction,
    "linear": Linear,
    "linear_classification": LinearClassification,
    "many_outlier": ManyOutlier,
    "noisy_linear": NoisyLinear,
    "orthogonal_outlier": OrthogonalOutlier,
    "quadratic": Quadratic,
    "regular_language": RegularLanguage,
    "relu_network": ReluNetwork,
    "skewed_linear": SkewedLinear,
    "sparse_linear": SparseLinear,
    "sparse_parity": SparseParity,
    "token_mqar": TokenMqar,
    "vector_mqar": VectorMqar,
    "vector_retrieval": VectorRetrieval,
}


def make(text: str, dim: int) -> Task:
    """Returns the task that a text names, ``NAME`` or ``NAME:option=value,...``, for inputs of a dimension.

    Raises:
        ProbeError: if the name, an option or a value is not the task's.
    """
    if dim < 1:
        raise ProbeError(f"The dimension {dim} was given, but inputs need at least 1. Give --dim a positive number.")
    return build(TASKS, "task", text, {"dim": dim})
