"""Settings of probe evaluate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from probe.arguments import Delivery
from probe.config.kinds import LANGUAGE, Context, Data, Kernel, Matching, Model, Seed, Task, Tokenizer
from probe.fields import Count, NameOf, Numbers, Settings, Size


@dataclass(frozen=True)
class EvaluateConfig(Settings):
    """Measures error against the number of examples, for models and for learners on the same prompts."""

    ckpt: tuple[Model, ...]
    """Checkpoints: files of probe train, official run folders, Hugging Face folders or hub names. A bare name that is
    not found here is sought in checkpoints/, in the folders of PROBE_CHECKPOINTS, and where probe's own lie."""
    task: Task | None = None
    """The task with its options; it may differ from the one a checkpoint was trained on. Needed unless --data
    is given."""
    prompting: Annotated[tuple[str, ...], NameOf("prompting")] = ("standard",)
    """How prompts are drawn: standard (as the task has it), isotropic, or shifted between examples and query as in
    Garg et al. (2022); see probe list prompting."""
    learner: Annotated[tuple[str, ...], NameOf("learner")] = ("usual",)
    """Learners run on the same prompts, with options, e.g. ridge:penalty=0.1 gd:steps=24; usual: those that suit the
    task; none."""
    context: Context | None = None
    """The largest number of examples, which may lie far beyond training; by default the longest trained one. For
    language tasks, the most demonstrations, 5 by default."""
    index: Annotated[str, Numbers(("all", "auto"))] = "auto"
    """Where a pass or a fit is needed for every number of examples: all, auto (all up to 40, then spaced
    geometrically; for language tasks 0, 1, 2, 4, ...), or some of them."""
    prompts: Count = 1280
    """Prompts the errors are measured on."""
    seed: Seed = 0
    """Seed of every prompt."""
    dim: Size | None = None
    """Dimension of the inputs x; by default the checkpoints', and an error if it differs."""
    batch: Size = 64
    """Prompts a forward pass; results depend on it by rounding alone."""
    device: str = "auto"
    """cpu, cuda, or auto: a GPU where there is one."""
    kernel: Kernel = "auto"
    """Backend of the models' kernels."""
    tokenizer: Annotated[Tokenizer | None, LANGUAGE] = None
    """A tokenizer's folder or name, where the checkpoint brings none; by default its own."""
    tokens: Annotated[Size, LANGUAGE] = 1
    """The most tokens that are decoded, up to the end of the line."""
    match: Annotated[Matching, LANGUAGE] = "published"
    """How answers are compared: exact, prefix, synonym, or as Grazzi et al. (2024) compare those of each category."""
    data: Data | None = None
    """In place of a task: .npz, .parquet, .safetensors or a folder of .npy files with the fields inputs and targets;
    the prompts are the task's unless given. With a language task, a folder of the authors' own word pairs,
    CATEGORY/TASK.json."""
    out: Delivery[str | None] = None
    """Where to write: PATH.csv, PATH.json, PATH.png; such an ending of PATH is left out, and .pdf or .svg
    is the picture's. By default
    runs/evaluate-CHECKPOINT-TASK, with the settings that differ from their defaults."""
    overwrite: Delivery[bool] = False
    """Replace a record of other settings that --out names."""
    json: Delivery[bool] = False
    """Print a summary of the record as JSON on stdout instead of a table."""
