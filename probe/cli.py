"""The command line: flags become a config, a verb turns it into a result, files and a few lines come out.

The only module that prints. Exit 0 done, 2 the user's mistake, 1 ours, 130 interrupted.
"""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from probe.config import (
    CheckConfig,
    ClaimConfig,
    CompareConfig,
    ConvertConfig,
    EvaluateConfig,
    FitConfig,
    ListConfig,
    PlotConfig,
    SweepConfig,
    TrainConfig,
)
from probe.errors import ProbeError
from probe.presets import ARCHITECTURES
from probe.processes import ALONE, Processes, ToldError, joined, only_one

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from probe.records import Record

COMMANDS: dict[str, Callable[..., Any]] = {
    "train": TrainConfig,
    "sweep": SweepConfig,
    "fit": FitConfig,
    "evaluate": EvaluateConfig,
    "compare": CompareConfig,
    "claim": ClaimConfig,
    "plot": PlotConfig,
    "check": CheckConfig,
    "convert": ConvertConfig,
    "list": ListConfig,
}
DESCRIPTION = "What does each block of a sequence model add? Fits heads on the residual stream, layer by layer."
HELD = {True: "ok", False: "FAIL", None: "--"}
SHOW_AFTER = 2.0  # seconds before a progress bar appears


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with joined() as processes:
            config, command = _parsed(given, processes), shlex.join(["probe", *given])
            if type(config) in TOGETHER:
                return TOGETHER[type(config)](config, command, processes)
            only_one(processes, f"probe {given[0]}")
            return RUN[type(config)](config, command)
    except SystemExit as stop:
        return int(stop.code or 0)
    except ToldError as told:
        return told.code
    except ProbeError as error:
        print(f"probe: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("probe: interrupted", file=sys.stderr)
        return 130


def _parsed(given: Sequence[str], processes: Processes) -> Any:
    """Returns the flags as a config; of several processes one says what is wrong with them."""
    with ExitStack() as silence:
        if not processes.writes:
            silence.enter_context(redirect_stdout(StringIO()))
            silence.enter_context(redirect_stderr(StringIO()))
        return tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="probe", description=DESCRIPTION, args=given, sort_subcommands=False
        )


def _train(config: TrainConfig, command: str, processes: Processes) -> int:
    from probe.train import train_model

    with _bar("train", processes) as show:
        record = train_model(
            config,
            command,
            lambda now: show(f"loss {now.loss:.4f}  error {now.error:.4f}", now.step, now.steps),
            processes,
        )
    if not processes.writes:
        return 0
    found = record.provenance
    errors = found["errors"]
    if config.json:
        print(json.dumps({name: found[name] for name in ("task", "step", "seconds", "digest", "errors")}))
        return 0
    print(f"{config.out}: {found['step']} steps in {found['seconds'] / 60:.1f} min, task {found['task']}")
    print(f"error at {found['context']} examples: {errors[-1]:.4f} (1 = predicting zero)")
    return 0


def _sweep(config: SweepConfig, command: str) -> int:
    from probe.summary import sweep_table
    from probe.sweep import run_sweep

    with _bar("sweep") as show:
        record = run_sweep(config, command, show)
    failed = int((record.table["outcome"] != "done").sum())
    if config.json:
        shown = record.table[["model", "outcome", "error"]].astype(object)
        print(json.dumps(shown.where(shown.notna(), None).to_dict("records"), indent=2))
    else:
        print(sweep_table(record))
        print(f"wrote {config.out}/sweep.csv, {config.out}/sweep.json")
    if failed:
        raise ProbeError(
            f"{failed} of {len(record.table)} trainings did not end well. Correct the table, or run the same command "
            "again to go on."
        )
    return 0


