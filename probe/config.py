"""Every command's settings as frozen dataclasses: a field is a flag and a keyword, its docstring the help.

Nothing here imports torch, so that `probe --help` is instant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from probe.arguments import Delivery, Group, Needed, Positional
from probe.fields import Count, NameOf, NotNegative, Numbers, OrObject, Positive, Range, Settings, Size
from probe.model_config import Dropout, Heads, Init
from probe.model_config import ModelConfig as ModelConfig

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
    """CPU threads, by default all; the weights depend on their number in the last bits."""
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
    """In place of a task: .npz, .parquet, .safetensors or a folder of .npy files with the fields inputs and targets.
    With a language task, a folder of the authors' own word pairs, CATEGORY/TASK.json."""
    streams: Streams | None = None
    """In place of a checkpoint: a folder of probe capture, or another tool's .npy or .safetensors, of streams [prompt,
    layer, time, width]; --data then gives targets alone, where none were kept."""
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
    """In place of a task: .npz, .parquet, .safetensors or a folder of .npy files with the fields inputs and targets.
    With a language task, a folder of the authors' own word pairs, CATEGORY/TASK.json."""
    out: Delivery[str | None] = None
    """Where to write: PATH.csv, PATH.json, PATH.png; such an ending of PATH is left out, and .pdf or .svg
    is the picture's. By default
    runs/evaluate-CHECKPOINT-TASK, with the settings that differ from their defaults."""
    overwrite: Delivery[bool] = False
    """Replace a record of other settings that --out names."""
    json: Delivery[bool] = False
    """Print a summary of the record as JSON on stdout instead of a table."""


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
    """In place of a task: .npz, .parquet, .safetensors or a folder of .npy files with the fields inputs and targets.
    With a language task, a folder of the authors' own word pairs, CATEGORY/TASK.json."""
    out: Delivery[str | None] = None
    """Where to write: PATH.csv, PATH.json, PATH.png; such an ending of PATH is left out, and .pdf or .svg
    is the picture's. By default
    runs/compare-CHECKPOINT-TASK, with the settings that differ from their defaults."""
    overwrite: Delivery[bool] = False
    """Replace a record of other settings that --out names."""
    json: Delivery[bool] = False
    """Print a summary of the record as JSON on stdout instead of sentences."""


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


@dataclass(frozen=True)
class PlotConfig(Settings):
    """Draws a figure from saved records, without the models."""

    records: Positional[tuple[Annotated[str, OrObject("probe.records:at_hand")], ...]]
    """RECORD.csv files; several are laid over one another."""
    out: Needed[str | None] = None
    """The figure, FILE.png, FILE.pdf or FILE.svg."""
    kind: Annotated[str, NameOf("picture")] = "auto"
    """The record's own unless given. Of fit: error by layer, error by examples, both as a map, scale and shift by
    layer, error by layer and kept step; the training curve; what probe evaluate, compare or claim (ten pictures)
    measured; what probe evaluate, fit or compare measured on language tasks."""
    depth: Literal["auto", "layer", "depth", "parameters", "flops"] = "auto"
    """The axis of a layer curve."""
    context: Context | None = None
    """The number of examples a layer curve is drawn at; the largest by default."""
    target: str | None = None
    """The target whose errors are drawn, y or a drawn parameter; all of the record's by default, a panel each."""
    json: Delivery[bool] = False
    """Print what was written as JSON on stdout instead of lines."""


@dataclass(frozen=True)
class ViewConfig(Settings):
    """Makes one HTML page of saved records, to be looked into: without the models, and without a network."""

    records: Positional[tuple[Annotated[str, OrObject("probe.records:at_hand")], ...]]
    """RECORD.csv files; those of one kind are laid over one another, of several kinds follow one another."""
    out: str | None = None
    """The page, FILE.html; by default named as the first record, and beside it."""
    json: Delivery[bool] = False
    """Print what was written as JSON on stdout instead of lines."""


@dataclass(frozen=True)
class CheckConfig(Settings):
    """Checks on this very file that what runs is what it stores, and that what is captured is the residual stream."""

    ckpt: Model | None = None
    """A checkpoint: a file of probe train, an official run folder, a Hugging Face folder or hub name; needed unless
    kernels are checked."""
    kernels: bool = False
    """Check every kernel that runs here against its plain reference, outputs and gradients."""
    seed: Seed = 0
    """Seed of the prompts."""
    kernel: Kernel = "auto"
    """Backend of the selective scan."""
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
