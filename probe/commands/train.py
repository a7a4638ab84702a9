"""Trains a sequence model to learn a function class in context, resumably and reproducibly."""

from __future__ import annotations

import math
import shlex
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from probe.checkpoints.snapshots import path_at
from probe.commands.fit import fit
from probe.commands.keywords import takes
from probe.config import FitConfig, TrainConfig
from probe.errors import ProbeError
from probe.probing.results import TrainResult
from probe.processes import ALONE, EndedError, Processes, StoppedError, noted
from probe.processes.devices import device_named
from probe.processes.side_by_side import torch_threads
from probe.processes.signals import Noted, told
from probe.progress import Report, silent
from probe.records import Record
from probe.records.tables import number
from probe.tasks import make
from probe.training import probed, state
from probe.training.logs import opened
from probe.training.outputs import keep, refuse_past, save, save_stopped, take
from probe.training.parts import Parts, in_parts
from probe.training.plan import RunSettings, TrainPlan, choose_settings, resumed_plan
from probe.training.plan import make_plan as make_plan
from probe.training.run import Run, compiled, errors_of, refuse_divergence, restore, start
from probe.training.run import training_flops as training_flops
from probe.training.step import take_step

LOG_EVERY = 50
FINAL_PROMPTS = 4096
PROBED_PROMPTS, PROBED_SCORE = 1024, 512  # that heads are fitted and measured on while training


@takes(TrainConfig)
def train(
    config: TrainConfig, *, command: str = "", report: Report = silent, processes: Processes = ALONE
) -> TrainResult:
    """Trains and writes FILE.pt, FILE.pt.state and the loss log FILE-training.csv/.json; the result holds the log.

    The four files are exchanged as one set. A signal that asks the process to end is answered between two steps: the
    training is saved and `StoppedError` says how to go on. Several processes make the same steps as one does, except
    for rounding and for which units dropout drops. If one of them is lost, the others save the last whole step, unless
    the lost one was the one that writes.

    Args:
        command: what was typed, for the files.
        report: called now and then with the loss and the last query's error since the last call.
        processes: those that run this together; a training may go on with another number of them.

    Raises:
        ProbeError: if the settings contradict each other, the output cannot be written, is there already or is being
            written, or the loss diverges.
        StoppedError: if a signal asked the process to end; it says how to go on.
    """
    out = Path(config.out)
    with ExitStack() as held:
        processes.shared(lambda: take(config, out, held))
        before = processes.shared(lambda: state.load(state.path_of(out))) if config.resume else None
        plan = make_plan(config) if before is None else resumed_plan(config, before.plan)
        if plan.batch < processes.count:
            raise ProbeError(
                f"--batch {plan.batch} was given, but each of {processes.count} processes needs a prompt. Start fewer."
            )
        settings = choose_settings(config, plan, processes.count, None if before is None else before.settings)
        device = _device(config, settings)
        settings = replace(settings, device=str(device))
        held.enter_context(torch_threads(settings.threads))
        run = start(plan, device, settings, command)
        if before is not None:
            restore(run, before)
        refuse_past(config, run, out)
        run.model.use_kernel(settings.kernel)
        if settings.compile:
            run.forward = compiled(run.model, device)
        # of several processes one waits for the other: SIGTERM is looked at by all together
        signals = held.enter_context(noted() if processes.count == 1 else noted(("SIGINT", "SIGHUP")))
        logs = settings.log if processes.writes else ()
        add = held.enter_context(opened(logs, out, run.identity, run.step, asdict(plan)))
        parts = held.enter_context(in_parts(plan, settings))
        record = _train(run, plan, out, parts, processes, signals, report, add)
        return TrainResult(record.table, record.provenance, out)


def _train(
    run: Run,
    plan: TrainPlan,
    out: Path,
    parts: Parts,
    processes: Processes,
    signals: Noted,
    report: Report,
    add: Callable[[Mapping[str, Any]], None],
) -> Record:
    task = make(plan.task, plan.dim)
    device = torch.device(run.settings.device)
    saved = time.monotonic()
    run.began = saved - run.seconds
    try:
        while run.step < plan.steps:
            processes.check()
            signals.check()
            keep(run, plan, task, out, processes)
            _probe(run, plan, out, processes)
            take_step(run, plan, task, parts, processes)
            if run.step % LOG_EVERY == 0 or run.step == plan.steps:
                _log(run, plan, report)
                add(run.rows[-1])
            if processes.writes and time.monotonic() - saved > run.settings.save_seconds:
                save(run, plan, out)
                saved = time.monotonic()
        keep(run, plan, task, out, processes)
        _probe(run, plan, out, processes)

        def finish() -> Record:
            return save(run, plan, out, errors_of(run.model, task, plan, device, FINAL_PROMPTS, signals.check))

        return processes.shared(finish)
    except (KeyboardInterrupt, EndedError) as stop:
        if not processes.writes or signals.at_once:
            raise
        kept = save_stopped(run, plan, out)
        if isinstance(stop, EndedError) and signals.number is None:
            raise
        signalled = signals.number or (stop.number if isinstance(stop, StoppedError) else signal.SIGINT)
        go_on = shlex.join(["probe", "train", "--resume", "--out", str(out)])
        raise StoppedError(f"{told(signalled)}; {kept}; go on with: {go_on}", signalled) from stop


def _probe(run: Run, plan: TrainPlan, out: Path, processes: Processes) -> None:
    """Fits heads on a step that is probed, whose weights have just been kept, and adds their errors to the record."""
    if not processes.writes or not probed.is_probed(run.step, run.settings.probe_every, plan.steps):
        return
    taken = FitConfig(
        ckpt=(str(path_at(out, run.step)),),
        task=plan.task,
        head=("linear",),
        prompts=PROBED_PROMPTS,
        score=PROBED_SCORE,
        device=run.settings.device,
        kernel=run.settings.kernel,
    )
    probed.add(fit(taken, command=run.command), out)


def _device(config: TrainConfig, settings: RunSettings) -> torch.device:
    try:
        return device_named(settings.device)
    except ProbeError as error:
        if config.device is not None:
            raise
        raise ProbeError(
            f"The state beside {config.out} was trained on {settings.device}, but torch finds no such device here. Add "
            "--device cpu; the last bits of the weights will then be others."
        ) from error


def _log(run: Run, plan: TrainPlan, report: Report) -> None:
    refuse_divergence(run)
    total, steps, squared, zero = run.sums.tolist()
    active, context = plan.stage(run.step - 1)
    run.seconds = time.monotonic() - run.began
    row = {
        "step": run.step,
        "loss": total / steps,
        "error": squared / zero if zero else math.nan,
        "rate": plan.rate(run.step - 1),
        "seconds": round(run.seconds, 1),
        "dim": active,
        "context": context,
    }
    run.rows.append(row)
    run.sums.zero_()
    report(f"loss {number(row['loss'])}, error {number(row['error'])}", run.step, plan.steps)
