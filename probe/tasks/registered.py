"""Tasks of files that the user named in this process: a file runs where it is named, and nowhere else."""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import replace
from inspect import isfunction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probe.errors import ProbeError, suggest
from probe.registries import ObjectText

if TYPE_CHECKING:
    from probe.tasks.task import Task

LOADED: dict[str, Any] = {}
"""Tasks by their text, FILE.py:NAME: those made by `probe.task` and those of files that were named."""


def named_by_user(text: str) -> ObjectText:
    """Returns the task that FILE.py:NAME names, with that text. The file is run.

    Raises:
        ProbeError: if the file is missing or fails, or has no task of this name.
    """
    from probe.tasks.own import OwnTask, made
    from probe.tasks.task import Task

    place, _, name = text.rpartition(":")
    path = Path(place)
    if not path.is_file():
        raise ProbeError(
            f"--task {text} was given, but there is no file {place}. Give the path of the file that has {name}."
        )
    module = f"probe_task_{re.sub(r'[^0-9A-Za-z]', '_', str(path.resolve()))}"
    spec = importlib.util.spec_from_file_location(module, path)
    assert spec is not None and spec.loader is not None
    loaded = sys.modules[module] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(loaded)
    except ProbeError:
        raise
    except (Exception, SystemExit) as error:  # a file of the user's may fail in any way
        raise ProbeError(
            f"{place} was run for --task {text}, but it failed: {type(error).__name__}: {error}. Correct the file."
        ) from error
    found = getattr(loaded, name, None)
    if isfunction(found):
        found = made(found)
    if isinstance(found, OwnTask):
        found = replace(found, name=text)
    if not (isinstance(found, Task) or (isinstance(found, type) and issubclass(found, Task))):
        known = [each for each, value in vars(loaded).items() if isinstance(value, Task)]
        what = "nothing" if found is None else f"a {type(found).__name__}"
        raise ProbeError(
            f"--task {text} was given, but {place} has {what} called {name}, and a function under @probe.task is "
            f"needed. {suggest(name, known)}Tasks there: {', '.join(known) or 'none'}."
        )
    LOADED[text] = found
    return ObjectText(text, found)


def already_named(text: str) -> Task | type[Task]:
    """Returns a task of a file that was named in this process.

    Raises:
        ProbeError: if it was not; nothing is run because a checkpoint or a state says so.
    """
    if text not in LOADED:
        place = text.rpartition(":")[0]
        missing = "" if Path(place).is_file() else f" There is no file {place} here: bring it back first."
        raise ProbeError(
            f"The task {text} is a function in a file, which runs only where you name it.{missing} Add --task {text}."
        )
    found: Task | type[Task] = LOADED[text]
    return found