def _fit(config: FitConfig, command: str, processes: Processes) -> int:
    from probe.fit import fit_heads
    from probe.language import is_language
    from probe.plots import language_curves, layer_curve
    from probe.summary import language_summary, language_table, layer_summary, layer_table

    def tell(record: Record) -> str:
        if is_language(config.task):
            return language_summary(record) if config.json else language_table(record, "layer")
        return json.dumps(layer_summary(record), indent=2) if config.json else layer_table(record)

    draw = language_curves if is_language(config.task) else layer_curve
    return _measure(
        "fit", config, lambda show: fit_heads(config, command, show, processes=processes), draw, tell, processes
    )


def _evaluate(config: EvaluateConfig, command: str, processes: Processes) -> int:
    from probe.evaluate import evaluate_models
    from probe.language import is_language
    from probe.plots import language_accuracy, prompting_curves
    from probe.summary import language_summary, language_table, prompting_summary, prompting_table

    def tell(record: Record) -> str:
        if is_language(config.task):
            return language_summary(record) if config.json else language_table(record, "context")
        return json.dumps(prompting_summary(record), indent=2) if config.json else prompting_table(record)

    draw = language_accuracy if is_language(config.task) else prompting_curves
    return _measure(
        "evaluate",
        config,
        lambda show: evaluate_models(config, command, show, processes=processes),
        draw,
        tell,
        processes,
    )


def _compare(config: CompareConfig, command: str) -> int:
    from probe.compare import compare_models
    from probe.language import is_language
    from probe.plots import comparison, language_comparison

    def tell(record: Record) -> str:
        verdict = record.provenance["verdict"]
        return json.dumps({"verdict": verdict}, indent=2) if config.json else "\n".join(verdict)

    draw = language_comparison if is_language(config.task) else comparison
    return _measure("compare", config, lambda show: compare_models(config, command, show), draw, tell)


def _claim(config: ClaimConfig, command: str) -> int:
    from probe import records
    from probe.checkpoint import find, name_of
    from probe.claim import examine_claim
    from probe.plots import save_report

    stem = Path(config.out or _default_stem("claim", [name_of(find(config.ckpt))], config.task))
    page = stem.with_name(f"{stem.name}.html")
    for path in (*records.record_paths(stem), page):
        records.check_writable(path)
    with _bar("claim") as show:
        record = examine_claim(config, command, show)
    written = [*records.save(record, stem), save_report(record, page)]
    found = record.provenance
    if config.json:
        print(json.dumps({name: found[name] for name in ("verdict", "supported", "criteria", "not_tested")}, indent=2))
        return 0
    print(found["verdict"])
    for one in found["criteria"]:
        print(f"  {one['outcome']:<10}  {one['name']}: {one['seen']}")
    print("wrote " + ", ".join(map(str, written)))
    return 0


def _measure(
    verb: str,
    config: FitConfig | EvaluateConfig | CompareConfig,
    run: Callable[[Callable[[str, int, int], None]], Record],
    draw: Callable[[Sequence[Record]], Figure],
    tell: Callable[[Record], str],
    processes: Processes = ALONE,
) -> int:
    """Refuses what cannot be written, runs a verb, and writes its record and its picture."""
    from probe import records
    from probe.checkpoint import find, name_of
    from probe.plots import save_figure

    stem = Path(config.out or _default_stem(verb, [name_of(find(name)) for name in config.ckpt], config.task))
    picture = stem.with_name(f"{stem.name}.png")
    for path in (*records.record_paths(stem), picture) if processes.writes else ():
        records.check_writable(path)
    with _bar(verb, processes) as show:
        record = run(show)
    if not processes.writes:
        return 0
    written = [*records.save(record, stem), save_figure(draw([record]), picture)]
    print(tell(record))
    if not config.json:
        print("wrote " + ", ".join(map(str, written)))
    return 0


def _plot(config: PlotConfig, command: str) -> int:
    from probe import records
    from probe.plots import KINDS, View, save_figure

    records.check_writable(config.out)
    loaded = [records.load(path) for path in config.records]
    view = View(x=None if config.depth == "auto" else config.depth, context=config.context)
    print(f"wrote {save_figure(KINDS[config.kind](loaded, view), config.out)}")
    return 0


