"""Settings of probe train and probe sweep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from probe.arguments import Delivery, Positional
from probe.config.kinds import BatchKey, Context, Kernel, Precision, Schedule, Seed, Task, TrainingLog
from probe.fields import Count, NameOf, NotNegative, Positive, Range, Settings, Size
from probe.model_config import Dropout, Heads, Init


@dataclass(frozen=True)
class TrainConfig(Settings):
    """Trains a model on fresh prompts; a flag that is not given is taken from the preset and the architecture."""

    out: str
    """The checkpoint to write, FILE.pt; the state stands beside it in FILE.pt.state."""
    task: Task | None = None
    """The task with its options, e.g. linear or noisy_linear:noise=0.5,target=clean, or FILE.py:NAME, a function of
    yours, whose file is run; needed unless resumed."""
    arch: Annotated[str, NameOf("architecture")] | None = None
    """A named architecture (see probe list architectures); needed unless a layout is given, or resumed."""
    layout: str | None = None
    """Blocks as text instead, e.g. M24, (AF)12, M(AM)12, or {M}8, one block applied eight times; by default the
    architecture's."""
    preset: Annotated[str, NameOf("preset")] | None = None
    """Sizes, steps and rates: laptop, the default, takes half an hour on one core; grazzi and park are the recipes that
    these papers published, by task and architecture."""
    dim: Size | None = None
    """Dimension of the inputs x; by default as the preset has it for the task."""
    width: Size | None = None
    """Width of the residual stream; by default as the preset has it for the architecture."""
    blocks: Annotated[int, Range(1, 1024)] | None = None
    """Number of blocks of a named architecture (a transformer layer is two); by default as the preset has it."""
    norm: Literal["rms", "layer"] | None = None
    """RMSNorm or LayerNorm; by default the architecture's."""
    positions: Literal["none", "learned", "sinusoidal"] | None = None
    """Learned absolute positions, fixed sinusoidal ones (Vaswani et al., 2017), or none; by default the
    architecture's."""
    dropout: Dropout | None = None
    """Dropout in training, of every block that has one; none unless given."""
    init: Init | None = None
    """First weights of attention, feed-forward blocks and learned positions: GPT-2's (own), or torch's defaults, as
    in the hybrids of Park et al. (2024); own unless given."""
    attention_heads: Heads | None = None
    """Attention heads of every attention block; by default as the preset has it."""
    context: Context | None = None
    """Examples before the last query; by default as the preset has it for the task."""
    steps: Count | None = None
    """Training steps, each on a fresh batch; by default as the preset has it."""
    batch: Size | None = None
    """Prompts a step; by default as the preset has it."""
    lr: Positive | None = None
    """Peak learning rate of Adam; by default as the preset has it."""
    schedule: Schedule | None = None
    """The rate after the warm-up: constant, or a half cosine down to 0 at the last step; by default as the
    preset has it."""
    warmup: Annotated[int, Range(0, 2**40)] | None = None
    """Steps over which the rate rises linearly from 0; by default as the preset has it."""
    clip: NotNegative | None = None
    """Largest gradient norm; 0 clips nothing; by default as the preset has it."""
    curriculum: bool | None = None
    """Whether dimensions and examples grow during training (Garg et al., 2022); by default as the preset has it."""
    seed: Seed | None = None
    """Seed of the first weights and of every batch; 0 unless given."""
    batch_key: BatchKey | None = None
    """How much of a batch's key its draws on a CPU depend on: whole, or 32bit, to repeat a training to the bit whose
    checkpoint names none; whole unless given."""
    device: str | None = None
    """cpu, cuda, or auto: a GPU where there is one. This and the next six are
    remembered when resumed; auto unless given."""
    kernel: Kernel | None = None
    """Backend of the selective scan; auto unless given."""
    precision: Precision | None = None
    """Of the matrix products while training; weights, states that are handed on, and losses stay float32;
    float32 unless given."""
    compile: bool | None = None
    """Compile the model by torch.compile, on a GPU as CUDA graphs: pays where small models wait for launches;
    not unless given."""
    threads: Annotated[int, Range(1, 4096)] | None = None
    """CPU threads, by default all, each of which takes a part of every batch if that leaves it 8 prompts; the weights
    depend on their number in the last bits."""
    save_seconds: NotNegative | None = None
    """Seconds between saves of weights, state and loss log; 60 unless given."""
    keep: tuple[int | str, ...] = ()
    """Steps kept as checkpoints in the folder FILE-steps: N,N,... or geometric (0, 1, 2, 4, ... and the last); none
    unless given."""
    probe_every: Annotated[int, Range(0, 2**40)] | None = None
    """Steps between two at which linear heads are fitted on every layer, on 1,024 prompts, which changes no weight:
    their errors stand in FILE-probing.csv (`probe plot --kind steps`), the weights in FILE-steps. 0 probes none;
    remembered when resumed; none unless given."""
    log: tuple[TrainingLog, ...] = ()
    """Where losses are logged beside FILE-training.csv, which is always written: tensorboard (the folder
    FILE-tensorboard) or wandb; remembered when resumed; csv alone unless given."""
    json: Delivery[bool] = False
    """Print a summary of the training as JSON on stdout."""
    resume: bool = False
    """Continue from FILE.pt.state, with the settings that stand in it."""
    overwrite: bool = False
    """Begin anew where FILE.pt is there already."""


@dataclass(frozen=True)
class SweepConfig(Settings):
    """Runs a table of trainings, so many at a time; what is done is passed over, what was stopped goes on."""

    table: Positional[str]
    """A CSV: its columns are flags of probe train, each row a training; a cell a|b stands for a row with each, an
    empty one for a flag not given."""
    out: str
    """The folder of the checkpoints, their states, loss logs and what they say, and of sweep.csv, a row a training."""
    jobs: Size = 1
    """Trainings at a time; on a cluster, each in a block (a Slurm job, a pod) of its own."""
    engine: Literal["local", "slurm", "kubernetes"] = "local"
    """Where they run: here, or on a cluster by Parsl (extra cluster)."""
    setting: tuple[str, ...] = ()
    """Settings of the cluster, NAME=VALUE as Parsl's provider has them, e.g. partition=gpu walltime=08:00:00; by
    default its own."""
    json: Delivery[bool] = False
    """Print the outcomes as JSON on stdout instead of a table."""
