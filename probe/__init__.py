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
    from probe.checkpoints import Checkpoint
    from probe.checkpoints import load as load_checkpoint
    from probe.checkpoints import of as make_checkpoint
    from probe.commands.check import check_checkpoint
    from probe.commands.claim import examine_claim
    from probe.commands.compare import compare_models
    from probe.commands.convert import convert_checkpoint
    from probe.commands.evaluate import evaluate_models
    from probe.commands.fit import fit_heads
    from probe.commands.sweep import run_sweep
    from probe.commands.train import train_model
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
    from probe.errors import ProbeError
    from probe.language import evaluate_language, language_layers
    from probe.learners import make as make_learner
    from probe.models import ResidualModel
    from probe.processes import joined as join_processes
    from probe.records import Record
    from probe.records import load as load_record
    from probe.records import save as save_record
    from probe.tasks import make as make_task

_HOMES = {
    "CheckConfig": ("probe.config", "CheckConfig"),
    "Checkpoint": ("probe.checkpoints", "Checkpoint"),
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
    "check_checkpoint": ("probe.commands.check", "check_checkpoint"),
    "compare_models": ("probe.commands.compare", "compare_models"),
    "examine_claim": ("probe.commands.claim", "examine_claim"),
    "convert_checkpoint": ("probe.commands.convert", "convert_checkpoint"),
    "evaluate_language": ("probe.language", "evaluate_language"),
    "evaluate_models": ("probe.commands.evaluate", "evaluate_models"),
    "fit_heads": ("probe.commands.fit", "fit_heads"),
    "from_transformer_lens": ("probe.capture", "from_transformer_lens"),
    "hooked": ("probe.capture", "hooked"),
    "join_processes": ("probe.processes", "joined"),
    "language_layers": ("probe.language", "language_layers"),
    "load_checkpoint": ("probe.checkpoints", "load"),
    "load_record": ("probe.records", "load"),
    "make_checkpoint": ("probe.checkpoints", "of"),
    "make_learner": ("probe.learners", "make"),
    "make_task": ("probe.tasks", "make"),
    "run_sweep": ("probe.commands.sweep", "run_sweep"),
    "run_with_cache": ("probe.capture", "run_with_cache"),
    "save_record": ("probe.records", "save"),
    "train_model": ("probe.commands.train", "train_model"),
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
