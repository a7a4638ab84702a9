"""The command line: flags become a config, a verb turns it into a result, files and a few lines come out.

The only module that prints. Exit 0 done, 2 the user's mistake, 1 ours, 130 interrupted.
"""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
    TrainConfig,
)
from probe.errors import ProbeError
from probe.presets import ARCHITECTURES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from probe.records import Record

COMMANDS: dict[str, Callable[..., Any]] = {
    "train": TrainConfig,
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
SHOW_AFTER = 2.0  # seconds before a progress bar appears


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        config = tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="probe", description=DESCRIPTION, args=given, sort_subcommands=False
        )
        return RUN[type(config)](config, shlex.join(["probe", *given]))
    except SystemExit as stop:
        return int(stop.code or 0)
    except ProbeError as error:
        print(f"probe: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("probe: interrupted", file=sys.stderr)
        return 130


def _train(config: TrainConfig, command: str) -> int:
    from probe.train import train_model

    with _bar("train") as show:
        record = train_model(
            config,
            command,
            lambda now: show(f"loss {now.loss:.4f}  error {now.error:.4f}", now.step, now.steps),
        )
    found = record.provenance
    errors = found["errors"]
    if config.json:
        print(json.dumps({name: found[name] for name in ("task", "step", "seconds", "digest", "errors")}))
        return 0
    print(f"{config.out}: {found['step']} steps in {found['seconds'] / 60:.1f} min, task {found['task']}")
    print(f"error at {found['context']} examples: {errors[-1]:.4f} (1 = predicting zero)")
    return 0


def _fit(config: FitConfig, command: str) -> int:
    from probe.fit import fit_heads
    from probe.language import is_language
    from probe.plots import language_curves, layer_curve

    def tell(record: Record) -> str:
        if is_language(config.task):
            return _language_summary(record) if config.json else _language_table(record, "layer")
        return json.dumps(_summary(record), indent=2) if config.json else _layer_table(record)

    draw = language_curves if is_language(config.task) else layer_curve
    return _measure("fit", config, lambda show: fit_heads(config, command, show), draw, tell)


def _evaluate(config: EvaluateConfig, command: str) -> int:
    from probe.evaluate import evaluate_models
    from probe.language import is_language
    from probe.plots import language_accuracy, prompting_curves

    def tell(record: Record) -> str:
        if is_language(config.task):
            return _language_summary(record) if config.json else _language_table(record, "context")
        return json.dumps(_prompting_summary(record), indent=2) if config.json else _prompting_table(record)

    draw = language_accuracy if is_language(config.task) else prompting_curves
    return _measure("evaluate", config, lambda show: evaluate_models(config, command, show), draw, tell)


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
) -> int:
    """Refuses what cannot be written, runs a verb, and writes its record and its picture."""
    from probe import records
    from probe.checkpoint import find, name_of
    from probe.plots import save_figure

    stem = Path(config.out or _default_stem(verb, [name_of(find(name)) for name in config.ckpt], config.task))
    picture = stem.with_name(f"{stem.name}.png")
    for path in (*records.record_paths(stem), picture):
        records.check_writable(path)
    with _bar(verb) as show:
        record = run(show)
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
    from probe.check import check_checkpoint

    findings = check_checkpoint(config)
    for finding in findings:
        print(f"{'ok  ' if finding.held else 'FAIL'}  {finding.claim} ({finding.seen})")
    return 0 if all(finding.held for finding in findings) else 1


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


