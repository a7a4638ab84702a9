"""The command line: flags become a config, a command turns it into a result, files and a few lines come out.

On stdout what was asked for, on stderr how far it has come, notes and mistakes. Exit 0 done, 2 the user's mistake, 1
ours, 130 interrupted (143 by SIGTERM, 129 by SIGHUP), 141 where nobody reads on.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from probe import progress, text
from probe.arguments import explained, overview, read, unknown_command
from probe.config import (
    CaptureConfig,
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
    ViewConfig,
)
from probe.errors import ProbeError
from probe.processes import Processes, StoppedError, ToldError, ending, joined, only_one
from probe.processes.signals import Noted
from probe.shell.delivery import deliver, wrote
from probe.shell.deprecations import told_deprecations
from probe.shell.voice import Call, Shell, UnreadError, tell, write

if TYPE_CHECKING:
    from probe.evidence.criteria import Criterion
    from probe.probing.result import Result

COMMANDS: dict[str, type] = {
    "train": TrainConfig,
    "sweep": SweepConfig,
    "fit": FitConfig,
    "evaluate": EvaluateConfig,
    "compare": CompareConfig,
    "claim": ClaimConfig,
    "capture": CaptureConfig,
    "plot": PlotConfig,
    "view": ViewConfig,
    "check": CheckConfig,
    "convert": ConvertConfig,
    "list": ListConfig,
}
DESCRIPTION = "What does each block of a sequence model add? Fits heads on the residual stream, layer by layer."
OTHER_WORDS = {"eval": "evaluate", "ls": "list", "test": "check", "verify": "check", "draw": "plot", "probe": "fit"}
"""What other tools call our commands, for the hint that is given where one is unknown."""
KEPT = {
    "train": "",
    "sweep": "; what had ended is kept, and the same command goes on",
}
"""What an interrupted command leaves behind; one that is not named here has written nothing."""
HELD = {True: "ok", False: "FAIL", None: "--"}
"""How the line of a finding begins: it holds, it fails, or it could not be tested."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with ending() as asked, joined() as processes:
            return _run(_sorted(given), shlex.join(["probe", *given]), processes, asked)
    except UnreadError:
        return 141
    except ToldError as told:
        return told.code
    except ProbeError as error:
        tell(str(error))
        return 2
    except OSError as error:
        if error.filename is None:
            raise
        tell(str(ProbeError(f"{error.filename} cannot be used ({error.strerror}). Name another file.")))
        return 2
    except StoppedError as stopped:
        tell(str(stopped))
        return stopped.code
    except KeyboardInterrupt as stop:
        tell(f"interrupted{KEPT.get(next(iter(given), ''), '; nothing was written') if not str(stop) else f'; {stop}'}")
        return 130


def _sorted(given: Sequence[str]) -> list[str]:
    """Returns the command before the flags that every command has."""
    first = next(
        (place for place, word in enumerate(given) if word not in ("--json", "--quiet", "--plain")), len(given)
    )
    return [*given[first:], *given[:first]] if first < len(given) else []


def _run(given: Sequence[str], command: str, processes: Processes, asked: Noted) -> int:
    """Runs the command that was given, or says what commands there are."""
    name, flags = (given[0], given[1:]) if given else ("", [])
    if name == "help":
        name, flags = (flags[0], ["--help"]) if flags else ("--help", [])
    if not name or name in ("-h", "--help", "--version", "version"):
        if processes.writes:
            write(
                sys.stdout if name else sys.stderr,
                _version() if "version" in name else overview("probe", DESCRIPTION, COMMANDS),
            )
        return 0 if name else 2
    kind = COMMANDS.get(name)
    if kind is None:
        raise unknown_command(name, COMMANDS, OTHER_WORDS)
    if {"-h", "--help", "--version"} & set(flags):
        if processes.writes:
            write(sys.stdout, _version() if "--version" in flags else explained(kind, f"probe {name}", Shell))
        return 0
    config, shell = read(flags, f"probe {name}", kind, Shell)
    if kind not in TOGETHER:
        only_one(processes, f"probe {name}")
    with told_deprecations(aloud=processes.writes):
        return RUN[kind](_formatted(config, name, shell), Call(name, command, shell, processes, asked))


