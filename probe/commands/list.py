"""What can be named on the command line: tasks, architectures, heads, learners, prompting styles, checkpoints."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from probe.checkpoints import folders
from probe.errors import ProbeError
from probe.heads import HEADS
from probe.language import LANGUAGE_TASKS, study_of
from probe.learners import LEARNERS
from probe.probing.targets import offered, shortest
from probe.tasks import TASKS, make
from probe.tasks.prompting import PROMPTINGS
from probe.text import line
from probe.training.presets import ARCHITECTURES

BYTES = 2**24
"""The largest index of checkpoints that is read."""


def catalogue(what: str = "all", task: str | None = None, dim: int = 5) -> dict[str, dict[str, str]]:
    """Returns the lists asked for, each a line on every name; control characters of foreign names are replaced.

    Args:
        task: the task whose targets are listed.
        dim: dimension of its inputs.

    Raises:
        ProbeError: if targets are asked for without a task, or a task is given without targets.
    """
    if what == "targets":
        return {"targets": _targets(task, dim)}
    if task is not None:
        raise ProbeError(
            f"The task {task} was given, but only its targets can be listed. Write probe list targets {task}."
        )
    return {title: entries() for title, entries in LISTS.items() if what in ("all", title)}


def _targets(task: str | None, dim: int) -> dict[str, str]:
    """Returns what heads can be asked for on a task, each with its shape, and the learners whose findings can be."""
    if task is None:
        raise ProbeError("No task was given, but targets are those of a task. Write probe list targets linear.")
    if study_of(task) == "words":
        raise ProbeError(f"{task} was given, which is of words, but targets are drawn numbers. Name another task.")
    found = make(task, dim)
    learners = {"gd:steps=4": "the prediction of a learner with its options, where x is a vector and y a number"}
    learners |= {"gd.w:steps=4": "the weights w that it finds; see probe list learners"}
    return offered(found, shortest(found)) | (learners if found.shape.symbols == 0 and found.shape.outputs == 1 else {})


def _first_lines(entries: Mapping[str, Any]) -> dict[str, str]:
    return {name: (entry.__doc__ or "").split("\n")[0] for name, entry in entries.items()}


def _tasks() -> dict[str, str]:
    words = {"language": "The evaluated word-pair tasks; or language:set=all, language:tasks=antonyms+en_fr."}
    for name, task in LANGUAGE_TASKS.items():
        words[name] = f"Word pairs, {task.category}{', evaluated' if task.evaluated else ''}."
    return _first_lines(TASKS) | words


def _styles() -> dict[str, str]:
    standard = {"standard": "Draws prompts as the task has them.", "recursive": "Feeds a chain of thought back."}
    return standard | _first_lines(PROMPTINGS)


def _checkpoints() -> dict[str, str]:
    """Returns the summary and the folder of each checkpoint by name; of two of a name, the one found first."""
    found: dict[str, str] = {}
    for folder in reversed(folders()):
        described = _index(folder / "index.toml")
        for path in sorted(folder.glob("*.pt")):
            about = described.get(path.stem)
            summary = about.get("summary", "") if isinstance(about, dict) else ""
            found[line(path.name)] = line(f"{summary} (in {folder})".lstrip())
    return found


def _index(path: Path) -> dict[str, Any]:
    """Returns the entries of an index of checkpoints; none where it cannot be read, since they are there without it."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.stat().st_size <= BYTES else {}
    except (OSError, ValueError, RecursionError):
        return {}


LISTS: dict[str, Callable[[], dict[str, str]]] = {
    "tasks": _tasks,
    "architectures": lambda: {name: family.layout for name, family in ARCHITECTURES.items()},
    "heads": lambda: _first_lines(HEADS),
    "learners": lambda: _first_lines(LEARNERS),
    "prompting": _styles,
    "checkpoints": _checkpoints,
}
