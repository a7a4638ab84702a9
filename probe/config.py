"""Every verb's settings as frozen dataclasses: a field is a flag of the command line, its docstring the help.

Nothing here imports torch, so that `probe --help` is instant.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Literal

import tyro

from probe.errors import ProbeError

Kernel = Literal["auto", "reference", "cpu", "triton", "mamba_ssm"]
Init = Literal["own", "torch"]
HeadName = Literal["linear", "normed", "lens", "calibrated", "task_vector"]
Matching = Literal["published", "exact", "prefix", "synonym"]


@dataclass(frozen=True)
class ModelConfig:
    """What a model is built from; stands in every checkpoint."""

    layout: str
    """Blocks as text, e.g. M24 or (AF)12."""
    dim: int
    """Dimension of the inputs x."""
    width: int
    """Width of the residual stream."""
    outputs: int = 1
    """Dimension of the predictions."""
    norm: Literal["rms", "layer", "none"] = "rms"
    """RMSNorm, LayerNorm or none, before every block and at the end."""
    positions: Literal["none", "learned", "sinusoidal"] = "none"
    """Learned absolute positions, fixed sinusoidal ones, or none."""
    slots: int = 0
    """Number of learned positions, in tokens."""
    attention_heads: int = 8
    """Attention heads of every attention block."""
    symbols: int = 0
    """Size of the vocabulary, where tokens are symbols; 0 where they are vectors."""
    dropout: float = 0.0
    """Dropout of every mixer that has one, in training."""
    init: Init = "own"
    """First weights of attention, feed-forward blocks and learned positions: GPT-2's, or torch's defaults."""


@dataclass(frozen=True)
class TrainConfig:
    """Trains a model on fresh prompts; a flag that is not given is taken from the preset and the architecture."""

    out: str
    """The checkpoint to write, FILE.pt; the state stands beside it in FILE.pt.state."""
    task: str | None = None
    """The task with its options, e.g. linear or noisy_linear:noise=0.5,target=clean."""
    arch: str | None = None
    """A named architecture (see probe list architectures)."""
    layout: str | None = None
    """Blocks as text instead of a named architecture, e.g. M24, (AF)12 or M(AM)12."""
    preset: Literal["laptop", "paper"] = "laptop"
    """Sizes, steps and rates: laptop takes about half an hour on one core, paper is the published recipe."""
    dim: int | None = None
    """Dimension of the inputs x."""
    width: int | None = None
    """Width of the residual stream."""
    blocks: int | None = None
    """Number of blocks of a named architecture (a transformer layer is two)."""
    norm: Literal["rms", "layer"] | None = None
    """RMSNorm or LayerNorm."""
    positions: Literal["none", "learned", "sinusoidal"] | None = None
    """Learned absolute positions, fixed sinusoidal ones (Vaswani et al., 2017), or none."""
    dropout: float | None = None
    """Dropout in training, of every block that has one; none unless given."""
    init: Init | None = None
    """First weights of attention, feed-forward blocks and learned positions: GPT-2's (own), or torch's defaults, as
    in the hybrids of Park et al. (2024)."""
    attention_heads: int | None = None
    """Attention heads of every attention block."""
    context: int | None = None
    """Examples before the last query."""
    steps: int | None = None
    """Training steps, each on a fresh batch."""
    batch: int | None = None
    """Prompts a step."""
    lr: float | None = None
    """Peak learning rate of Adam."""
    schedule: Literal["constant", "cosine"] | None = None
    """The rate after the warm-up: constant, or a half cosine down to 0 at the last step."""
    warmup: int | None = None
    """Steps over which the rate rises linearly from 0."""
    clip: float | None = None
    """Largest gradient norm; 0 clips nothing."""
    curriculum: bool | None = None
    """Whether dimensions and examples grow during training (Garg et al., 2022), as the preset has it."""
    seed: int = 0
    """Seed of the first weights and of every batch."""
    device: str = "auto"
    """cpu, cuda, or auto: a GPU where there is one."""
    kernel: Kernel = "auto"
    """Backend of the selective scan."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the matrix products while training; weights, states that are handed on, and losses stay float32."""
    compile: bool = False
    """Compile the model by torch.compile, on a GPU as CUDA graphs: pays where small models wait for launches."""
    threads: int | None = None
    """CPU threads; the weights depend on their number in the last bits."""
    save_seconds: float = 60.0
    """Seconds between saves of weights, state and loss log."""
    json: bool = False
    """Print a summary of the training as JSON on stdout."""
    resume: bool = False
    """Continue from FILE.pt.state, with the settings that stand in it."""


