"""The settings of probe capture; nothing here imports torch, so that help is instant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from probe.arguments import Delivery
from probe.config.kinds import LANGUAGE, Data, Kernel, Model, Seed, Task, Tokenizer
from probe.fields import Count, Numbers, Positive, Settings, Size


@dataclass(frozen=True)
class CaptureConfig(Settings):
    """Keeps the streams of a model's prompts in a folder of safetensors, for heads to be fitted without the model."""

    ckpt: Model
    """A checkpoint, of any kind that fit takes."""
    out: str
    """The folder to write; it appears once everything is in it. probe fit --streams reads it."""
    task: Task | None = None
    """The task with its options. Needed unless --data is given."""
    data: Data | None = None
    """In place of a task, as for probe fit; the prompts are the task's unless given."""
    context: Annotated[str, Numbers(("all",))] = "all"
    """Numbers of examples before the query, or, of data, places in the sequence: all, or some of them."""
    prompts: Count = 8192
    """Prompts to fit heads on; a quarter as many again choose the penalty. Of --data at most so many."""
    score: Count = 2048
    """Prompts that errors are measured on."""
    seed: Seed = 0
    """Seed of every prompt, and of the split of data."""
    dim: Size | None = None
    """Dimension of the inputs x; by default the checkpoint's, and an error if it differs."""
    batch: Size = 128
    """Prompts a forward pass; results depend on it by rounding alone."""
    precision: Literal["float32", "float16"] = "float32"
    """How numbers are kept: float16 takes half the room, and heads then differ in the third digit."""
    part_megabytes: Positive = 64
    """About so many MB a file."""
    device: str = "auto"
    """cpu, cuda, or auto: a GPU where there is one."""
    kernel: Kernel = "auto"
    """Backend of the model's kernels."""
    tokenizer: Annotated[Tokenizer | None, LANGUAGE] = None
    """A tokenizer's folder or name, where the checkpoint brings none; by default its own."""
    overwrite: bool = False
    """Replace a folder that is there already."""
    json: Delivery[bool] = False
    """Print what was written as JSON on stdout instead of lines."""
