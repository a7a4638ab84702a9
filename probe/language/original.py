"""Reads the authors' word pairs from a folder of theirs: CATEGORY/TASK.json, an object of inputs and answers.

This is the layout of the data folder of Hendel et al. (2023), arXiv:2310.15916, which Grazzi et al. (2024) evaluate.
"""

from __future__ import annotations

import json
from pathlib import Path

from probe.errors import ProbeError
from probe.language.pairs import Pair, Pairs, Pool
from probe.language.tasks import LANGUAGE_TASKS

HEADERS = {"en", "fr", "es", "it"}


def original_pool(folder: str | Path, name: str) -> Pool:
    """Returns a task's pairs from such a folder, or from a repository that holds it as data/.

    Algorithmic tasks have no file and are generated. The header of the translation files, which stands among their
    pairs as if a language's name were a word, is left out. Nothing is accepted beside the one answer.

    Raises:
        ProbeError: if the folder has no such file, or it holds something else.
    """
    task = LANGUAGE_TASKS[name]
    if task.category == "algorithmic":
        return task.pool()
    places = [Path(folder) / part / task.category / f"{name}.json" for part in ("", "data")]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise ProbeError(f"There is no {places[0]}. Give --data the folder that holds {task.category}/{name}.json.")
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ProbeError(f"{path} cannot be read as JSON. Copy it anew.") from error
    if not isinstance(found, dict) or not all(isinstance(answer, str) for answer in found.values()):
        raise ProbeError(f"{path} does not hold inputs and answers. Give the folder of the original word pairs.")
    header = task.category == "translation"
    pairs = [Pair(given, answer) for given, answer in found.items() if not (header and {given, answer} <= HEADERS)]
    return Pairs(tuple(pairs))