def train_config(flags: Sequence[str]) -> TrainConfig:
    """Returns what flags of `probe train` mean.

    Raises:
        ProbeError: if they are none.
    """
    told = StringIO()
    try:
        with redirect_stderr(told), redirect_stdout(told):
            return tyro.cli(TrainConfig, args=flags, console_outputs=False)
    except SystemExit as error:
        raise ProbeError(f"{' '.join(flags)} are no flags of probe train. See probe train --help.") from error


@dataclass(frozen=True)
class SweepConfig:
    """Runs a table of trainings, so many at a time; what is done is passed over, what was stopped goes on."""

    table: tyro.conf.Positional[str]
    """A CSV: its columns are flags of probe train, each row a training; a cell a|b stands for a row with each, an
    empty one for a flag not given."""
    out: str
    """The folder of the checkpoints, their states, loss logs and what they say, and of sweep.csv, a row a training."""
    jobs: int = 1
    """Trainings at a time; on a cluster, each in a block (a Slurm job, a pod) of its own."""
    engine: Literal["local", "slurm", "kubernetes"] = "local"
    """Where they run: here, or on a cluster by Parsl (extra cluster)."""
    setting: tuple[str, ...] = ()
    """Settings of the cluster, NAME=VALUE as Parsl's provider has them, e.g. partition=gpu walltime=08:00:00."""
    json: bool = False
    """Print the outcomes as JSON on stdout instead of a table."""


@dataclass(frozen=True)
class FitConfig:
    """Fits heads on the residual stream at every block and measures their errors on fresh prompts."""

    ckpt: tuple[str, ...]
    """Checkpoints: files of probe train, official run folders, Hugging Face folders or hub names. A bare name that is
    not found here is sought in checkpoints/."""
    task: str
    """The task with its options; it may differ from the one the checkpoint was trained on."""
    head: tuple[HeadName, ...] = ("linear", "lens")
    """linear: ridge from the stream to the target. normed: the same after the model's own final norm. lens: the
    model's own decoder applied early. calibrated: the lens with a scale and a shift per prompt. task_vector, for
    language tasks: the stream of a prompt with demonstrations patched into one without, layer by layer."""
    target: str = "y"
    """What the linear head is asked for: y, or a drawn parameter such as w."""
    context: str = "all"
    """Numbers of examples before the query: all, or N,N,...; for language tasks, all means 5 demonstrations."""
    prompts: int = 8192
    """Prompts the heads are fitted on; a quarter as many again choose the penalty."""
    score: int = 2048
    """Prompts the errors are measured on."""
    seed: int = 0
    """Seed of every prompt."""
    dim: int | None = None
    """Dimension of the inputs x; the checkpoint's, and an error if it differs."""
    batch: int = 128
    """Prompts a forward pass; results depend on it by rounding alone."""
    device: str = "auto"
    """cpu, cuda, or auto: a GPU where there is one."""
    kernel: Kernel = "auto"
    """Backend of the selective scan."""
    protocol: Literal["published", "released"] = "published"
    """How the calibrated head is fitted: as Grazzi et al. (2024) describe it, or as their code does it."""
    tokenizer: str | None = None
    """For language tasks: a tokenizer's folder or name, where the checkpoint brings none."""
    match: Matching = "published"
    """For language tasks, how answers are compared: exact, prefix, synonym, or as Grazzi et al. (2024) compare those of
    each category."""
    data: str | None = None
    """For language tasks: a folder of the authors' own word pairs, CATEGORY/TASK.json, in place of ours."""
    out: str | None = None
    """Stem of the files written: STEM.csv, STEM.json, STEM.png. Default figures/fit-CHECKPOINT-TASK."""
    json: bool = False
    """Print a summary of the record as JSON on stdout instead of a table."""


