"""Keeps the streams of prompts on disk, with what heads are asked for and the side of the split each prompt is on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from probe.capture import Captured
from probe.commands.keywords import takes
from probe.config import CaptureConfig
from probe.data import INDEX, KIND, DataTask, Streams, open_streams
from probe.data.fields import PURPOSES, TARGET
from probe.errors import ProbeError
from probe.files.folders import written_folder
from probe.language import study_of
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment, describe, load_all
from probe.probing.own_data import open_data
from probe.probing.prepare import experiment_of, parse_contexts
from probe.progress import Report, silent
from probe.randomness import Purpose
from probe.records import versions
from probe.tasks import Prompts
from probe.tasks.objectives import OBJECTIVES

KEPT = {"float32": torch.float32, "float16": torch.float16}
"""The types that streams are kept in, by name."""


@takes(CaptureConfig)
def keep_streams(config: CaptureConfig, *, command: str = "", report: Report = silent) -> Streams:
    """Writes a folder of streams, which appears once everything is in it, and returns it opened.

    Args:
        command: what was typed, for the index.
        report: called as the work goes on.

    Raises:
        ProbeError: if the checkpoint, the task or the data do not fit, or the folder cannot be written.
    """
    if study_of(config.task) == "words":
        raise ProbeError(
            f"--task {config.task} was given, but streams of word pairs are not kept. Give a task of numbers, or text "
            "by --data."
        )
    experiment, told = _prepared(config)
    with written_folder(config.out, config.overwrite) as folder:
        shards = _written(folder, experiment, config, report)
        index = {
            "kind": KIND,
            "command": command,
            "config": asdict(config),
            "versions": versions(),
            "name": str(experiment.task_name),
            "model": experiment.checkpoint.name,
            "contexts": experiment.contexts,
            "counts": experiment.task.counts,
            "shards": shards,
            **told,
            **_described(experiment),
        }
        (folder / INDEX).write_text(json.dumps(index, indent=1, allow_nan=False, default=str), encoding="utf-8")
    return open_streams(config.out)


@dataclass(frozen=True)
class _Setting:
    """The settings of `probe.probing.prepare.Setting`, of one checkpoint and of data or a task."""

    ckpt: tuple[str, ...]
    task: str | None
    data: str | None
    tokenizer: str | None
    seed: int
    dim: int | None
    device: str
    kernel: str
    prompts: int
    score: int
    batch: int


def _prepared(config: CaptureConfig) -> tuple[Experiment, dict[str, Any]]:
    """Returns the model set before its prompts, and what the index says of data."""
    given = _Setting(
        (config.ckpt,), config.task, config.data, config.tokenizer, config.seed, config.dim, config.device,
        config.kernel, config.prompts, config.score, config.batch,
    )  # fmt: skip
    models, opened = load_all(given.ckpt), open_data(given, target=None)
    if opened is None:
        return experiment_of(models[0], given, contexts=parse_contexts(config.context)), {}
    setting, told = replace(given, task=opened.text, data=None), {"data": opened.task.told}
    return experiment_of(models[0], setting, contexts=parse_contexts(config.context)), told


def _described(experiment: Experiment) -> dict[str, Any]:
    """Returns what is known of the model, as heads on its kept streams need it."""
    described = experiment.model.description
    found = describe(experiment.checkpoint, experiment.task, experiment.longest)
    return {name: found[name] for name in ("arch", "digest", "cumulative_parameters", "cumulative_flops")} | {
        "layout": described.layout,
        "letters": list(described.letters),
        "residuals": list(described.residuals),
    }


@dataclass
class _Shards:
    """Gathers rows and writes them, about so many bytes a file."""

    folder: Path
    bytes: float
    held: dict[str, list[Tensor]] = field(default_factory=dict)
    size: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, rows: dict[str, Tensor]) -> None:
        """Adds rows, and writes all that are held once they are enough."""
        for name, one in rows.items():
            self.held.setdefault(name, []).append(one)
            self.size += one.nbytes
        if self.size >= self.bytes:
            self.write()

    def write(self) -> None:
        """Writes what is held as one file."""
        if not self.size:
            return
        name = f"streams-{len(self.names):05d}.safetensors"
        save_file({field: torch.cat(parts).contiguous() for field, parts in self.held.items()}, self.folder / name)
        self.names.append(name)
        self.held, self.size = {}, 0


def _written(folder: Path, experiment: Experiment, config: CaptureConfig, report: Report) -> list[str]:
    shards = _Shards(folder, config.part_megabytes * 1e6)
    for rows in _rows(experiment, config, report):
        shards.add(rows)
    shards.write()
    return shards.names


def _rows(experiment: Experiment, config: CaptureConfig, report: Report) -> Iterator[dict[str, Tensor]]:
    pass_ = Pass.of(config, experiment.task)
    for place, purpose in enumerate(PURPOSES):
        for numbers, prompts, captured in experiment.batches(pass_, purpose):
            side = torch.full((len(numbers),), place, dtype=torch.int8)
            yield {"split": side} | _streams(captured, config) | _fields(experiment, purpose, numbers, prompts)
            report(f"{purpose} {experiment.checkpoint.name}", numbers.stop, pass_.count(purpose))


def _streams(captured: Captured, config: CaptureConfig) -> dict[str, Tensor]:
    """Returns the stream as ``[prompt, layer, place, width]``."""
    return {"streams": captured.stream.transpose(0, 1).to("cpu", KEPT[config.precision]).contiguous()}


def _fields(experiment: Experiment, purpose: Purpose, numbers: range, prompts: Prompts) -> dict[str, Tensor]:
    """Returns what heads are asked for and what belongs to it."""
    task = experiment.task
    if isinstance(task, DataTask):
        found = task.kept(purpose, numbers, experiment.chosen)
    else:
        own = {name: one for name, one in prompts.parameters.items() if one.ndim == 2 and one.is_floating_point()}
        found = {f"{TARGET}{name}": one for name, one in own.items()} | {f"{TARGET}y": _target(experiment, prompts)}
    return found | {"mask": prompts.counted.clone()}


def _target(experiment: Experiment, prompts: Prompts) -> Tensor:
    """Returns the answer: a number, or a whole number that names a sign or a symbol."""
    if not OBJECTIVES[experiment.task.objective].accuracy:
        return prompts.targets.clone()
    codes = prompts.targets if experiment.task.objective == "symbol" else prompts.targets > 0
    return codes.long()
