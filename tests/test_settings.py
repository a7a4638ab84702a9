"""Claims: every option of every verb that decides what is measured or shown reaches record, table and picture.

Every field of a verb's settings has an entry below; a new one without fails. An entry that decides something holds a
value, and what the table and the picture must then say; without words, it must change what they say.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from safetensors.numpy import save_file

import probe
from probe import checkpoints
from probe.cli import main
from probe.config import (
    ClaimConfig,
    CompareConfig,
    EvaluateConfig,
    FitConfig,
    ModelConfig,
    PlotConfig,
)
from probe.models import ResidualModel
from probe.models.controls import planted_model
from probe.plots import KINDS, choose_kind
from probe.records import Record, load, save
from probe.records.summary import SUMMARIES
from probe.records.tables import Part, on_terminal

RUNS = "how it runs, not what is measured"
LANGUAGE = "for language tasks, whose tests are in tests/language"
FILES = "where it is written, or how it is printed"


@dataclass(frozen=True)
class Entry:
    """A value to try, and words that the table and the picture must then hold, beside their change."""

    value: Any
    table: str = ""
    picture: str = ""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, toys: Path) -> Path:
    """A folder with the toys, a model of symbols, and two stacks of gradient steps."""
    folder = tmp_path_factory.mktemp("options")
    for name in ("m.pt", "t.pt"):
        (folder / name).write_bytes((toys / name).read_bytes())
    about = {"dim": 2, "context": 6, "seed": 0, "step": 0, "command": ""}
    for name, blocks in (("g", 3), ("h", 4)):
        model = planted_model("gradient", 2, blocks, None)
        checkpoints.save(folder / f"{name}.pt", model, about | {"task": "linear", "arch": "gradient"})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        symbols = ResidualModel(ModelConfig(layout="M2", dim=0, width=8, outputs=7, symbols=7)).eval()
    words = "regular_language:letters=6,states=4"
    checkpoints.save(folder / "s.pt", symbols, about | {"dim": 0, "context": 12, "task": words, "arch": "mamba"})
    for seed, name in enumerate(("prices", "yields")):
        rng = np.random.default_rng(seed)
        inputs = rng.standard_normal((160, 5, 2)).astype(np.float32)
        np.savez(folder / f"{name}.npz", inputs=inputs, targets=inputs.sum(2, keepdims=True) + seed)
        kept = rng.standard_normal((160, 3, 2, 4)).astype(np.float32)
        save_file({"streams": kept, "targets.z": kept[:, 2, 1, :1] + seed}, folder / f"{name}.safetensors")
    return folder


FIT: dict[str, Entry | str] = {
    "ckpt": Entry(("m.pt", "t.pt"), "t, target y", "t (2 blocks)"),
    "task": Entry("linear:x_scale=2", "linear:x_scale=2", "task linear:x_scale=2"),
    "head": Entry(("linear", "lens", "normed", "calibrated"), "calibrated", "calibrated lens"),
    "target": Entry("w", "target w (1 = predicting zero)", "target w"),
    "context": Entry("2", "error at 2 examples", "2 examples in context"),
    "prompts": Entry(96),
    "score": Entry(40, "40 prompts", "40 prompts"),
    "seed": Entry(7),
    "protocol": Entry("released"),
    "dim": "must be the checkpoint's, and is refused else",
    **dict.fromkeys(("batch", "device", "kernel"), RUNS),
    **dict.fromkeys(("tokenizer", "match"), LANGUAGE),
    "data": Entry("yields.npz", "yields", "yields"),
    "streams": Entry("yields.safetensors", "yields, target z", "yields"),
    "site": Entry("state", "site state through 16 random projections", "site state through 16 random projections"),
    "widest": Entry(4, "through 4 random", "through 4 random"),
    "at": Entry("-1", "heads read -1 tokens from the query", "heads read -1 tokens from the query"),
    "lengths": Entry("12,24", "after 24 examples", "memory of the state"),
    **dict.fromkeys(("out", "save_heads", "overwrite", "json"), FILES),
}
EVALUATE: dict[str, Entry | str] = {
    "ckpt": Entry(("m.pt", "t.pt"), "t ", "t"),
    "task": Entry("linear:x_scale=2", "linear:x_scale=2", "task linear:x_scale=2"),
    "prompting": Entry(("standard", "skewed"), "skewed", "skewed"),
    "learner": Entry(("ridge:penalty=0.5",), "ridge:penalty=0.5", "ridge:penalty=0.5"),
    "context": Entry(7, "7", "longest context in training"),
    "index": Entry("0,4"),
    "prompts": Entry(40, "40 prompts", "40 prompts"),
    "seed": Entry(7),
    "dim": "must be the checkpoint's, and is refused else",
    **dict.fromkeys(("batch", "device", "kernel"), RUNS),
    **dict.fromkeys(("tokenizer", "tokens", "match"), LANGUAGE),
    "data": Entry("yields.npz", "yields", "yields"),
    **dict.fromkeys(("out", "overwrite", "json"), FILES),
}
COMPARE: dict[str, Entry | str] = {
    "ckpt": Entry(("m.pt", "g.pt"), " g", "g (3 blocks)"),
    "task": Entry("linear:x_scale=2", "linear:x_scale=2", "task linear:x_scale=2"),
    "head": Entry("lens", "the lens head", "lens"),
    "depth": Entry("parameters", "share of parameters", "share of parameters up to the layer"),
    "tuned": "decides a sentence of the verdict: tests/commands/test_compare.py",
    "context": Entry(2, "at 2 examples", "2 examples"),
    "prompts": Entry(96),
    "score": Entry(40, "40 prompts", "40 prompts"),
    "seed": Entry(7),
    "dim": "must be the checkpoint's, and is refused else",
    **dict.fromkeys(("batch", "device", "kernel"), RUNS),
    **dict.fromkeys(("tokenizer", "tokens", "match"), LANGUAGE),
    "data": Entry("yields.npz", "yields", "yields"),
    **dict.fromkeys(("out", "overwrite", "json"), FILES),
}
REST = ("known", "states", "influence", "causes", "loop", "map", "online", "spectral")
CLAIM: dict[str, Entry | str] = {
    "ckpt": Entry("h.pt", "of 4 blocks", "h"),
    "task": Entry("linear:x_scale=2", "", "task linear:x_scale=2"),
    "control": Entry(
        "h.pt", "undecided beyond one fixed function: at|fails beyond one fixed function: at", "one fixed"
    ),
    "context": Entry(3),
    "prompts": Entry(96),
    "score": Entry(80, "", "80"),
    "asked": Entry(40, "", "40"),
    "skip": Entry((*REST, "trend"), "It was left out by --skip."),
    "seed": Entry(7),
    "dim": "must be the checkpoint's, and is refused else",
    **dict.fromkeys(("batch", "device", "kernel"), RUNS),
    **dict.fromkeys(("out", "overwrite", "json"), FILES),
}
PLOT: dict[str, Entry | str] = {
    "records": Entry(("b.csv",)),
    "kind": Entry("heatmap"),
    "json": FILES,
    "depth": Entry("parameters"),
    "context": Entry(2),
    "target": Entry("w"),
    "out": FILES,
}
BESIDE: dict[tuple[str, str], dict[str, Any]] = {
    ("fit", "protocol"): {"head": ("calibrated",), "context": "12"},
    ("fit", "site"): {"head": ("linear",), "widest": 16},
    ("fit", "widest"): {"head": ("linear",), "widest": 16, "site": "state"},
    ("fit", "at"): {"head": ("linear",), "target": "w", "context": "2,5"},
    ("fit", "lengths"): {"lengths": "12", "site": "state", "widest": 8},
    ("fit", "data"): {"task": None, "data": "prices.npz"},
    ("fit", "streams"): {"ckpt": (), "task": None, "streams": "prices.safetensors"},
    ("evaluate", "data"): {"task": None, "data": "prices.npz"},
    ("compare", "data"): {"task": None, "data": "prices.npz"},
}
"""What an option must stand beside to decide anything."""


def claim_table(record: Record) -> list[Part]:
    lines = [f"{one['outcome']} {one['name']}: {one['seen']}" for one in record.provenance["criteria"]]
    return [record.provenance["verdict"], *lines]


@dataclass(frozen=True)
class Verb:
    """How a verb is run and told, small enough for a test."""

    config: Callable[[], Any]
    entries: dict[str, Entry | str]
    run: Callable[[Any], Record]
    table: Callable[[Record], list[Part]] | None = None

    def tell(self, record: Record) -> str:
        """Returns what is printed of a record."""
        table = self.table or SUMMARIES[record.provenance["kind"]].table
        return on_terminal(table(record))


SMALL = {"prompts": 64, "score": 32, "batch": 96}
VERBS = {
    "fit": Verb(lambda: FitConfig(ckpt=("m.pt",), task="linear", **SMALL), FIT, probe.fit),
    "evaluate": Verb(lambda: EvaluateConfig(ckpt=("m.pt",), task="linear", prompts=32), EVALUATE, probe.evaluate),
    "compare": Verb(
        lambda: CompareConfig(ckpt=("m.pt", "t.pt"), task="linear", **SMALL),
        COMPARE,
        probe.compare,
    ),
    "claim": Verb(
        lambda: ClaimConfig("g.pt", "linear", asked=32, skip=REST, **SMALL),
        CLAIM,
        probe.claim,
        claim_table,
    ),
}
CASES = [
    (verb, name) for verb, about in VERBS.items() for name, entry in about.entries.items() if isinstance(entry, Entry)
]


@cache
def ran(verb: str, config: Any) -> Record:
    return VERBS[verb].run(config)


def drawn(record: Record) -> tuple[str, str]:
    """Returns a picture's words, and all it shows: its words and where its lines and bands lie."""
    figure: Figure = KINDS[choose_kind([record])]([record], _view())
    figure.canvas.draw()
    words = " ".join(text.get_text() for text in figure.findobj(Text) if text.get_visible()).replace("\n", " ")
    lines = [np.asarray(line.get_xydata()).round(9).tolist() for line in figure.findobj(Line2D)]
    bands = [
        np.asarray(path.vertices).round(9).tolist()
        for band in figure.findobj(PolyCollection)
        for path in band.get_paths()
    ]
    return words, f"{words} {lines} {bands}"