@dataclass(frozen=True)
class EvaluateConfig:
    """Measures error against the number of examples, for models and for learners on the same prompts."""

    ckpt: tuple[str, ...]
    """Checkpoints: files of probe train, official run folders, Hugging Face folders or hub names. A bare name that is
    not found here is sought in checkpoints/."""
    task: str
    """The task with its options; it may differ from the one a checkpoint was trained on."""
    prompting: tuple[str, ...] = ("standard",)
    """How prompts are drawn: standard (as the task has it), isotropic, or shifted between examples and query as in
    Garg et al. (2022); see probe list prompting."""
    learner: tuple[str, ...] = ("usual",)
    """Learners run on the same prompts, with options, e.g. ridge:penalty=0.1 gd:steps=24; usual: those that suit the
    task; none."""
    context: int | None = None
    """The largest number of examples, which may lie far beyond training; by default the longest trained one. For
    language tasks, the most demonstrations, 5 by default."""
    index: str = "auto"
    """Where a pass or a fit is needed for every number of examples: all, auto (all up to 40, then spaced
    geometrically; for language tasks 0, 1, 2, 4, ...), or N,N,..."""
    prompts: int = 1280
    """Prompts the errors are measured on."""
    seed: int = 0
    """Seed of every prompt."""
    dim: int | None = None
    """Dimension of the inputs x; the checkpoints', and an error if it differs."""
    batch: int = 64
    """Prompts a forward pass; results depend on it by rounding alone."""
    device: str = "auto"
    """cpu, cuda, or auto: a GPU where there is one."""
    kernel: Kernel = "auto"
    """Backend of the models' kernels."""
    tokenizer: str | None = None
    """For language tasks: a tokenizer's folder or name, where the checkpoint brings none."""
    tokens: int = 1
    """For language tasks: the most tokens that are decoded, up to the end of the line."""
    match: Matching = "published"
    """For language tasks, how answers are compared: exact, prefix, synonym, or as Grazzi et al. (2024) compare those of
    each category."""
    data: str | None = None
    """For language tasks: a folder of the authors' own word pairs, CATEGORY/TASK.json, in place of ours."""
    out: str | None = None
    """Stem of the files written: STEM.csv, STEM.json, STEM.png. Default figures/evaluate-CHECKPOINT-TASK."""
    json: bool = False
    """Print a summary of the record as JSON on stdout instead of a table."""


@dataclass(frozen=True)
class CompareConfig:
    """Compares checkpoints on the same prompts, layer by layer and context by context, by paired differences."""

    ckpt: tuple[str, ...]
    """Two checkpoints or more, of any kind that fit takes."""
    task: str
    """The task with its options."""
    head: Literal["linear", "normed", "lens"] = "linear"
    """What reads the stream, as for probe fit; language models are compared by their own answers alone."""
    depth: Literal["blocks", "parameters", "flops"] = "blocks"
    """What is counted up to a layer: the share of blocks (a transformer layer is two), of parameters or of FLOPs."""
    context: int | None = None
    """The number of examples that layers are compared at; by default the largest that every checkpoint was trained
    with. For language tasks, the most demonstrations, 5 by default."""
    prompts: int = 8192
    """Prompts the heads are fitted on; a quarter as many again choose the penalty."""
    score: int = 2048
    """Prompts the errors are measured on; for language tasks, prompts a task."""
    seed: int = 0
    """Seed of every prompt."""
    dim: int | None = None
    """Dimension of the inputs x; the checkpoints', and an error if it differs."""
    batch: int = 128
    """Prompts a forward pass; results depend on it by rounding alone."""
    device: str = "auto"
    """cpu, cuda, or auto: a GPU where there is one."""
    kernel: Kernel = "auto"
    """Backend of the models' kernels."""
    tokenizer: str | None = None
    """For language tasks: a tokenizer's folder or name, where the checkpoints bring none."""
    tokens: int = 1
    """For language tasks: the most tokens that are decoded, up to the end of the line."""
    match: Matching = "published"
    """For language tasks, how answers are compared: exact, prefix, synonym, or as Grazzi et al. (2024) compare those of
    each category."""
    data: str | None = None
    """For language tasks: a folder of the authors' own word pairs, CATEGORY/TASK.json, in place of ours."""
    out: str | None = None
    """Stem of the files written: STEM.csv, STEM.json, STEM.png. Default figures/compare-CHECKPOINTS-TASK."""
    json: bool = False
    """Print a summary of the record as JSON on stdout instead of sentences."""


