"""The output files of a training. State, checkpoint and log are written as one set, by the training that owns them."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from probe import checkpoints, records
from probe.checkpoints.snapshots import folder_of, kept_in, path_at
from probe.config import TrainConfig
from probe.errors import ProbeError
from probe.files import check_writable, owned, settle, write_atomically, write_together
from probe.files.places import destination
from probe.models import ResidualModel
from probe.processes import Processes
from probe.records import Record
from probe.tasks import Task, make
from probe.training import probed, state
from probe.training.plan import TrainPlan
from probe.training.run import Run, described, errors_of, refuse_divergence, state_of

KEPT_PROMPTS = 256  # that the errors of a kept step are measured on


def take(config: TrainConfig, out: Path, held: ExitStack) -> None:
    """Takes the output for this training."""
    check_writable(out)
    log = (*records.record_paths(_log_stem(out)), *records.record_paths(probed.stem_of(out)))
    held.enter_context(owned(out, log[0]))
    settle(destination(out).parent)
    if config.resume and config.overwrite:
        raise ProbeError("--resume goes on and --overwrite begins anew, but both were given. Drop one of them.")
    there = [path for path in (out, state.path_of(out), *log, *kept_in(folder_of(out))) if path.exists()]
    if config.resume or config.overwrite or not there:
        return
    if state.path_of(out).exists() and not _is_finished(log[1]):
        raise ProbeError(
            f"{there[0]} is of a training that has not ended, which a new one would replace. Go on with --resume, "
            "begin anew with --overwrite, or give another --out."
        )
    raise ProbeError(
        f"{there[0]} is there already, and a new training would replace it. Replace it with --overwrite, or give "
        "another --out."
    )


def refuse_past(config: TrainConfig, run: Run, out: Path) -> None:
    """Raises `ProbeError` if a step is to be kept that has passed already and whose weights were not kept."""
    past = [step for step in run.settings.keep if step < run.step and not path_at(out, step).exists()]
    if config.keep and past:
        raise ProbeError(
            f"--keep {past[0]} was given, but the training beside {out} is at step {run.step} already. Give later "
            "steps."
        )


def save(run: Run, plan: TrainPlan, out: Path, errors: dict[str, Any] | None = None) -> Record:
    """Writes state, checkpoint and loss log as one set, and returns the log.

    Args:
        errors: what was measured at the end of the training.

    Raises:
        ProbeError: if the training has diverged, or a file cannot be written.
    """
    refuse_divergence(run)
    run.seconds = time.monotonic() - run.began
    description = {**described(run, plan), **(errors or {})}
    digest, writing = checkpoints.writing(run.model, description)
    table = pd.DataFrame(run.rows, columns=[name for name in records.TRAINING_COLUMNS if name != "model"])
    table.insert(0, "model", out.stem)
    task = make(plan.task, plan.dim)
    told = {"kind": "train", "counts": task.counts, "units": {"y": task.unit}, "digest": digest}
    record = Record(table, {**told, **description})
    write_together(
        {state.path_of(out): state_of(run, plan).writing(), out: writing, **records.writes(record, _log_stem(out))}
    )
    if not run.saved:
        _drop_others(run, out)
    run.saved = True
    return record


def save_stopped(run: Run, plan: TrainPlan, out: Path) -> str:
    """Saves the training if it stands between two steps, and returns a sentence on what was saved."""
    if not run.whole:  # an exception of another kind than a signal that is noted
        return "the last saved state is kept"
    save(run, plan, out)
    return f"saved at step {run.step}"


def keep(run: Run, plan: TrainPlan, task: Task, out: Path, processes: Processes) -> None:
    """Writes the weights of a step that is kept, unless that file is there."""
    kept = run.step in run.settings.keep or probed.is_probed(run.step, run.settings.probe_every, plan.steps)
    if not kept or not processes.writes:
        return
    refuse_divergence(run)
    path = path_at(out, run.step)
    if not run.saved:
        save(run, plan, out)  # a kept step belongs to what lies at the output
    if path.exists() and _is_kept(path, run.model):
        return
    errors = errors_of(run.model, task, plan, torch.device(run.settings.device), KEPT_PROMPTS)
    description = {**described(run, plan), **errors, "error_prompts": KEPT_PROMPTS}
    write_atomically(path, checkpoints.writing(run.model, description)[1])


def _is_finished(log: Path) -> bool:
    with suppress(OSError, ValueError, RecursionError):
        return "errors" in json.loads(log.read_bytes())
    return False


def _log_stem(out: Path) -> Path:
    return out.with_name(f"{out.stem}-training")


def _is_kept(path: Path, model: ResidualModel) -> bool:
    with suppress(ProbeError):
        weights = checkpoints.load(str(path)).model.state_dict()
        own = model.state_dict()
        return weights.keys() == own.keys() and all(torch.equal(weights[name], own[name].cpu()) for name in own)
    return False


def _drop_others(run: Run, out: Path) -> None:
    """Removes the kept steps of an earlier training whose output this one has replaced."""
    for path in kept_in(folder_of(out)):
        with suppress(ProbeError):
            if checkpoints.load(str(path)).description.get("run") != run.identity:
                path.unlink(missing_ok=True)
