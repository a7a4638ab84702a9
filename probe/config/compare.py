"""Settings of probe compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from probe.arguments import Delivery
from probe.config.kinds import LANGUAGE, Context, Data, Kernel, Matching, Model, Seed, Task, Tokenizer
from probe.fields import Count, NameOf, Settings, Size


@dataclass(frozen=True)
class CompareConfig(Settings):
    """Compares checkpoints on the same prompts, layer by layer and context by context, by paired differences."""

    ckpt: tuple[Model, ...]
    """Two checkpoints or more, of any kind that fit takes."""
    task: Task | None = None
    """The task with its options; needed unless --data is given."""
    head: Annotated[str, NameOf("head")] = "linear"
    """What reads the stream, as for probe fit: linear, normed, lens, or another that is measured at every context;
    language models are compared by their own answers alone."""
    depth: Literal["blocks", "parameters", "flops"] = "blocks"
    """What is counted up to a layer: the share of blocks (a transformer layer is two), of parameters or of FLOPs."""
    tuned: Literal["nothing", "rate"] = "nothing"
    """What was chosen for every side by one and the same search, as you know and no file says: nothing, or the rate. It
    then counts as no difference of the trainings, and the verdict says so."""
    context: Context | None = None
    """The number of examples that layers are compared at; by default the largest that every checkpoint was trained
    with. For language tasks, the most demonstrations, 5 by default."""
    prompts: Count = 8192
    """Prompts the heads are fitted on; a quarter as many again choose the penalty."""
    score: Count = 2048
    """Prompts the errors are measured on; for language tasks, prompts a task."""
    seed: Seed = 0
    """Seed of every prompt."""
    dim: Size | None = None
    """Dimension of the inputs x; by default the checkpoints', and an error if it differs."""
    batch: Size = 128
    """Prompts a forward pass; results depend on it by rounding alone."""
    device: str = "auto"
    """cpu, cuda, or auto: a GPU where there is one."""
    kernel: Kernel = "auto"
    """Backend of the models' kernels."""
    tokenizer: Annotated[Tokenizer | None, LANGUAGE] = None
    """A tokenizer's folder or name, where the checkpoints bring none; by default their own."""
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
    runs/compare-CHECKPOINT-TASK, with the settings that differ from their defaults."""
    overwrite: Delivery[bool] = False
    """Replace a record of other settings that --out names."""
    json: Delivery[bool] = False
    """Print a summary of the record as JSON on stdout instead of sentences."""
