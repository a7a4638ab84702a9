"""The command line: flags become a config, a verb turns it into a result, files and a few lines come out.

On stdout what was asked for, on stderr how far it has come, notes and mistakes. Exit 0 done, 2 the user's mistake, 1
ours, 130 interrupted (143 by SIGTERM, 129 by SIGHUP), 141 where nobody reads on.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probe import progress, text
from probe.arguments import explained, overview, read, unknown_command
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
from probe.processes import Processes, StoppedError, ToldError, ending, joined, only_one
from probe.shell.delivery import deliver, own, wrote
from probe.shell.voice import Call, Shell, UnreadError, tell, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from probe.records import Record

COMMANDS: dict[str, type] = {
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
OTHER_WORDS = {"eval": "evaluate", "ls": "list", "test": "check", "verify": "check", "draw": "plot", "probe": "fit"}
"""What else commands are called elsewhere."""
KEPT = {
    "train": "",
    "sweep": "; what had ended is kept, and the same command goes on",
}
"""What an interrupted command leaves; nothing where it is not named."""
HELD = {True: "ok", False: "FAIL", None: "--"}
"""How a finding begins: it holds, it fails, or could not be looked at."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with ending(), joined() as processes:
            return _run(_sorted(given), shlex.join(["probe", *given]), processes)
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


def _run(given: Sequence[str], command: str, processes: Processes) -> int:
    """Runs the command that was given, or says what commands there are."""
    verb, flags = (given[0], given[1:]) if given else ("", [])
    if verb == "help":
        verb, flags = (flags[0], ["--help"]) if flags else ("--help", [])
    if not verb or verb in ("-h", "--help", "--version", "version"):
        if processes.writes:
            write(
                sys.stdout if verb else sys.stderr,
                _version() if "version" in verb else overview("probe", DESCRIPTION, COMMANDS),
            )
        return 0 if verb else 2
    kind = COMMANDS.get(verb)
    if kind is None:
        raise unknown_command(verb, COMMANDS, OTHER_WORDS)
    if {"-h", "--help", "--version"} & set(flags):
        if processes.writes:
            write(sys.stdout, _version() if "--version" in flags else explained(kind, f"probe {verb}", Shell))
        return 0
    config, shell = read(flags, f"probe {verb}", kind, Shell)
    if kind not in TOGETHER:
        only_one(processes, f"probe {verb}")
    return RUN[kind](config, Call(verb, command, shell, processes))


def _version() -> str:
    from probe.records import versions

    return ", ".join(f"{name} {number}" for name, number in versions().items())


def _train(config: TrainConfig, call: Call) -> int:
    from probe.commands.train import train_model
    from probe.records.summary import number

    with call.progress() as show:
        record = train_model(
            config,
            call.command,
            lambda now: show(f"loss {number(now.loss)}, error {number(now.error)}", now.step, now.steps),
            call.processes,
        )
    if not call.processes.writes:
        return 0
    found = record.provenance
    errors = found["errors"]
    if config.json:
        call.say_json({name: found[name] for name in ("task", "step", "seconds", "digest", "errors")})
        return 0
    took = progress.clock(found["seconds"])
    call.say(f"{text.line(config.out)}: {found['step']} steps in {took}, task {text.line(found['task'])}")
    call.say(f"error at {found['context']} examples: {number(errors[-1])} (1 = predicting zero)")
    return 0


def _sweep(config: SweepConfig, call: Call) -> int:
    from probe.commands.sweep import run_sweep
    from probe.records.summary import sweep_table

    with call.progress() as show:
        record = run_sweep(config, call.command, show)
    failed = int((record.table["outcome"] != "done").sum())
    written = [f"{config.out}/sweep.csv", f"{config.out}/sweep.json"]
    if config.json:
        trainings = record.table[["model", "outcome", "error"]].to_dict("records")
        call.say_json({"trainings": trainings, "wrote": written})
    else:
        call.say(sweep_table(record))
        call.say(wrote(written))
    if failed:
        raise ProbeError(
            f"{failed} of {len(record.table)} trainings did not end well. Correct the table, or run the same command "
            "again to go on."
        )
    return 0


def _fit(config: FitConfig, call: Call) -> int:
    from probe.commands.fit import fit_heads
    from probe.language import is_language
    from probe.plots import language_curves, layer_curve
    from probe.records.summary import language_summary, language_table, layer_summary, layer_table

    words = is_language(config.task)
    return _measure(
        config,
        call,
        lambda show: fit_heads(config, call.command, show, processes=call.processes),
        language_curves if words else layer_curve,
        (lambda record: language_table(record, "layer")) if words else layer_table,
        language_summary if words else layer_summary,
    )


