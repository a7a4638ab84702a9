"""Settings of probe claim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from probe.arguments import Delivery
from probe.config.kinds import Context, Kernel, Model, Seed, Task
from probe.fields import Count, NameOf, Settings, Size


@dataclass(frozen=True)
class ClaimConfig(Settings):
    """Examines whether models improve an internal answer step by step, and writes the evidence as one HTML report."""

    ckpt: tuple[Model, ...]
    """Checkpoints, of any kind that fit takes. The verdict speaks of an architecture from three seeds of it on."""
    task: Task
    """The task with its options; it may differ from the one the checkpoint was trained on."""
    control: Model | None = None
    """A model trained on one fixed function, e.g. with --task linear:functions=1, as a null; left out unless given."""
    context: Context | None = None
    """The number of examples before the query; by default the largest trained one."""
    prompts: Count = 8192
    """Prompts the heads are fitted on; a quarter as many again choose the penalty."""
    score: Count = 2048
    """Prompts that errors are measured on."""
    asked: Count = 256
    """Prompts on which algorithms are compared with the layers, each with many queries; half as many again choose."""
    skip: Annotated[tuple[str, ...], NameOf("evidence")] = ()
    """Kinds of evidence to leave out: curve, trend, matching, nulls, known, states, influence, causes, loop, map,
    online, spectral.
    By default none is left out; the report says what was not tested."""
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
    out: Delivery[str | None] = None
    """Where to write: PATH.html, PATH.csv, PATH.json; such an ending of PATH is left out. By default
    runs/claim-CHECKPOINT-TASK, with the settings that differ from their defaults."""
    overwrite: Delivery[bool] = False
    """Replace a record and report of other settings that --out names."""
    json: Delivery[bool] = False
    """Print the verdict as JSON on stdout instead of lines."""
