"""Settings of probe fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from probe.arguments import Delivery
from probe.config.kinds import LANGUAGE, Data, Kernel, Matching, Model, Seed, Streams, Target, Task, Tokenizer
from probe.fields import Count, NameOf, Numbers, Range, Settings, Size


@dataclass(frozen=True)
class FitConfig(Settings):
    """Fits heads on the residual stream at every block and measures their errors on fresh prompts."""

    ckpt: tuple[Model, ...] = ()
    """Checkpoints: files of probe train, official run folders, Hugging Face folders or hub names, or learners, such as
    learner:gd:steps=8. A bare name that is not found here is sought in checkpoints/, in the folders of
    PROBE_CHECKPOINTS, and where probe's own lie."""
    task: Task | None = None
    """The task with its options, or FILE.py:NAME, whose file is run; it may differ from the one the checkpoint was
    trained on. Needed unless --data or --streams is given."""
    head: Annotated[tuple[str, ...], NameOf("head")] = ("linear", "lens")
    """linear: ridge from the stream to the target. normed: the same after the model's own final norm. logistic: to a
    category, by scikit-learn, on streams of at most 1 GB. lens: the
    model's own decoder applied early. calibrated: the lens with a scale and a shift per prompt. task_vector, for
    language tasks: the stream of a prompt with demonstrations patched into one without, layer by layer."""
    target: Target = "y"
    """What the linear head is asked for: y, what the task drew (see probe list targets TASK), or what a learner finds,
    such as gd:steps=4 or its weights gd.w:steps=4; several as w+gd:steps=4; or a target of --data by its name."""
    at: str = "x"
    """The token that fitted heads read the stream at: x, the query; y, the token after it; or so many tokens after it,
    such as -1."""
    site: Annotated[str, NameOf("site")] = "stream"
    """Where heads read: the stream, the recurrent state, attention, mlp, attention-head (before the output projection),
    attention-head-output, or module:PATH. Beside the stream, linear heads alone."""
    widest: Annotated[int, Range(0, 2**16)] = 256
    """A site of more numbers than this is read through as many random projections; 0 reads it whole."""
    lengths: Annotated[str, Numbers(("none", "auto"))] = "none"
    """Measure how healthy a site stays at these numbers of examples instead: its norm, its memory, and the error of
    heads that are frozen at the trained number; auto: 1 to 64 times that. The contexts are then these."""
    context: Annotated[str, Numbers(("all",))] = "all"
    """Numbers of examples before the query: all, or some of them; for language tasks, all means 5 demonstrations."""
    prompts: Count = 8192
    """Prompts the heads are fitted on; a quarter as many again choose the penalty. Of --data at most so many."""
    score: Count = 2048
    """Prompts the errors are measured on."""
    seed: Seed = 0
    """Seed of every prompt."""
    dim: Size | None = None
    """Dimension of the inputs x; by default the checkpoint's, and an error if it differs."""
    batch: Size = 128
    """Prompts a forward pass; results depend on it by rounding alone."""
    device: str = "auto"
    """cpu, cuda, or auto: a GPU where there is one."""
    kernel: Kernel = "auto"
    """Backend of the selective scan."""
    protocol: Literal["published", "released"] = "published"
    """How the calibrated head is fitted: as Grazzi et al. (2024) describe it, or as their code does it."""
    tokenizer: Annotated[Tokenizer | None, LANGUAGE] = None
    """A tokenizer's folder or name, where the checkpoint brings none; by default its own."""
    match: Annotated[Matching, LANGUAGE] = "published"
    """How answers are compared: exact, prefix, synonym, or as Grazzi et al. (2024) compare those of each category."""
    data: Data | None = None
    """In place of a task: .npz, .parquet, .safetensors or a folder of .npy files with the fields inputs and targets;
    the prompts are the task's unless given. With a language task, a folder of the authors' own word pairs,
    CATEGORY/TASK.json."""
    streams: Streams | None = None
    """In place of a checkpoint: a folder of probe capture, or another tool's .npy or .safetensors, of streams [prompt,
    layer, time, width]; --data then gives targets alone, where none were kept.
    The streams are a checkpoint's unless given."""
    out: Delivery[str | None] = None
    """Where to write: PATH.csv, PATH.json, PATH.png; such an ending of PATH is left out, and .pdf or .svg
    is the picture's. By default
    runs/fit-CHECKPOINT-TASK, with the settings that differ from their defaults."""
    save_heads: Delivery[bool] = False
    """Write the fitted heads beside the record, each as safetensors and JSON, into the folder PATH.heads."""
    overwrite: Delivery[bool] = False
    """Replace a record of other settings that --out names."""
    json: Delivery[bool] = False
    """Print a summary of the record as JSON on stdout instead of a table."""
