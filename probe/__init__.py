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
    from probe.capture import (
        ModuleModel,
        NativeModel,
        NnsightModel,
        Place,
        capture_by_path,
        from_transformer_lens,
        hooked,
        run_with_cache,
    )
    from probe.capture import capture as capture_stream
    from probe.capture.huggingface import HuggingFaceModel
    from probe.check import check_checkpoint
    from probe.checkpoint import Checkpoint
    from probe.checkpoint import load as load_checkpoint
    from probe.checkpoint import of as make_checkpoint
    from probe.claim import examine_claim
    from probe.compare import compare_models
    from probe.config import (
        CheckConfig,
        ClaimConfig,
        CompareConfig,
        ConvertConfig,
        EvaluateConfig,
        FitConfig,
        ModelConfig,
        PlotConfig,
        SweepConfig,
        TrainConfig,
    )
    from probe.convert import convert_checkpoint
    from probe.errors import ProbeError
    from probe.evaluate import evaluate_models
    from probe.fit import fit_heads
    from probe.language import evaluate_language, language_layers
    from probe.learners import make as make_learner
    from probe.models import ResidualModel
    from probe.processes import joined as join_processes
    from probe.records import Record
    from probe.records import load as load_record
    from probe.records import save as save_record
    from probe.sweep import run_sweep
    from probe.tasks import make as make_task
    from probe.train import train_model

_HOMES = {
    "CheckConfig": ("probe.config", "CheckConfig"),
    "Checkpoint": ("probe.checkpoint", "Checkpoint"),
    "CompareConfig": ("probe.config", "CompareConfig"),
    "ClaimConfig": ("probe.config", "ClaimConfig"),
    "ConvertConfig": ("probe.config", "ConvertConfig"),
    "EvaluateConfig": ("probe.config", "EvaluateConfig"),
    "FitConfig": ("probe.config", "FitConfig"),
    "HuggingFaceModel": ("probe.capture.huggingface", "HuggingFaceModel"),
    "ModelConfig": ("probe.config", "ModelConfig"),
    "ModuleModel": ("probe.capture", "ModuleModel"),
    "NativeModel": ("probe.capture", "NativeModel"),
    "Place": ("probe.capture", "Place"),
    "NnsightModel": ("probe.capture", "NnsightModel"),
    "PlotConfig": ("probe.config", "PlotConfig"),
    "ProbeError": ("probe.errors", "ProbeError"),
    "Record": ("probe.records", "Record"),
    "ResidualModel": ("probe.models", "ResidualModel"),
    "SweepConfig": ("probe.config", "SweepConfig"),
    "TrainConfig": ("probe.config", "TrainConfig"),
    "capture_by_path": ("probe.capture", "capture_by_path"),
    "capture_stream": ("probe.capture", "capture"),
    "check_checkpoint": ("probe.check", "check_checkpoint"),
    "compare_models": ("probe.compare", "compare_models"),
    "examine_claim": ("probe.claim", "examine_claim"),
    "convert_checkpoint": ("probe.convert", "convert_checkpoint"),
    "evaluate_language": ("probe.language", "evaluate_language"),
    "evaluate_models": ("probe.evaluate", "evaluate_models"),
    "fit_heads": ("probe.fit", "fit_heads"),
    "from_transformer_lens": ("probe.capture", "from_transformer_lens"),
    "hooked": ("probe.capture", "hooked"),
    "join_processes": ("probe.processes", "joined"),
    "language_layers": ("probe.language", "language_layers"),
    "load_checkpoint": ("probe.checkpoint", "load"),
    "load_record": ("probe.records", "load"),
    "make_checkpoint": ("probe.checkpoint", "of"),
    "make_learner": ("probe.learners", "make"),
    "make_task": ("probe.tasks", "make"),
    "run_sweep": ("probe.sweep", "run_sweep"),
    "run_with_cache": ("probe.capture", "run_with_cache"),
    "save_record": ("probe.records", "save"),
    "train_model": ("probe.train", "train_model"),
}

__all__ = [
    "CheckConfig",
    "Checkpoint",
    "CompareConfig",
    "ClaimConfig",
    "ConvertConfig",
    "EvaluateConfig",
    "FitConfig",
    "HuggingFaceModel",
    "ModelConfig",
    "ModuleModel",
    "NativeModel",
    "NnsightModel",
    "Place",
    "PlotConfig",
    "ProbeError",
    "Record",
    "ResidualModel",
    "SweepConfig",
    "TrainConfig",
    "capture_by_path",
    "capture_stream",
    "check_checkpoint",
    "compare_models",
    "examine_claim",
    "convert_checkpoint",
    "evaluate_language",
    "evaluate_models",
    "fit_heads",
    "from_transformer_lens",
    "hooked",
    "join_processes",
    "language_layers",
    "load_checkpoint",
    "load_record",
    "make_checkpoint",
    "make_learner",
    "make_task",
    "run_sweep",
    "run_with_cache",
    "save_record",
    "train_model",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'probe' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)