def _check(config: CheckConfig, command: str) -> int:
    from probe.check import check

    findings = check(config)
    for finding in findings:
        print(f"{HELD[finding.held]:<4}  {finding.claim} ({finding.seen})")
    return 1 if any(finding.held is False for finding in findings) else 0


def _convert(config: ConvertConfig, command: str) -> int:
    from probe.convert import convert_checkpoint

    done = convert_checkpoint(config, command)
    print(f"{done.path}: {done.layout}, task {done.task}, {done.context} examples, digest {done.digest}")
    for line in done.remarks:
        print(f"  {line}")
    return 0


def _list(config: ListConfig, command: str) -> int:
    lists: dict[str, Callable[[], dict[str, str]]] = {
        "tasks": _tasks,
        "architectures": lambda: {name: family.layout for name, family in ARCHITECTURES.items()},
        "heads": _heads,
        "learners": _learners,
        "prompting": _styles,
        "checkpoints": _checkpoints,
    }
    chosen = list(lists) if config.what == "all" else [config.what]
    for title in chosen:
        entries = lists[title]()
        if len(chosen) > 1:
            print(f"{title}:")
        width = max(map(len, entries), default=0)
        for name, text in entries.items():
            print(f"  {name:<{width}}  {text}" if text else f"  {name}")
    return 0


def _tasks() -> dict[str, str]:
    from probe.language import LANGUAGE_TASKS
    from probe.tasks import TASKS

    words = {"language": "The evaluated word-pair tasks; or language:set=all, language:tasks=antonyms+en_fr."}
    for name, task in LANGUAGE_TASKS.items():
        words[name] = f"Word pairs, {task.category}{', evaluated' if task.evaluated else ''}."
    return {name: (task.__doc__ or "").split("\n")[0] for name, task in TASKS.items()} | words


def _heads() -> dict[str, str]:
    from probe.heads import HEADS

    return dict(HEADS)


def _learners() -> dict[str, str]:
    from probe.learners import LEARNERS

    return {name: (learner.__doc__ or "").split("\n")[0] for name, learner in LEARNERS.items()}


def _styles() -> dict[str, str]:
    from probe.tasks.prompting import PROMPTINGS

    standard = {"standard": "Draws prompts as the task has them.", "recursive": "Feeds a chain of thought back."}
    return standard | {name: (style.__doc__ or "").split("\n")[0] for name, style in PROMPTINGS.items()}


def _checkpoints() -> dict[str, str]:
    import tomllib

    index = Path("checkpoints/index.toml")
    described = tomllib.loads(index.read_text()) if index.is_file() else {}
    return {
        path.name: str(described.get(path.stem, {}).get("summary", ""))
        for path in sorted(Path("checkpoints").glob("*.pt"))
    }


TOGETHER: dict[type, Callable[[Any, str, Processes], int]] = {
    TrainConfig: _train,
    FitConfig: _fit,
    EvaluateConfig: _evaluate,
}
"""What several processes can run together."""

RUN: dict[type, Callable[[Any, str], int]] = {
    SweepConfig: _sweep,
    CompareConfig: _compare,
    ClaimConfig: _claim,
    PlotConfig: _plot,
    CheckConfig: _check,
    ConvertConfig: _convert,
    ListConfig: _list,
}


def _default_stem(verb: str, names: Sequence[str], task: str) -> str:
    words = "".join(letter if letter.isalnum() or letter in "_.-" else "-" for letter in task)
    return f"figures/{verb}-{'-'.join(names)}-{words}"


@contextmanager
def _bar(title: str, processes: Processes = ALONE) -> Iterator[Callable[[str, int, int], None]]:
    """Yields ``show(text, done, total)``: a progress bar on stderr, only on a terminal and only after two seconds."""
    if not (processes.writes and sys.stderr.isatty()):
        yield lambda text, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    )
    began = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None, visible=False, text="")

        def show(text: str, done: int, total: int) -> None:
            visible = time.monotonic() - began > SHOW_AFTER
            progress.update(task, completed=done, total=total, text=text, visible=visible)

        yield show
