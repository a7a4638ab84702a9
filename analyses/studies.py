"""Trains the models of the studies of belief states and of linear-Gaussian systems, each architecture tuned alike.

    python analyses/studies.py rates [STUDY ...] [--only ARCHITECTURE ...]
    python analyses/studies.py train [STUDY ...] [--only ARCHITECTURE ...]
    python analyses/studies.py tables

`rates` tries every architecture of a study at the rates of `GRID` by runs of a quarter of its steps, and at one beyond
while the best is at an edge; what figures/study-rates.csv holds is not run again. `train` trains the seeds at the best
rate and writes their weights to checkpoints/ in half precision. `tables` writes the pages' tables from the record.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from rates import DIVERGED, GRID, cell, following

import probe
from probe.checkpoints import load, save
from probe.errors import ProbeError
from probe.randomness import PromptSource
from probe.records import versions

RECORD = Path("figures/study-rates")
FOLDER = Path("checkpoints")
RUNS = Path("runs/train")
SEEDS = (0, 1, 2)
SHORTER = 4
"""By how much the runs that try a rate are shorter than those at the best rate."""
MEASURED = 4096
"""Prompts that a rate is judged on; none of them is among those that the studies measure."""
CHOOSING = 1
"""The seed of these prompts."""


@dataclass(frozen=True)
class Study:
    """Trainings that are compared.

    Args:
        suffix: what the names of its checkpoints end with.
        page: where its rates are shown.
        steps: of a training at the best rate, by architecture.
        size: what every architecture is trained with, as `probe.train` takes it.
        architectures: what each is trained with beside it.
    """

    suffix: str
    page: str
    steps: Mapping[str, int]
    size: Mapping[str, Any]
    architectures: Mapping[str, Mapping[str, Any]]


BELIEF_MODELS: Mapping[str, Mapping[str, Any]] = {
    "transformer": {"arch": "transformer", "blocks": 8},
    "mamba": {"arch": "mamba", "blocks": 4},
    "gated-deltanet": {"arch": "gated_deltanet", "blocks": 4},
    "lstm": {"arch": "lstm", "blocks": 2},
}
# the transformer learns these sources more slowly than the recurrent models
STUDIES = {
    "mess3": Study(
        "mess3",
        "docs/belief-states.md",
        {"transformer": 2400, "mamba": 800, "gated-deltanet": 800, "lstm": 800},
        {"task": "hidden_markov", "context": 15, "width": 64},
        BELIEF_MODELS,
    ),
    "random-random-xor": Study(
        "xor",
        "docs/belief-states.md",
        {"transformer": 1200, "mamba": 600, "gated-deltanet": 600, "lstm": 600},
        {"task": "hidden_markov:source=random_random_xor", "context": 15, "width": 64},
        BELIEF_MODELS,
    ),
    "tracking": Study(
        "tracking",
        "docs/linear-systems.md",
        {"mamba": 1600, "transformer": 1600, "hybrid": 1600},
        {"task": "linear_system", "dim": 3, "context": 15, "width": 64, "batch": 32},
        {
            "mamba": {"layout": "JM4"},
            "transformer": {"layout": "J(AF)4", "positions": "learned"},
            "hybrid": {"layout": "J(AM)2"},
        },
    ),
}


def trained(study: Study, architecture: str, rate: float, seed: int, steps: int, out: Path) -> None:
    """Trains a model without a curriculum, the first tenth of its steps at a rising rate."""
    size = {"steps": steps, "warmup": steps // 10, "curriculum": False, "threads": 1, "save_seconds": 600.0}
    settings = {**study.size, **study.architectures[architecture], **size}
    probe.train(out=str(out), lr=rate, seed=seed, overwrite=True, **settings)


def surplus(path: Path) -> float:
    """Returns what a model errs above the best possible, over all positions of prompts that no study measures on.

    Of a source of symbols that is the divergence in nats, of a linear system the squared error over the filter's.
    """
    model = load(str(path))
    task = probe.make_task(model.task, model.dim)
    prompts = task.draw(PromptSource(CHOOSING, "score", range(MEASURED)), model.context)
    with torch.no_grad():
        outputs = torch.cat([model.stream.run(some) for some in prompts.inputs.split(256)])
    answers, best = task.answer(outputs.index_select(1, prompts.queries)), task.optimal(prompts)
    assert best is not None, "a task whose best answers are known"
    if task.objective == "symbol":
        return float(task.metrics(answers, prompts)["divergence"].mean())
    own, filters = ((found - prompts.targets).double().square().sum() for found in (answers, best))
    return float(own / filters)


def tried() -> pd.DataFrame:
    """Returns the runs that the record holds."""
    if not RECORD.with_suffix(".csv").is_file():
        return pd.DataFrame(columns=["study", "architecture", "rate", "steps", "seed", "surplus"])
    return probe.load_record(RECORD).table


def by_rate(table: pd.DataFrame, study: str, architecture: str) -> dict[float, float]:
    """Returns what the runs of an architecture err above the best possible, by rate, from the least rate on."""
    rows = table[(table["study"] == study) & (table["architecture"] == architecture)].sort_values("rate")
    surpluses = rows["surplus"].fillna(DIVERGED)
    return dict(zip(rows["rate"].astype(float), surpluses.astype(float), strict=True))


def best_rate(table: pd.DataFrame, study: str, architecture: str) -> float:
    """Returns the rate at which an architecture errs least."""
    errors = by_rate(table, study, architecture)
    return min(errors, key=lambda rate: errors[rate])


def try_rates(name: str, architecture: str) -> None:
    """Runs an architecture at the rates that are not known yet, and adds each to the record as it ends."""
    study = STUDIES[name]
    steps = study.steps[architecture] // SHORTER
    while (rate := following(by_rate(tried(), name, architecture))) is not None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run.pt"
            try:
                trained(study, architecture, rate, 0, steps, path)
                found = surplus(path)
            except ProbeError as error:
                if "diverged" not in str(error):
                    raise
                found = DIVERGED
        row = {"study": name, "architecture": architecture, "rate": rate, "steps": steps, "seed": 0, "surplus": found}
        table = pd.concat([one for one in (tried(), pd.DataFrame([row])) if len(one)], ignore_index=True)
        about = {"kind": "study-rates", "command": "analyses/studies.py rates", "versions": versions(), "models": {}}
        settings = {known: asdict(one) for known, one in STUDIES.items()}
        probe.save_record(probe.Record(table, about | {"config": {"grid": GRID, "studies": settings}}), RECORD)
        print(name, architecture, f"{rate:g}", f"{found:.4g}", flush=True)


def train_seeds(name: str, architecture: str) -> None:
    """Trains every seed at the best rate, and writes what is not there yet to checkpoints/ in half precision."""
    study = STUDIES[name]
    rate = best_rate(tried(), name, architecture)
    for seed in SEEDS:
        stem = f"{architecture}-{study.suffix}" + (f"-seed{seed}" if seed else "")
        out = RUNS / f"{stem}.pt"
        if out.is_file() and load(str(out)).description["step"] == study.steps[architecture]:
            continue
        trained(study, architecture, rate, seed, study.steps[architecture], out)
        found = load(str(out))
        own = found.model
        assert isinstance(own, probe.ResidualModel), "a model of this package"
        print(stem, f"{rate:g}", f"{surplus(out):.4g}", end=" ")
        save(FOLDER / f"{stem}.pt", own.half(), found.description)
        print(f"in half precision {surplus(FOLDER / f'{stem}.pt'):.4g}", flush=True)


def markdown(table: pd.DataFrame, page: str) -> str:
    """Returns a page's table: a row a study and architecture, a column a rate; the best is bold, told if at an edge."""
    named = [(name, kind) for name, study in STUDIES.items() if study.page == page for kind in study.architectures]
    found = {one: errors for one in named if (errors := by_rate(table, *one))}
    rates = sorted({rate for errors in found.values() for rate in errors})
    titles = ["study", "architecture", *(f"{rate:g}" for rate in rates)]
    lines = [titles, ["---"] * len(titles)]
    for (name, kind), errors in found.items():
        best = min(errors, key=lambda rate: errors[rate])
        edge = best in (min(errors), max(errors))
        cells = [cell(errors.get(rate), rate == best, edge, decimals=4) for rate in rates]
        lines.append([name.replace("-", " "), kind.replace("-", " "), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def write_tables() -> None:
    """Writes each page's table between its marks."""
    marks = re.compile(r"(<!-- rates -->\n)(.*?)(<!-- end of rates -->)", re.DOTALL)
    for page in {study.page for study in STUDIES.values()}:
        path, rows = Path(page), markdown(tried(), page)
        text = path.read_text(encoding="utf-8")
        path.write_text(marks.sub(lambda found, rows=rows: f"{found[1]}{rows}{found[3]}", text), encoding="utf-8")


def main() -> None:
    """Tries rates, trains seeds, or writes tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["rates", "train", "tables"])
    parser.add_argument("studies", nargs="*", metavar="STUDY", help=f"{', '.join(STUDIES)}; all unless given")
    parser.add_argument("--only", nargs="+", metavar="ARCHITECTURE")
    asked = parser.parse_args()
    if asked.what == "tables":
        write_tables()
        return
    for name in asked.studies or STUDIES:
        for architecture in STUDIES[name].architectures:
            if asked.only is None or architecture in asked.only:
                (try_rates if asked.what == "rates" else train_seeds)(name, architecture)


if __name__ == "__main__":
    main()