def _formatted(config: Any, name: str, shell: Shell) -> Any:
    """Returns a configuration that prints JSON where --format asks for it.

    Raises:
        ProbeError: if the command's answer has no such format, or --json asks for another.
    """
    alone = isinstance(config, CheckConfig) and config.kernels and config.ckpt is None
    if shell.format in ("markdown", "csv") and type(config) not in TABULAR and not alone:
        raise ProbeError(
            f"--format {shell.format} was given, but the answer of probe {name} is no table of a record. Choose table "
            "or json."
        )
    if config.json and shell.format not in ("table", "json"):
        raise ProbeError(f"--json and --format {shell.format} were given, but an answer has one format. Drop one.")
    return replace(config, json=True) if shell.format == "json" else config


def _version() -> str:
    from probe.records import versions

    return ", ".join(f"{name} {number}" for name, number in versions().items())


def _train(config: TrainConfig, call: Call) -> int:
    from probe.commands.train import train
    from probe.records.counted import counted
    from probe.records.tables import number

    with call.progress() as show:
        result = train(config, command=call.command, report=show, processes=call.processes)
    if not call.processes.writes:
        return 0
    found = result.provenance
    errors = found["errors"]
    if config.json:
        call.say_json({name: found[name] for name in ("task", "step", "seconds", "digest", "errors")})
        return 0
    took = progress.clock(found["seconds"])
    call.say(f"{text.line(config.out)}: {found['step']} steps in {took}, task {text.line(found['task'])}")
    where, unit = counted(result).at(found["context"]), found["units"]["y"]
    call.say(f"error at {where}: {number(errors[-1])} (1 = {text.line(unit)})")
    call.hint(f"probe fit --ckpt {shlex.quote(config.out)} --task {shlex.quote(found['task'])}")
    return 0


def _sweep(config: SweepConfig, call: Call) -> int:
    from probe.commands.sweep import sweep
    from probe.records.summary import sweep_table

    with call.progress() as show:
        result = sweep(config, command=call.command, report=show)
    failed = int((result.table["outcome"] != "done").sum())
    written = [f"{config.out}/sweep.csv", f"{config.out}/sweep.json"]
    if config.json:
        trainings = result.table[["model", "outcome", "error"]].to_dict("records")
        call.say_json({"trainings": trainings, "wrote": written})
    else:
        call.say_parts(sweep_table(result))
        call.say(wrote(written))
    if failed:
        raise ProbeError(
            f"{failed} of {len(result.table)} trainings did not end well. Correct the table, or run the same command "
            "again to go on."
        )
    return 0


def _fit(config: FitConfig, call: Call) -> int:
    from probe.commands.fit import fit

    def run(show: progress.Report) -> Result:
        result = fit(config, command=call.command, report=show, processes=call.processes)
        return result if config.save_heads else result.without_heads()

    return deliver(config, call, run)


def _evaluate(config: EvaluateConfig, call: Call) -> int:
    from probe.commands.evaluate import evaluate

    def run(show: progress.Report) -> Result:
        return evaluate(config, command=call.command, report=show, processes=call.processes)

    return deliver(config, call, run)


def _compare(config: CompareConfig, call: Call) -> int:
    from probe.commands.compare import compare

    return deliver(config, call, lambda show: compare(config, command=call.command, report=show))


def _claim(config: ClaimConfig, call: Call) -> int:
    from probe.commands.claim import claim
    from probe.evidence.criteria import told_outcome

    def decided(model: str, criterion: Criterion) -> None:
        call.decided(f"{model}: {criterion.name} {told_outcome(criterion)}: {criterion.seen}")

    return deliver(config, call, lambda show: claim(config, command=call.command, report=show, decided=decided))


