"""Writes checkpoints/index.toml, what each shipped checkpoint is and what its error is, and the table of them in docs.

    python analyses/index_checkpoints.py [--again]

Errors are normalised (1 = guessing) and measured on 4,096 fresh prompts at the largest trained context, on the
checkpoint's own task and, where the task is regression of y on x, on isotropic `linear`; beside the model's own stands
that of the task's first learner on the same prompts. What the index already holds under the same digest is kept,
unless --again is given.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from probe import Checkpoint, FitConfig, fit, load_checkpoint, make_task

FOLDER, PAGE = Path("checkpoints"), Path("docs/checkpoints.md")
PROMPTS = 4096
# what the abstracts of Grazzi et al. (2024), arXiv:2402.03170, and Park et al. (2024), arXiv:2402.04248, say of a task
STATED = {
    ("linear", "mamba"): "Mamba closely matches transformers (both)",
    ("skewed_linear", "mamba"): "Mamba closely matches transformers (both)",
    ("sparse_parity", "mamba"): "state-space models outperform transformers (Park)",
    ("sparse_parity", "mambaformer"): "surpasses each where it struggles (Park)",
    ("vector_mqar", "mamba"): "state-space models fall short in retrieval (Park)",
    ("vector_mqar", "mambaformer"): "surpasses each where it struggles (Park)",
}

# the transformers of Grazzi et al. (2024) have no positions; ours have learned ones unless told otherwise
BARE = {("transformer", "none")}

# how a prompt's length is said where it is not a number of examples
LENGTHS = {"vector_mqar": "8 pairs", "many_outlier": "64 points"}


def errors(path: Path, task: str, context: int) -> dict[str, float]:
    """Returns errors on a task at a context: the model's own, and that of the task's first learner by its name."""
    config = FitConfig(ckpt=(str(path),), task=task, head=("lens",), context=str(context), score=PROMPTS, seed=1)
    table = fit(config).table
    return {str(row.head): float(row.error) for row in table[table["head"] != "lens"].itertuples()}


def entry(path: Path, found: Checkpoint) -> dict[str, Any]:
    """Returns what the index says of a checkpoint."""
    about, described = found.description, found.stream.description
    measured = errors(path, found.task, found.context)
    own = measured.pop("model")
    described: dict[str, Any] = {
        "summary": f"{described.layout} on {found.task}, error {own:.4f} at {found.context} examples",
        "command": about["command"],
        "arch": about["arch"],
        "task": found.task,
        "layout": described.layout,
        "dim": found.dim,
        "width": found.stream.width,
        "context": found.context,
        "parameters": sum(p.numel() for p in found.model.parameters()),
        "seed": about["seed"],
        "steps": about["step"],
        "seconds": round(about["seconds"]),
        "training_flops": float(f"{about['training_flops']:.4g}"),
        "error": round(own, 6),
    }
    if "plan" in about:  # a planted control was not trained
        described["rate"] = about["plan"]["lr"]
        described["positions"] = about["plan"]["model"]["positions"]
        described["batch_key"] = about["plan"].get("batch_key", "32bit")
    for name, error in measured.items():
        described |= {"learner": name, "learner_error": round(error, 6)}
    if make_task(found.task, found.dim).shape == make_task("linear", found.dim).shape:
        described["error_isotropic"] = round(errors(path, "linear", found.context)["model"], 6)
    return described | {"digest": found.digest}


def toml(name: str, described: Mapping[str, Any]) -> str:
    """Returns a table in TOML, whose strings and numbers are written as JSON's."""
    return "\n".join([f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in described.items())]) + "\n"


def markdown(index: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns the page's table: a row per task and architecture, its seeds together."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for one in (one for one in index.values() if one["steps"]):
        kind = (one["task"], one["dim"], one["context"], _arch(one), one["parameters"], one["steps"])
        groups.setdefault(kind, []).append(one)
    titles = ["task", "architecture", "parameters", "steps", "error", "learner", "the abstracts say"]
    lines = [titles, ["---"] * len(titles), *(_row(found) for _, found in sorted(groups.items()))]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _arch(one: Mapping[str, Any]) -> str:
    """Returns an architecture's name, and of a transformer trained without positions that it was."""
    return f"{one['arch']} without positions" if (one["arch"], one.get("positions")) in BARE else one["arch"]


def _row(found: list[Mapping[str, Any]]) -> list[str]:
    """Returns the row of trainings that differ in their seed alone."""
    first = found[0]
    task, arch = first["task"], _arch(first)
    own = ", ".join(f"{one['error']:.4f}" for one in sorted(found, key=lambda one: int(one["seed"])))
    learner = f"{first['learner']} {first['learner_error']:.4f}" if "learner" in first else "guessing 1"
    symbols = make_task(task, first["dim"]).shape.symbols
    size = f"{symbols} symbols" if symbols else f"{first['dim']} dimensions"
    what = f"{task}, {size}, {LENGTHS.get(task, '{} examples').format(first['context'])}"
    stated = STATED.get((task, arch), "not stated")
    return [what, arch, f"{first['parameters']:,}", f"{first['steps']:,}", own, learner, stated]


def main() -> None:
    """Writes the index of every checkpoint in the folder, and the page's table."""
    target = FOLDER / "index.toml"
    known = tomllib.loads(target.read_text()) if target.is_file() and "--again" not in sys.argv else {}
    index: dict[str, dict[str, Any]] = {}
    for path in sorted([*FOLDER.glob("*.pt"), *(part.parent for part in FOLDER.glob("*/checkpoint.json"))]):
        found = load_checkpoint(str(path))
        kept = known.get(path.stem, {})
        index[path.stem] = kept if kept.get("digest") == found.digest else entry(path, found)
        print(path.stem, index[path.stem]["error"])
    target.write_text("\n".join(toml(name, described) for name, described in index.items()))
    marks = re.compile(r"(<!-- checkpoints -->\n)(.*?)(<!-- end of checkpoints -->)", re.DOTALL)
    text = marks.sub(lambda found: f"{found[1]}{markdown(index)}{found[3]}", PAGE.read_text())
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
