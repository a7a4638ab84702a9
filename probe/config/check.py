"""Settings of probe check, probe convert and probe list."""

from __future__ import annotations

from dataclasses import dataclass

from probe.arguments import Delivery, Positional
from probe.config.kinds import Kernel, List, Model, Seed, Task
from probe.fields import Positive, Settings, Size


@dataclass(frozen=True)
class CheckConfig(Settings):
    """Checks on this very file that what runs is what it stores, and that what is captured is the residual stream."""

    ckpt: Model | None = None
    """A checkpoint: a file of probe train, an official run folder, a Hugging Face folder or hub name; needed unless
    kernels are checked."""
    kernels: bool = False
    """Check every kernel that is installed, ours and other packages': outputs, gradients, token by token, in pieces,
    over repeats, between prompts, by dtype and length, against plain references in double precision."""
    operation: tuple[str, ...] = ()
    """With --kernels: of these operations alone, such as selective_scan ssd; of all unless given."""
    seed: Seed = 0
    """Seed of the prompts."""
    kernel: Kernel = "auto"
    """Backend of the selective scan in a checkpoint that is checked."""
    out: Delivery[str | None] = None
    """Where to write what was found of kernels: PATH.csv and PATH.json. By default runs/check-kernels."""
    overwrite: Delivery[bool] = False
    """Replace a record of other settings that --out names."""
    json: Delivery[bool] = False
    """Print what was found as JSON on stdout instead of lines."""


@dataclass(frozen=True)
class ConvertConfig(Settings):
    """Writes any readable checkpoint as one of ours: self-describing, safe to load, with its digest."""

    ckpt: Model
    """A checkpoint of ours, or the run folder of an official code base (config.yaml and state.pt or model_STEP.pt) or
    one of its weights files."""
    out: str
    """The checkpoint to write, FILE.pt, or with --part-megabytes a folder."""
    part_megabytes: Positive | None = None
    """Write a folder of safetensors files of at most so many MB each; by default one file."""
    overwrite: bool = False
    """Replace a checkpoint that is there already."""
    json: Delivery[bool] = False
    """Print what was written as JSON on stdout instead of lines."""


@dataclass(frozen=True)
class ListConfig(Settings):
    """Lists what can be named."""

    what: Positional[List] = "all"
    """One list, or all but targets, which are a task's."""
    task: Positional[Task | None] = None
    """The task whose targets are listed, with its options; needed where they are."""
    dim: Size | None = None
    """Dimension of that task's inputs x; 5 unless given."""
    json: Delivery[bool] = False
    """Print the lists as JSON on stdout instead of lines."""
