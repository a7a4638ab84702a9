"""What the package offers: every public name is listed here, and imported when it is first used.

A name stands here with ``as``, and its home is the module that it is imported from; or as another word for a name of a
room; or it is a command, whose home is the file of its name in probe/commands.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from probe import capture as capture
from probe import checkpoints, processes, records
from probe import heads as heads
from probe import interventions as interventions
from probe import kernels as kernels
from probe import learners as learners
from probe import models as models
from probe import pages as pages
from probe import plots as plots
from probe import statistics as statistics
from probe import tasks as tasks
from probe.capture import DescribedModel
from probe.capture import ModuleModel as ModuleModel
from probe.capture import NativeModel as NativeModel
from probe.capture import NnsightModel as NnsightModel
from probe.capture import Place as Place
from probe.capture import capture_by_path as capture_by_path
from probe.capture import from_transformer_lens as from_transformer_lens
from probe.capture import hooked as hooked
from probe.capture import run_with_cache as run_with_cache
from probe.capture.huggingface import HuggingFaceModel as HuggingFaceModel
from probe.capture.sites import capture_site as capture_site
from probe.checkpoints import Checkpoint as Checkpoint
from probe.checkpoints import from_model as from_model
from probe.commands.capture import keep_streams as keep_streams
from probe.commands.plot import PlotResult as PlotResult
from probe.config import CaptureConfig as CaptureConfig
from probe.config import CheckConfig as CheckConfig
from probe.config import ClaimConfig as ClaimConfig
from probe.config import CompareConfig as CompareConfig
from probe.config import ConvertConfig as ConvertConfig
from probe.config import EvaluateConfig as EvaluateConfig
from probe.config import FitConfig as FitConfig
from probe.config import ModelConfig as ModelConfig
from probe.config import PlotConfig as PlotConfig
from probe.config import SweepConfig as SweepConfig
from probe.config import TrainConfig as TrainConfig
from probe.config import ViewConfig as ViewConfig
from probe.data import Data as Data
from probe.data import Streams
from probe.errors import ProbeError as ProbeError
from probe.evidence.criteria import Criterion
from probe.language import Tokenizer
from probe.learners import Learner
from probe.models import ResidualModel as ResidualModel
from probe.pages import Page as Page
from probe.probing.result import Result as Result
from probe.probing.results import CheckResult as CheckResult
from probe.probing.results import ClaimResult as ClaimResult
from probe.probing.results import CompareResult as CompareResult
from probe.probing.results import ConvertResult as ConvertResult
from probe.probing.results import EvaluateResult as EvaluateResult
from probe.probing.results import FitResult as FitResult
from probe.probing.results import SweepResult as SweepResult
from probe.probing.results import TrainResult as TrainResult
from probe.probing.results import load as load
from probe.processes import Processes
from probe.progress import Report
from probe.records import Record as Record
from probe.tasks import Prompts, Task
from probe.tasks import task as task

capture_stream = capture.capture
join_processes = processes.joined
load_checkpoint = checkpoints.load
load_record = records.load
make_learner = learners.make
make_task = tasks.make
save_record = records.save

_Model = str | Path | Checkpoint | DescribedModel | ResidualModel
_Task = str | Task | type[Task]
_Asked = str | Callable[[Prompts], Any]
_Target = _Asked | Mapping[str, _Asked]
_Learner = str | Learner | type[Learner]
_Head = str | heads.Head | type[heads.Head]
_Tokenizer = str | Path | Tokenizer
_Record = str | Path | Record
_Data = str | Path | Data
_Streams = str | Path | Streams | Any

# commands: written by tests/stub.py

def train(
    config: TrainConfig | None = None,
    /,
    *,
    out: str | Path = ...,
    task: _Task | None = None,
    arch: str | None = None,
    layout: str | None = None,
    preset: str | None = None,
    dim: int | None = None,
    width: int | None = None,
    blocks: int | None = None,
    norm: Literal["rms", "layer"] | None = None,
    positions: Literal["none", "learned", "sinusoidal"] | None = None,
    dropout: float | None = None,
    init: Literal["own", "torch"] | None = None,
    attention_heads: int | None = None,
    context: int | None = None,
    steps: int | None = None,
    batch: int | None = None,
    lr: float | None = None,
    schedule: Literal["constant", "cosine"] | None = None,
    warmup: int | None = None,
    clip: float | None = None,
    curriculum: bool | None = None,
    seed: int | None = None,
    batch_key: Literal["whole", "32bit"] | None = None,
    device: str | None = None,
    kernel: Literal["auto", "reference", "cpu", "triton", "mamba_ssm"] | None = None,
    precision: Literal["float32", "bfloat16"] | None = None,
    compile: bool | None = None,
    threads: int | None = None,
    save_seconds: float | None = None,
    keep: int | str | Sequence[int | str] = (),
    probe_every: int | None = None,
    log: Literal["csv", "tensorboard", "wandb"] | Sequence[Literal["csv", "tensorboard", "wandb"]] = (),
    resume: bool = False,
    overwrite: bool = False,
    command: str = "",
    report: Report = ...,
    processes: Processes = ...,
) -> TrainResult:
    """Trains and writes FILE.pt, FILE.pt.state and the loss log FILE-training.csv/.json; the result holds the log."""

def sweep(
    config: SweepConfig | str | Path | None = None,
    /,
    *,
    table: str | Path = ...,
    out: str | Path = ...,
    jobs: int = 1,
    engine: Literal["local", "slurm", "kubernetes"] = "local",
    setting: str | Sequence[str] = (),
    command: str = "",
    report: Report = ...,
) -> SweepResult:
    """Trains what a table asks for; the result has a row a training: its flags, outcome, steps, seconds and error."""

def fit(
    config: FitConfig | _Model | Sequence[_Model] | None = None,
    /,
    *,
    ckpt: _Model | Sequence[_Model] = (),
    task: _Task | None = None,
    head: _Head | Sequence[_Head] = ("linear", "lens"),
    target: _Target = "y",
    at: str = "x",
    site: str = "stream",
    widest: int = 256,
    lengths: str | int | Sequence[int] = "none",
    context: str | int | Sequence[int] = "all",
    prompts: int = 8192,
    score: int = 2048,
    seed: int = 0,
    dim: int | None = None,
    batch: int = 128,
    device: str = "auto",
    kernel: Literal["auto", "reference", "cpu", "triton", "mamba_ssm"] = "auto",
    protocol: Literal["published", "released"] = "published",
    tokenizer: _Tokenizer | None = None,
    match: Literal["published", "exact", "prefix", "synonym"] = "published",
    data: _Data | None = None,
    streams: _Streams | None = None,
    command: str = "",
    report: Report = ...,
    processes: Processes = ...,
) -> FitResult:
    """Fits the chosen heads on every checkpoint; the table has a row a model, layer, context, target and head."""

def evaluate(
    config: EvaluateConfig | _Model | Sequence[_Model] | None = None,
    /,
    *,
    ckpt: _Model | Sequence[_Model] = ...,
    task: _Task | None = None,
    prompting: str | Sequence[str] = ("standard",),
    learner: _Learner | Sequence[_Learner] = ("usual",),
    context: int | None = None,
    index: str | int | Sequence[int] = "auto",
    prompts: int = 1280,
    seed: int = 0,
    dim: int | None = None,
    batch: int = 64,
    device: str = "auto",
    kernel: Literal["auto", "reference", "cpu", "triton", "mamba_ssm"] = "auto",
    tokenizer: _Tokenizer | None = None,
    tokens: int = 1,
    match: Literal["published", "exact", "prefix", "synonym"] = "published",
    data: _Data | None = None,
    command: str = "",
    report: Report = ...,
    processes: Processes = ...,
) -> EvaluateResult:
    """Measures errors; the table has a row a prompting style, model or learner, and number of examples."""

def compare(
    config: CompareConfig | _Model | Sequence[_Model] | None = None,
    /,
    *,
    ckpt: _Model | Sequence[_Model] = ...,
    task: _Task | None = None,
    head: _Head = "linear",
    depth: Literal["blocks", "parameters", "flops"] = "blocks",
    tuned: Literal["nothing", "rate"] = "nothing",
    context: int | None = None,
    prompts: int = 8192,
    score: int = 2048,
    seed: int = 0,
    dim: int | None = None,
    batch: int = 128,
    device: str = "auto",
    kernel: Literal["auto", "reference", "cpu", "triton", "mamba_ssm"] = "auto",
    tokenizer: _Tokenizer | None = None,
    tokens: int = 1,
    match: Literal["published", "exact", "prefix", "synonym"] = "published",
    data: _Data | None = None,
    command: str = "",
    report: Report = ...,
) -> CompareResult:
    """Compares every pair of checkpoints: the ratios of their errors with paired bands, and a verdict."""

def claim(
    config: ClaimConfig | _Model | Sequence[_Model] | None = None,
    /,
    *,
    ckpt: _Model | Sequence[_Model] = ...,
    task: _Task = ...,
    control: _Model | None = None,
    context: int | None = None,
    prompts: int = 8192,
    score: int = 2048,
    asked: int = 256,
    skip: str | Sequence[str] = (),
    seed: int = 0,
    dim: int | None = None,
    batch: int = 128,
    device: str = "auto",
    kernel: Literal["auto", "reference", "cpu", "triton", "mamba_ssm"] = "auto",
    command: str = "",
    report: Report = ...,
    decided: Callable[[str, Criterion], None] = ...,
) -> ClaimResult:
    """Gathers the evidence on each checkpoint as rows, and judges it; the verdicts stand in the provenance."""

def plot(
    config: PlotConfig | _Record | Sequence[_Record] | None = None,
    /,
    *,
    records: _Record | Sequence[_Record] = ...,
    out: str | Path | None = None,
    kind: str = "auto",
    depth: Literal["auto", "layer", "depth", "parameters", "flops"] = "auto",
    context: int | None = None,
    target: str | None = None,
    ax: Axes | Figure | SubFigure | None = None,
) -> PlotResult:
    """Draws records that were saved, or results at hand, laid over one another."""

def view(
    config: ViewConfig | _Record | Sequence[_Record] | None = None,
    /,
    *,
    records: _Record | Sequence[_Record] = ...,
    out: str | Path | None = None,
    follow: bool | None = None,
    tell: Callable[[str], None] = ...,
) -> Page:
    """Makes one HTML page of records that were saved, or of results at hand."""

def check(
    config: CheckConfig | _Model | None = None,
    /,
    *,
    ckpt: _Model | None = None,
    task: _Task | None = None,
    kernels: bool = False,
    operation: str | Sequence[str] = (),
    seed: int = 0,
    kernel: Literal["auto", "reference", "cpu", "triton", "mamba_ssm"] = "auto",
    command: str = "",
    report: Report = ...,
) -> CheckResult:
    """Checks the kernels, a checkpoint, or both, as asked for; the table has a row a finding."""

def convert(
    config: ConvertConfig | _Model | None = None,
    /,
    *,
    ckpt: _Model = ...,
    out: str | Path = ...,
    part_megabytes: float | None = None,
    overwrite: bool = False,
    command: str = "",
) -> ConvertResult:
    """Reads a checkpoint and writes it as ours, with the digest of what it was read from as its source."""