RUN: dict[type, Callable[[Any, str], int]] = {
    TrainConfig: _train,
    FitConfig: _fit,
    EvaluateConfig: _evaluate,
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


def _summary(record: Record) -> dict[str, Any]:
    """Returns what a script would ask for first: errors by layer at the largest context."""
    table = record.table
    at_last = table[table["context"] == table["context"].max()]
    models: dict[str, Any] = {}
    for row in at_last.itertuples():
        heads = models.setdefault(str(row.model), {})
        layer = "all" if row.layer is None or row.layer != row.layer else str(int(row.layer))
        heads.setdefault(str(row.head), {})[layer] = row.error
    return {"context": int(table["context"].max()), "error": models}


def _prompting_summary(record: Record) -> dict[str, Any]:
    """Returns the errors at the largest context, by prompting style, model and head."""
    styles: dict[str, Any] = {}
    for style, rows in record.table.groupby("prompting", sort=False):
        at_last = rows[rows["context"] == rows["context"].max()]
        for row in at_last.itertuples():
            entry = styles.setdefault(str(style), {"context": int(row.context), "error": {}})
            entry["error"].setdefault(str(row.model), {})[str(row.head)] = row.error
    return styles


def _prompting_table(record: Record) -> str:
    """Returns the errors at a few contexts, by prompting style, model and learner."""
    lines = ["error (1 = knowing nothing)"]
    for style, rows in record.table.groupby("prompting", sort=False):
        each = [set(group["context"]) for _, group in rows.groupby(["model", "head"])]
        contexts = sorted(set.intersection(*each))
        shown = sorted({contexts[round(i * (len(contexts) - 1) / 7)] for i in range(8)})
        chosen = rows[rows["context"].isin(shown)]
        own = chosen["head"] == "model"
        names = chosen["model"].where(own, chosen["head"])
        grid = chosen.assign(name=names).pivot_table(index="name", columns="context", values="error", sort=False)
        lines += ["", str(style), grid.to_string(float_format=lambda number: f"{number:.4f}")]
    return "\n".join(lines)


def _language_table(record: Record, by: str) -> str:
    """Returns the accuracies of language tasks, by number of demonstrations or, at the largest, by layer."""
    rows = record.table[record.table["metric"] == "accuracy"]
    if by == "context":
        grid = rows.pivot_table(index=["model", "task"], columns="context", values="value", sort=False)
        return f"accuracy by number of demonstrations\n{grid.to_string(float_format=_share, na_rep='')}"
    most = rows["context"].max()
    rows = rows[rows["context"] == most]
    own = rows[rows["layer"].notna()].astype({"layer": int})
    grid = own.pivot_table(index="layer", columns=["model", "task", "head"], values="value", sort=False)
    lines = [f"accuracy at {most} demonstrations", grid.to_string(float_format=_share, na_rep="")]
    others = rows[rows["layer"].isna()]
    return "\n".join(
        [*lines, *(f"  {row.model} {row.task} {row.head}: {row.value:.3f}" for row in others.itertuples())]
    )


def _language_summary(record: Record) -> str:
    """Returns the same as JSON: by model, task, number of demonstrations, head, and layer where there is one."""
    found: dict[str, Any] = {}
    rows = record.table[record.table["metric"] == "accuracy"]
    for row in rows.to_dict("records"):
        place = found
        for name in ("model", "task", "context", "head"):
            place = place.setdefault(str(row[name]), {})
        layer = row["layer"]
        place["all" if layer is None or layer != layer else str(int(layer))] = row["value"]
    return json.dumps({"accuracy": found}, indent=2)


def _share(number: float) -> str:
    return f"{number:.3f}"


def _layer_table(record: Record) -> str:
    """Returns the errors by layer at the largest context as a short table."""
    table = record.table
    context = int(table["context"].max())
    at_last = table[(table["context"] == context) & (table["target"] == table["target"].iloc[-1])]
    lines = [f"error at {context} examples (1 = predicting zero)"]
    for model, rows in table[table["context"] == context].groupby("model", sort=False):
        layered = rows[rows["layer"].notna() & (rows["head"] != "model")]
        grid = layered.pivot_table(index="layer", columns="head", values="error", sort=False)
        lines += ["", str(model), grid.to_string(float_format=lambda number: f"{number:.5f}")]
        others = rows[rows["layer"].isna() | (rows["head"] == "model")]
        lines += [f"  {row.head}: {row.error:.5f}" for row in others.itertuples()]
    assert len(at_last), "the largest context has rows"
    return "\n".join(lines)


@contextmanager
def _bar(title: str) -> Iterator[Callable[[str, int, int], None]]:
    """Yields ``show(text, done, total)``: a progress bar on stderr, only on a terminal and only after two seconds."""
    if not sys.stderr.isatty():
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