def _capture(config: CaptureConfig, call: Call) -> int:
    from probe.commands.capture import keep_streams

    with call.progress() as show:
        kept = keep_streams(config, command=call.command, report=show)
    told = {"out": config.out, "layers": kept.layers, "contexts": kept.places, "width": kept.width}
    if config.json:
        call.say_json(told)
    else:
        call.say(
            f"{text.line(config.out)}: streams at {kept.layers} layers and {kept.places} contexts, {kept.width} wide"
        )
    return 0


def _plot(config: PlotConfig, call: Call) -> int:
    from probe.commands.plot import plot

    result = plot(config)
    assert result.path is not None, "the command line needs --out"
    if config.json:
        call.say_json({"kind": result.kind, "wrote": [result.path]})
    else:
        call.say(wrote([result.path]))
    return 0


def _view(config: ViewConfig, call: Call) -> int:
    from probe.commands.view import beside, view

    out, follow = config.out or beside(config.records[0]), config.follow is not False
    page = view(replace(config, out=out, follow=follow), tell=call.note)
    assert page.path is not None, "the command line names a file"
    if config.json:
        call.say_json({"wrote": [page.path]})
    else:
        call.say(wrote([page.path]))
    return 0


def _check(config: CheckConfig, call: Call) -> int:
    from probe.commands.check import check

    if config.ckpt is None and config.kernels:
        return _check_kernels(config, call)
    if config.out is not None or config.overwrite:
        raise ProbeError(
            "--out or --overwrite was given, but only what --kernels finds alone is written. Drop it, or --ckpt."
        )
    result = check(config, command=call.command)
    if config.json:
        call.say_json({"held": result.held, "findings": [asdict(finding) for finding in result.findings]})
    for finding in () if config.json else result.findings:
        call.say(f"{HELD[finding.held]:<4}  {text.line(finding.claim)} ({text.line(finding.seen)})")
    return 0 if result.held else 1


def _check_kernels(config: CheckConfig, call: Call) -> int:
    from probe.commands.check import check

    outcomes: list[bool] = []

    def run(show: progress.Report) -> Result:
        result = check(config, command=call.command, report=show)
        outcomes.append(result.held)
        return result

    deliver(config, call, run)
    return 0 if all(outcomes) else 2


def _convert(config: ConvertConfig, call: Call) -> int:
    from probe.commands.convert import convert

    done = convert(config, command=call.command)
    told = {"path": done.path, "layout": done.layout, "task": text.line(done.task)}
    if config.json:
        rest = {"context": done.context, "digest": done.digest, "remarks": done.remarks}
        call.say_json(told | rest)
        return 0
    path, layout, task = map(text.line, told.values())
    call.say(f"{path}: {layout}, task {task}, context {done.context}, digest {done.digest}")
    for remark in done.remarks:
        call.say(f"  {text.line(remark)}")
    return 0


def _list(config: ListConfig, call: Call) -> int:
    from probe.commands.list import catalogue

    lists = catalogue(config.what, config.task, config.dim or 5)
    if config.json:
        call.say_json(lists)
        return 0
    lines: list[str] = []
    for title, entries in lists.items():
        width = max(map(len, entries), default=0)
        lines += [f"{title}:"] if len(lists) > 1 else []
        lines += [f"  {name:<{width}}  {words}".rstrip() for name, words in entries.items()]
    call.say("\n".join(lines))
    return 0


TOGETHER = (TrainConfig, FitConfig, EvaluateConfig)
"""Commands that several processes can run together."""

TABULAR = (FitConfig, EvaluateConfig, CompareConfig, ClaimConfig)
"""Commands whose answer is a record, which Markdown and CSV can hold."""

RUN: dict[type, Callable[[Any, Call], int]] = {
    TrainConfig: _train,
    SweepConfig: _sweep,
    FitConfig: _fit,
    EvaluateConfig: _evaluate,
    CompareConfig: _compare,
    ClaimConfig: _claim,
    CaptureConfig: _capture,
    PlotConfig: _plot,
    ViewConfig: _view,
    CheckConfig: _check,
    ConvertConfig: _convert,
    ListConfig: _list,
}
