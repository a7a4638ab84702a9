"""How much a notebook measures and where it writes.

PROBE_BUDGET=small cuts every measurement down to what shows that it runs; its pictures are worth nothing.
PROBE_BUDGET=redraw measures nothing that the records have with the same settings, PROBE_BUDGET=draw nothing at all: it
takes the records of figures/ as they are. PROBE_FIGURES names the folder for
records and pictures: figures/ by default, with the small budget a temporary one.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import torch
from matplotlib.figure import Figure

from probe import (
    Checkpoint,
    ModelConfig,
    NativeModel,
    Record,
    ResidualModel,
    from_model,
    load_checkpoint,
    load_record,
    make_task,
    save_record,
)
from probe.plots import save_figure

Value = TypeVar("Value")
Command = Callable[..., Record]

ROOT = Path(__file__).parent.parent
SMALL = os.environ.get("PROBE_BUDGET") == "small"
REDRAW = os.environ.get("PROBE_BUDGET") == "redraw"
DRAW = os.environ.get("PROBE_BUDGET") == "draw"
FIGURES = Path(
    os.environ.get("PROBE_FIGURES") or (tempfile.mkdtemp(prefix="probe-figures-") if SMALL else ROOT / "figures")
)


def full_or_small(full: Value, small: Value) -> Value:
    """Returns a setting at the full or at the small budget."""
    return small if SMALL else full


def shipped(*names: str) -> tuple[str, ...]:
    """Returns the paths of those checkpoints that are there, and says which are not."""
    paths = {name: ROOT / "checkpoints" / f"{name}.pt" for name in names}
    lacking = [name for name, path in paths.items() if not path.is_file()]
    if lacking:
        print(f"Not in checkpoints/, and left out: {', '.join(lacking)}")
    return tuple(os.path.relpath(path) for path in paths.values() if path.is_file())


def seeds(*named: tuple[str, str]) -> dict[str, str]:
    """Returns what to call each checkpoint that is there of every seed of those named, as pairs of file and series."""
    found = {}
    for name, series in named:
        more = sorted((ROOT / "checkpoints").glob(f"{name}-seed[0-9]*.pt"))
        found |= dict.fromkeys([name, *(path.stem for path in more)], series)
    return found


def untrained(dim: int, context: int, outputs: int = 1) -> Checkpoint:
    """Returns a model of one untrained block, for evaluating learners where there is no checkpoint."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = ResidualModel(ModelConfig(layout="F", dim=dim, width=8, outputs=outputs))
    return from_model(NativeModel(model), "untrained", context=context)


def untrained_for(task: str, dim: int, context: int) -> Checkpoint:
    """Returns a model of one untrained block for a task, for drawing its references where there is no checkpoint."""
    shape = make_task(task, dim).shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        described = ModelConfig("F", dim=shape.inputs, width=8, outputs=shape.outputs, symbols=shape.symbols)
        model = ResidualModel(described)
    return from_model(NativeModel(model), "untrained", task, context=context, dim=dim)


def measured(name: str, command: Command, config: Any, models: Sequence[Checkpoint] = ()) -> Record:
    """Runs a command, writes its record, and returns it as it will be read.

    Args:
        models: stand-ins for the checkpoints of the configuration.
    """
    if known := _known(name, asdict(config), models):
        return known
    save_record(command(replace(config, ckpt=tuple(models)) if models else config), FIGURES / name)
    return load_record(FIGURES / name)


def measured_each(
    name: str, command: Command, config: Any, tasks: Sequence[str], models: Sequence[Checkpoint] = ()
) -> Record:
    """Runs a command on several tasks, and returns one record of all, with a column `task`.

    Args:
        models: stand-ins for the checkpoints of the configuration.
    """
    asked = asdict(config) | {"tasks": list(tasks)}
    if known := _known(name, asked, models):
        return known
    given = replace(config, ckpt=tuple(models)) if models else config
    found = [command(replace(given, task=task)) for task in tasks]
    table = pd.concat([one.table.assign(task=task) for one, task in zip(found, tasks, strict=True)], ignore_index=True)
    about = found[0].provenance
    save_record(Record(table, about | {"kind": "evaluate-tasks", "config": about["config"] | asked}), FIGURES / name)
    return load_record(FIGURES / name)


def _known(name: str, config: dict[str, Any], models: Sequence[Checkpoint]) -> Record | None:
    """Returns the record that stands for a measurement, None where it is to be measured.

    Args:
        config: what is asked for.
        models: stand-ins for the checkpoints of the configuration.
    """
    if DRAW:
        return recorded(name)
    if not REDRAW or not (FIGURES / f"{name}.csv").is_file():
        return None
    known = load_record(FIGURES / name)
    # a setting that is newer than the record has its default
    asked = _settings(config, bool(models))
    same = _settings(asked | known.provenance["config"], bool(models)) == asked
    return known if same and (models or _of_these(known, config["ckpt"])) else None


def _settings(config: dict[str, Any], stand_ins: bool) -> dict[str, Any]:
    """Returns a config as JSON holds it, without the folders of its checkpoints and whatever their order.

    Args:
        stand_ins: whether the checkpoints are stand-ins, which are left out.
    """
    plain = json.loads(json.dumps(config))
    return plain | {"ckpt": [] if stand_ins else sorted(Path(name).name for name in plain["ckpt"])}


def _of_these(known: Record, paths: Sequence[str]) -> bool:
    """Returns whether a record is of the weights that its checkpoints' files hold now."""
    held = {load_checkpoint(path).digest for path in paths if path.endswith(".pt")}
    return held <= {about.get("digest") for about in known.provenance["models"].values()}


def recorded(name: str) -> Record:
    """Returns a record that stands in figures/."""
    return load_record(ROOT / "figures" / name)


def draw(figure: Figure, name: str) -> Figure:
    """Writes a picture, and in it which series of which source every panel has."""
    curves = {}
    for axes in figure.axes:
        found = {(str(line.get_label()), str(line.get_gid())) for line in axes.lines if line.get_gid()}
        if found:
            curves[axes.get_label()] = sorted(found)
    save_figure(figure, FIGURES / f"{name}.png", json.dumps(curves) if curves else None)
    return figure
