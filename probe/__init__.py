"""What does each block of a sequence model add? Heads on the residual stream, layer by layer.

    from probe import FitConfig, fit_heads
    record = fit_heads(FitConfig(ckpt=("checkpoints/mamba.pt",), task="linear"))
    record.table    # a pandas DataFrame, one row per model, layer, context, target and head

Names are imported when they are first used, so that `import probe` is instant.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from probe.capture import NativeModel, capture
    from probe.check import check_checkpoint
    from probe.checkpoint import Checkpoint
    from probe.checkpoint import load as load_checkpoint
    from probe.compare import compare_models
    from probe.config import (
        CheckConfig,
        CompareConfig,
        EvaluateConfig,
        FitConfig,
        ModelConfig,
        PlotConfig,
        TrainConfig,
    )
    from probe.errors import ProbeError
    from probe.evaluate import evaluate_models
    from probe.fit import fit_heads
    from probe.language import evaluate_language, language_layers
    from probe.learners import make as make_learner
    from probe.models import ResidualModel
    from probe.records import Record
    from probe.records import load as load_record
    from probe.records import save as save_record
    from probe.tasks import make as make_task
    from probe.train import train_model

_HOMES = {
    "CheckConfig": ("probe.config", "CheckConfig"),
    "Checkpoint": ("probe.checkpoint", "Checkpoint"),
    "CompareConfig": ("probe.config", "CompareConfig"),
    "EvaluateConfig": ("probe.config", "EvaluateConfig"),
    "FitConfig": ("probe.config", "FitConfig"),
    "ModelConfig": ("probe.config", "ModelConfig"),
    "NativeModel": ("probe.capture", "NativeModel"),
    "PlotConfig": ("probe.config", "PlotConfig"),
    "ProbeError": ("probe.errors", "ProbeError"),
    "Record": ("probe.records", "Record"),
    "ResidualModel": ("probe.models", "ResidualModel"),
    "TrainConfig": ("probe.config", "TrainConfig"),
    "capture": ("probe.capture", "capture"),
    "check_checkpoint": ("probe.check", "check_checkpoint"),
    "compare_models": ("probe.compare", "compare_models"),
    "evaluate_language": ("probe.language", "evaluate_language"),
    "evaluate_models": ("probe.evaluate", "evaluate_models"),
    "fit_heads": ("probe.fit", "fit_heads"),
    "language_layers": ("probe.language", "language_layers"),
    "load_checkpoint": ("probe.checkpoint", "load"),
    "load_record": ("probe.records", "load"),
    "make_learner": ("probe.learners", "make"),
    "make_task": ("probe.tasks", "make"),
    "save_record": ("probe.records", "save"),
    "train_model": ("probe.train", "train_model"),
}

__all__ = [
    "CheckConfig",
    "Checkpoint",
    "CompareConfig",
    "EvaluateConfig",
    "FitConfig",
    "ModelConfig",
    "NativeModel",
    "PlotConfig",
    "ProbeError",
    "Record",
    "ResidualModel",
    "TrainConfig",
    "capture",
    "check_checkpoint",
    "compare_models",
    "evaluate_language",
    "evaluate_models",
    "fit_heads",
    "language_layers",
    "load_checkpoint",
    "load_record",
    "make_learner",
    "make_task",
    "save_record",
    "train_model",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'probe' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)