@dataclass(frozen=True)
class ClaimConfig:
    """Examines whether a model improves an internal answer step by step, and writes the evidence as one HTML report."""

    ckpt: str
    """The checkpoint, of any kind that fit takes."""
    task: str
    """The task with its options; it may differ from the one the checkpoint was trained on."""
    control: str | None = None
    """A model trained on one fixed function, e.g. with --task linear:functions=1, as a null; left out unless given."""
    context: int | None = None
    """The number of examples before the query; by default the largest trained one."""
    prompts: int = 8192
    """Prompts the heads are fitted on; a quarter as many again choose the penalty."""
    score: int = 2048
    """Prompts that errors are measured on."""
    asked: int = 256
    """Prompts on which algorithms are compared with the layers, each with many queries; half as many again choose."""
    skip: tuple[str, ...] = ()
    """Kinds of evidence to leave out: curve, trend, matching, nulls, known, states, influence, causes. The report says
    that they were not tested."""
    seed: int = 0
    """Seed of every prompt."""
    dim: int | None = None
    """Dimension of the inputs x; the checkpoint's, and an error if it differs."""
    batch: int = 128
    """Prompts a forward pass; results depend on it by rounding alone."""
    device: str = "auto"
    """cpu, cuda, or auto: a GPU where there is one."""
    kernel: Kernel = "auto"
    """Backend of the selective scan."""
    out: str | None = None
    """Stem of the files written: STEM.html, STEM.csv, STEM.json. Default figures/claim-CHECKPOINT-TASK."""
    json: bool = False
    """Print the verdict as JSON on stdout instead of lines."""


@dataclass(frozen=True)
class PlotConfig:
    """Draws a figure from saved records, without the models."""

    records: tyro.conf.Positional[tuple[str, ...]]
    """RECORD.csv files; several are laid over one another."""
    out: str
    """The figure, FILE.png, FILE.pdf or FILE.svg."""
    kind: Literal[
        "layers",
        "contexts",
        "heatmap",
        "calibration",
        "training",
        "prompting",
        "comparison",
        "claim",
        "claim-known",
        "claim-states",
        "claim-influence",
        "claim-causes",
        "language",
        "language-layers",
        "language-comparison",
    ] = "layers"
    """Error by layer, error by examples, both as a map, scale and shift by layer, the training curve, what probe
    evaluate, probe compare or probe claim (five pictures) measured; what probe evaluate, fit or compare measured on
    language tasks."""
    depth: Literal["auto", "layer", "depth", "parameters", "flops"] = "auto"
    """The axis of a layer curve."""
    context: int | None = None
    """The number of examples a layer curve is drawn at; the largest by default."""


@dataclass(frozen=True)
class CheckConfig:
    """Checks on this very file that what runs is what it stores, and that what is captured is the residual stream."""

    ckpt: str | None = None
    """A checkpoint: a file of probe train, an official run folder, a Hugging Face folder or hub name."""
    kernels: bool = False
    """Check every kernel that runs here against its plain reference, outputs and gradients."""
    seed: int = 0
    """Seed of the prompts."""
    kernel: Kernel = "auto"
    """Backend of the selective scan."""


@dataclass(frozen=True)
class ConvertConfig:
    """Writes any readable checkpoint as one of ours: self-describing, safe to load, with its digest."""

    ckpt: str
    """A checkpoint of ours, or the run folder of an official code base (config.yaml and state.pt or model_STEP.pt) or
    one of its weights files."""
    out: str
    """The checkpoint to write, FILE.pt, or with --part-megabytes a folder."""
    part_megabytes: float | None = None
    """Write a folder of safetensors files of at most so many MB each, instead of one file."""


@dataclass(frozen=True)
class ListConfig:
    """Lists what can be named."""

    what: tyro.conf.Positional[
        Literal["all", "tasks", "architectures", "heads", "learners", "prompting", "checkpoints"]
    ] = "all"
    """One list, or all of them."""
