"""Every old public name works for one version: it says what it is called now, and returns what it returned."""

from __future__ import annotations

from pathlib import Path

import pytest

import probe
from probe.config import (
    CheckConfig,
    ClaimConfig,
    CompareConfig,
    ConvertConfig,
    EvaluateConfig,
    FitConfig,
    SweepConfig,
    TrainConfig,
)
from probe.deprecated import OLD
from probe.records import Record

SMALL = {"prompts": 64, "score": 32, "batch": 32}
SKIPPED = ("known", "states", "influence", "causes", "loop", "map", "online", "spectral", "trend", "matching", "nulls")


def old(name: str, *given: object, new: str, **named: object) -> object:
    """Calls an old name, which must warn with the new one."""
    assert name not in dir(probe)
    with pytest.warns(DeprecationWarning, match=rf"probe\.{name} is called probe\.{new} now"):
        return getattr(probe, name)(*given, **named)


def test_measuring(toys: Path) -> None:
    found = probe.load_checkpoint(str(toys / "m.pt"))
    config = FitConfig(ckpt=(str(toys / "m.pt"),), task="linear", **SMALL)
    record = old("fit_heads", config, new="fit")
    assert type(record) is Record
    assert record.table.equals(probe.fit(config).table)
    at_hand = old("fit_heads", FitConfig(ckpt=(), task="linear", **SMALL), models=[found], new="fit")
    assert at_hand.table.equals(record.table)
    evaluated = old(
        "evaluate_models", EvaluateConfig(ckpt=("x",), task="linear", prompts=32), "", None, [found], new="evaluate"
    )
    assert set(evaluated.table["model"]) == {"m"}
    pair = (str(toys / "m.pt"), str(toys / "t.pt"))
    compared = old("compare_models", CompareConfig(ckpt=pair, task="linear", **SMALL), new="compare")
    assert len(compared.provenance["verdict"]) == 4
    claimed = old("examine_claim", ClaimConfig(pair[0], "linear", asked=32, skip=SKIPPED, **SMALL), new="claim")
    assert type(claimed) is Record


def test_training_and_sweeping(tmp_path: Path) -> None:
    seen = []
    config = TrainConfig(str(tmp_path / "a.pt"), "linear", layout="F1", dim=2, width=8, context=3, steps=3)
    record = old("train_model", config, "probe train", seen.append, new="train")
    assert record.provenance["command"] == "probe train"
    assert (seen[-1].step, seen[-1].steps) == (3, 3)
    assert seen[-1].loss == pytest.approx(record.table["loss"].iloc[-1], rel=0.01)
    table = tmp_path / "t.csv"
    table.write_text("task,layout,dim,width,context,steps\nlinear,F1,2,8,3,3\n")
    swept = old("run_sweep", SweepConfig(str(table), str(tmp_path / "runs")), new="sweep")
    assert swept.table["outcome"].tolist() == ["done"]


def test_files_and_models(toys: Path, tmp_path: Path) -> None:
    assert all(one.held for one in old("check_checkpoint", CheckConfig(str(toys / "m.pt")), new="check"))
    done = old("convert_checkpoint", ConvertConfig(str(toys / "m.pt"), str(tmp_path / "b.pt")), new="convert")
    assert probe.load_checkpoint(str(done.path)).digest == done.digest
    found = probe.load_checkpoint(str(toys / "m.pt"))
    made = old("make_checkpoint", found.stream, "mine", "linear", context=4, new="from_model")
    assert made.name == "mine"


def test_every_old_name_is_tried() -> None:
    text = Path(__file__).read_text() + (Path(__file__).parent / "language" / "test_old_names.py").read_text()
    assert all(f'"{name}"' in text for name in OLD)
