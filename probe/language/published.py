"""The published accuracies: Grazzi et al. (2024), arXiv:2402.03170, Table 1, five demonstrations and none."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

DEMONSTRATIONS = 5


def published(tasks: Iterable[str]) -> dict[str, dict[str, list[float]]]:
    """Returns, by task and model, the published accuracy with five demonstrations and the one with none.

    The paper's Mamba and RWKV rows are of 400 prompts a task, with padding on the left that enters a recurrent
    model's state; its other rows are of 50. The words, and synonyms for translation, are not those shipped here.
    """
    chosen = set(tasks)
    text = files("probe.language").joinpath("grazzi_table1.tsv").read_text(encoding="utf-8")
    found: dict[str, dict[str, list[float]]] = {}
    for line in text.splitlines()[1:]:
        task, model, accuracy, zero_shot = line.split("\t")
        if task in chosen:
            found.setdefault(task, {})[model] = [float(accuracy), float(zero_shot)]
    return found