def _view() -> Any:
    from probe.plots import View

    return View()


@pytest.mark.parametrize("verb", [*VERBS, "plot"])
def test_every_option_has_an_entry(verb: str) -> None:
    made, entries = (PlotConfig, PLOT) if verb == "plot" else (type(VERBS[verb].config()), VERBS[verb].entries)
    assert {field.name for field in fields(made)} == set(entries)


@pytest.mark.parametrize(("verb", "name"), CASES)
def test_an_option_reaches_record_table_and_picture(
    verb: str, name: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here)
    about, entry = VERBS[verb], VERBS[verb].entries[name]
    assert isinstance(entry, Entry)
    usual = replace(about.config(), **BESIDE.get((verb, name), {}))
    config = replace(usual, **{name: entry.value})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before, after = ran(verb, usual), ran(verb, config)
        (_, shown_before), (words, shown) = drawn(before), drawn(after)
    assert after.provenance["config"] == asdict(config)
    assert after.table.to_csv() != before.table.to_csv()
    assert about.tell(after) != about.tell(before)
    assert any(part in about.tell(after) for part in entry.table.split("|"))
    assert shown != shown_before
    assert entry.picture in words


def test_every_option_of_plot_changes_the_picture(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    config = VERBS["fit"].config()
    save(ran("fit", replace(config, target="w")), "a")
    save(ran("fit", replace(config, seed=7)), "b")
    arguments = {"records": ["a.csv"], "out": ["--out", "usual.png"]}
    assert main(["plot", *arguments["records"], *arguments["out"]]) == 0
    usual = (here / "usual.png").read_bytes()
    for name, entry in PLOT.items():
        if isinstance(entry, Entry):
            flags = [] if name == "records" else [f"--{name}", str(entry.value)]
            records = list(entry.value) if name == "records" else ["a.csv"]
            assert main(["plot", *records, *flags, "--out", "other.png"]) == 0
            assert (here / "other.png").read_bytes() != usual, name


METRICS = ("share of right answers", "share of legal letters", "total variation distance")


@pytest.mark.parametrize("verb", ["fit", "evaluate"])
def test_a_tasks_own_metrics_reach_record_table_and_picture(
    verb: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here)
    task = "regular_language:letters=6,states=4"
    rest = {"context": "5,12"} if verb == "fit" else {"context": 12}
    config = replace(VERBS[verb].config(), ckpt=("s.pt",), task=task, **rest)
    record = ran(verb, config)
    save(record, f"metrics-{verb}")
    record = load(f"metrics-{verb}.csv")
    own = record.table[record.table["head"] == "model"]
    for name in ("accuracy", "legal", "total_variation"):
        assert own[name].between(own[f"{name}_low"], own[f"{name}_high"]).all()
    assert own["accuracy"].to_numpy() == pytest.approx(1 - own["error"].to_numpy() * (1 - 1 / 7))
    words, _ = drawn(record)
    for name in METRICS:
        assert name in VERBS[verb].tell(record)
        assert name in words
    assert "1 = knowing nothing" in VERBS[verb].tell(record)
    assert "1 = knowing nothing" in words
    if verb == "fit":  # a linear head's answers are no logits
        linear = record.table[record.table["head"] == "linear"]
        assert linear["total_variation"].isna().all()
        assert linear["legal"].notna().all()


def test_a_claim_records_the_settings_that_it_chose(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    record = ran("claim", VERBS["claim"].config())
    chosen = record.provenance["chosen_settings"]["linear"]
    assert chosen["gd"].startswith("gd:steps=128,rate=")
    assert chosen["gd_per_block"].startswith("gd_per_block:rate=")
    rows = record.table[
        record.table["metric"].astype(str).str.startswith("chosen ") & record.table["head"].eq("linear")
    ]
    told = {(row.site, row.metric.removeprefix("chosen ")): row.value for row in rows.itertuples()}
    for (site, option), value in told.items():
        assert f"{option}={value:g}" in chosen[site]
    assert ("gd_plus_plus", "gamma") in told
    assert all("may lie beyond" in warning or "may come closer" in warning for warning in record.provenance["warnings"])