def _evaluate(config: EvaluateConfig, call: Call) -> int:
    from probe.commands.evaluate import evaluate_models
    from probe.language import is_language
    from probe.plots import language_accuracy, prompting_curves
    from probe.records.summary import language_summary, language_table, prompting_summary, prompting_table

    words = is_language(config.task)
    return _measure(
        config,
        call,
        lambda show: evaluate_models(config, call.command, show, processes=call.processes),
        language_accuracy if words else prompting_curves,
        (lambda record: language_table(record, "context")) if words else prompting_table,
        language_summary if words else prompting_summary,
    )


def _compare(config: CompareConfig, call: Call) -> int:
    from probe.commands.compare import compare_models
    from probe.language import is_language
    from probe.plots import comparison, language_comparison
    from probe.records.summary import comparison_table

    return _measure(
        config,
        call,
        lambda show: compare_models(config, call.command, show),
        language_comparison if is_language(config.task) else comparison,
        (lambda record: "\n".join(record.provenance["verdict"])) if is_language(config.task) else comparison_table,
        lambda record: {"verdict": record.provenance["verdict"]},
    )


def _claim(config: ClaimConfig, call: Call) -> int:
    from probe.commands.claim import examine_claim
    from probe.plots import report_page

    def tell(record: Record) -> str:
        found = record.provenance
        seen = [f"  {one['outcome']:<10}  {one['name']}: {text.line(one['seen'])}" for one in found["criteria"]]
        warnings = [f"  warning     {text.line(words)}" for words in found["warnings"]]
        return "\n".join([text.line(found["verdict"]), *seen, *warnings])

    def summary(record: Record) -> dict[str, Any]:
        return {
            name: record.provenance[name] for name in ("verdict", "supported", "criteria", "not_tested", "warnings")
        }

    return deliver(
        config,
        call,
        [config.ckpt],
        ".html",
        lambda show: examine_claim(config, call.command, show),
        lambda record, path: report_page(record),
        tell,
        summary,
    )


def _measure(
    config: FitConfig | EvaluateConfig | CompareConfig,
    call: Call,
    run: Callable[[progress.Report], Record],
    draw: Callable[[Sequence[Record]], Figure],
    tell: Callable[[Record], str],
    summary: Callable[[Record], dict[str, Any]],
) -> int:
    """Runs a verb whose record is drawn as one picture."""
    from probe.plots import rendered

    return deliver(
        config, call, config.ckpt, None, run, lambda record, path: rendered(draw([record]), path), tell, summary
    )


def _plot(config: PlotConfig, call: Call) -> int:
    from probe import records
    from probe.plots import View, choose_kind, draw, save_figure

    with own(Path(config.out)):
        loaded = [records.load(path) for path in config.records]
        view = View(x=None if config.depth == "auto" else config.depth, context=config.context, target=config.target)
        kind = choose_kind(loaded, config.kind)
        written = save_figure(draw(loaded, kind, view, ", ".join(config.records)), config.out)
    if config.json:
        call.say_json({"kind": kind, "wrote": [written]})
    else:
        call.say(wrote([written]))
    return 0


def _check(config: CheckConfig, call: Call) -> int:
    from probe.commands.check import check

    findings = check(config)
    held = all(finding.held is not False for finding in findings)
    if config.json:
        call.say_json({"held": held, "findings": [asdict(finding) for finding in findings]})
    for finding in () if config.json else findings:
        call.say(f"{HELD[finding.held]:<4}  {text.line(finding.claim)} ({text.line(finding.seen)})")
    return 0 if held else 1


def _convert(config: ConvertConfig, call: Call) -> int:
    from probe.commands.convert import convert_checkpoint

    done = convert_checkpoint(config, call.command)
    if config.json:
        call.say_json(asdict(done) | {"task": text.line(done.task)})
        return 0
    path, layout, task = (text.line(each) for each in (done.path, done.layout, done.task))
    call.say(f"{path}: {layout}, task {task}, {done.context} examples, digest {done.digest}")
    for remark in done.remarks:
        call.say(f"  {text.line(remark)}")
    return 0


def _list(config: ListConfig, call: Call) -> int:
    from probe.commands.list import catalogue

    lists = catalogue(config.what)
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
"""What several processes can run together."""

RUN: dict[type, Callable[[Any, Call], int]] = {
    TrainConfig: _train,
    SweepConfig: _sweep,
    FitConfig: _fit,
    EvaluateConfig: _evaluate,
    CompareConfig: _compare,
    ClaimConfig: _claim,
    PlotConfig: _plot,
    CheckConfig: _check,
    ConvertConfig: _convert,
    ListConfig: _list,
}
