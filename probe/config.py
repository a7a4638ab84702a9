"""Every verb's settings as frozen dataclasses: a field is a flag of the command line, its docstring the help.

Nothing here imports torch, so that `probe --help` is instant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import tyro

Kernel = Literal["auto", "reference", "cpu", "triton", "mamba_ssm"]
HeadName = Literal["linear", "normed", "lens", "calibrated"]


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
    norm: Literal["rms", "layer"] = "rms"
    """RMSNorm or LayerNorm, before every block and at the end."""
    positions: Literal["none", "learned"] = "none"
    """Learned absolute positions, or none."""
    slots: int = 0
    """Number of learned positions, in tokens."""
    attention_heads: int = 8
    """Attention heads of every attention block."""


@dataclass(frozen=True)
class Architecture:
    """A named family: its layout for a number of blocks, and what goes with it."""

    layout: str
    """Layout text with {n} for the number of repeats."""
    blocks_per_repeat: int
    norm: Literal["rms", "layer"]
    positions: Literal["none", "learned"]


ARCHITECTURES: dict[str, Architecture] = {
    "mamba": Architecture("M{n}", 1, "rms", "none"),
    "transformer": Architecture("(AF){n}", 2, "layer", "learned"),
}


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
    positions: Literal["none", "learned"] | None = None
    """Learned absolute positions, or none."""
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
    threads: int | None = None
    """CPU threads; the weights depend on their number in the last bits."""
    save_seconds: float = 60.0
    """Seconds between saves of weights, state and loss log."""
    json: bool = False
    """Print a summary of the training as JSON on stdout."""
    resume: bool = False
    """Continue from FILE.pt.state, with the settings that stand in it."""


@dataclass(frozen=True)
class Curriculum:
    """A number that grows from `start` by `increment` every `every` steps until it reaches its final value."""

    start: int
    increment: int
    every: int

    def at(self, step: int, final: int) -> int:
        """Returns the value at a step, counted from 0."""
        return min(final, self.start + self.increment * (step // self.every))


@dataclass(frozen=True)
class Recipe:
    """What suits one architecture within a preset."""

    blocks: int
    steps: int
    lr: float
    curriculum: bool


@dataclass(frozen=True)
class Preset:
    """What `probe train` does where no flag says otherwise."""

    dim: int
    width: int
    context: int
    batch: int
    schedule: Literal["constant", "cosine"]
    warmup: int
    clip: float
    attention_heads: int
    dims: Curriculum
    points: Curriculum
    recipes: dict[str, Recipe]
    """By architecture; a layout text takes the first."""

    def recipe(self, arch: str) -> Recipe:
        """Returns the recipe of an architecture, or the first for one without its own."""
        return self.recipes.get(arch, next(iter(self.recipes.values())))


PRESETS: dict[str, Preset] = {
    # Tried on linear, errors at 15 examples after short runs of the whole schedule. Mamba, 600 steps: 0.162 at rate
    # 1e-3, 0.106 at 2e-3, 0.067 at 4e-3; at 2e-3 width 48 gave 0.137 and width 96, twice as long a step, 0.090. Over
    # all 8,000 steps 2e-3 gave 0.0047 and 4e-3 0.0032; the latter was at 0.022 after 1,900 and 0.007 after 5,200.
    # Transformer, 1,600 steps with the curriculum: 0.605 at 5e-4, 0.587 at 1e-3, 0.642 at 2e-3, 0.835 at 4e-3, and
    # 0.607 at 1e-3 and width 96; without the curriculum it had not left 1.000 after 500 steps (2e-3), with it (1e-3)
    # it was at 0.67 by then. At 1e-3, 2,500 steps in all gave 0.158, and 16,000 gave 0.001.
    "laptop": Preset(
        dim=5,
        width=64,
        context=15,
        batch=64,
        schedule="cosine",
        warmup=400,
        clip=1.0,
        attention_heads=4,
        dims=Curriculum(2, 1, 300),
        points=Curriculum(6, 2, 300),
        recipes={
            "mamba": Recipe(blocks=8, steps=8_000, lr=4e-3, curriculum=False),
            "transformer": Recipe(blocks=12, steps=16_000, lr=1e-3, curriculum=True),
        },
    ),
    # Grazzi et al. (2024), A.1 and configurations; the optimiser is Adam without weight decay or clipping
    "paper": Preset(
        dim=20,
        width=256,
        context=40,
        batch=64,
        schedule="cosine",
        warmup=0,
        clip=0.0,
        attention_heads=8,
        dims=Curriculum(5, 1, 2000),
        points=Curriculum(11, 2, 2000),
        recipes={
            "mamba": Recipe(blocks=24, steps=500_001, lr=1e-4, curriculum=True),
            "transformer": Recipe(blocks=24, steps=500_001, lr=1e-4, curriculum=True),
        },
    ),
}


@dataclass(frozen=True)
class FitConfig:
    """Fits heads on the residual stream at every block and measures their errors on fresh prompts."""

    ckpt: tuple[str, ...]
    """Checkpoints; a bare name that is not found here is sought in checkpoints/."""
    task: str
    """The task with its options; it may differ from the one the checkpoint was trained on."""
    head: tuple[HeadName, ...] = ("linear", "lens")
    """linear: ridge from the stream to the target. normed: the same after the model's own final norm. lens: the
    model's own decoder applied early. calibrated: the lens with a scale and a shift per prompt."""
    target: str = "y"
    """What the linear head is asked for: y, or a drawn parameter such as w."""
    context: str = "all"
    """Numbers of examples before the query: all, or N,N,..."""
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
    out: str | None = None
    """Stem of the files written: STEM.csv, STEM.json, STEM.png. Default figures/fit-CHECKPOINT-TASK."""
    json: bool = False
    """Print a summary of the record as JSON on stdout instead of a table."""


@dataclass(frozen=True)
class PlotConfig:
    """Draws a figure from saved records, without the models."""

    records: tyro.conf.Positional[tuple[str, ...]]
    """RECORD.csv files; several are laid over one another."""
    out: str
    """The figure, FILE.png, FILE.pdf or FILE.svg."""
    kind: Literal["layers", "contexts", "heatmap", "calibration", "training"] = "layers"
    """Error by layer, error by examples, both as a map, scale and shift by layer, or the training curve."""
    depth: Literal["auto", "layer", "depth", "parameters", "flops"] = "auto"
    """The axis of a layer curve."""
    context: int | None = None
    """The number of examples a layer curve is drawn at; the largest by default."""


@dataclass(frozen=True)
class CheckConfig:
    """Checks on this very file that what is captured is the residual stream."""

    ckpt: str
    """A checkpoint; a bare name that is not found here is sought in checkpoints/."""
    seed: int = 0
    """Seed of the prompts."""
    kernel: Kernel = "auto"
    """Backend of the selective scan."""


@dataclass(frozen=True)
class ListConfig:
    """Lists what can be named."""

    what: tyro.conf.Positional[Literal["all", "tasks", "architectures", "heads", "learners", "checkpoints"]] = "all"
    """One list, or all of them."""
