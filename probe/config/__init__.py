"""Every command's settings as frozen dataclasses: a field is a flag and a keyword, its docstring the help.

Nothing here imports torch, so that `probe --help` is instant.
"""

from probe.config.capture import CaptureConfig
from probe.config.check import CheckConfig, ConvertConfig, ListConfig
from probe.config.claim import ClaimConfig
from probe.config.compare import CompareConfig
from probe.config.evaluate import EvaluateConfig
from probe.config.fit import FitConfig
from probe.config.kinds import LANGUAGE, BatchKey, Kernel, Matching, Precision, Schedule, TrainingLog
from probe.config.plot import PlotConfig, ViewConfig
from probe.config.train import SweepConfig, TrainConfig
from probe.model_config import ModelConfig

__all__ = [
    "LANGUAGE",
    "BatchKey",
    "CaptureConfig",
    "CheckConfig",
    "ClaimConfig",
    "CompareConfig",
    "ConvertConfig",
    "EvaluateConfig",
    "FitConfig",
    "Kernel",
    "ListConfig",
    "Matching",
    "ModelConfig",
    "PlotConfig",
    "Precision",
    "Schedule",
    "SweepConfig",
    "TrainConfig",
    "TrainingLog",
    "ViewConfig",
]
