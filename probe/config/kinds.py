"""Kinds of values that the settings of several commands have."""

from __future__ import annotations

from typing import Annotated, Literal

from probe.arguments import Group
from probe.fields import NameOf, OrObject, Range

Kernel = Literal["auto", "reference", "cpu", "triton", "mamba_ssm"]
Schedule = Literal["constant", "cosine"]
Precision = Literal["float32", "bfloat16"]
TrainingLog = Literal["csv", "tensorboard", "wandb"]
BatchKey = Literal["whole", "32bit"]
Task = Annotated[str, NameOf("task")]
Context = Annotated[int, Range(0, 2**20)]
Seed = Annotated[int, Range(-(2**63), 2**63 - 1)]
Matching = Literal["published", "exact", "prefix", "synonym"]
Model = Annotated[str, OrObject("probe.checkpoints:at_hand")]
Data = Annotated[str, OrObject("probe.data:at_hand")]
Streams = Annotated[str, OrObject("probe.data:streams_at_hand")]
List = Literal["all", "tasks", "architectures", "heads", "learners", "prompting", "checkpoints", "targets"]
Target = Annotated[str, OrObject("probe.probing.asked:at_hand")]
LANGUAGE = Group("language tasks")
Tokenizer = Annotated[str, OrObject("probe.language:tokenizer_at_hand")]
