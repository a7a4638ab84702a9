"""Claims: a claim says each criterion as it is decided, as the record has it; and what a stopped one had decided."""

import json
from pathlib import Path

import pytest

import probe
from probe import checkpoints, records
from probe.cli import main
from probe.commands.claim import STAGES
from probe.evidence.course import HEADS
from probe.evidence.criteria import RULES
from probe.models.controls import planted_model
from probe.processes import StoppedError

FEW = ["--prompts", "256", "--score", "64", "--asked", "32"]
LEFT_OUT = ["known", "states", "influence", "causes", "map", "online", "spectral"]


def planted(folder: Path) -> str:
    path = folder / "gradient.pt"
    about = {"task": "linear", "arch": "gradient", "dim": 3, "context": 12, "seed": 0, "step": 0, "command": ""}
    checkpoints.save(path, planted_model("gradient", 3, 6), about)
    return str(path)


def given(path: str, *flags: str) -> list[str]:
    return ["claim", "--ckpt", path, "--task", "linear", *FEW, "--skip", *LEFT_OUT, "--out", path[:-3], *flags]


def said(errors: str) -> list[str]:
    return [line for line in errors.splitlines() if line.startswith("probe: gradient: ")]


def test_outcomes_are_said_as_they_are_decided_and_equal_the_record(tmp_path, capsys):
    """In the order in which evidence is gathered, each once, on stderr, without control characters."""
    path = planted(tmp_path)
    assert main(given(path)) == 0
    shown = capsys.readouterr()
    criteria = records.load(path[:-3]).provenance["criteria"]
    order = {rule.name: list(STAGES).index(rule.evidence) for rule in RULES}
    expected = [
        f"probe: gradient: {one['name']} {one['outcome'] if one['tested'] else 'not tested'}: {one['seen']}"
        for one in sorted(criteria, key=lambda one: order[one["name"]])
    ]
    assert said(shown.err) == expected
    assert "\x1b" not in shown.err
    assert not said(shown.out)


def test_quiet_says_nothing_on_the_way(tmp_path, capsys):
    assert main(given(planted(tmp_path), "--quiet", "--json")) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert json.loads(shown.out)["criteria"]


def test_a_claim_that_is_stopped_has_said_what_was_decided(tmp_path, capsys, monkeypatch):
    def stopped(study, missing):
        raise StoppedError("stopped")

    monkeypatch.setitem(STAGES, "nulls", stopped)
    path = planted(tmp_path)
    assert main(given(path)) == 130
    names = {rule.name for rule in RULES if rule.evidence in ("curve", "trend", "matching")}
    lines = said(capsys.readouterr().err)
    assert {name for name in names if any(line.startswith(f"probe: gradient: {name} ") for line in lines)} == names
    assert len(lines) == len(names)
    assert not list(tmp_path.glob("gradient.csv"))


def test_stages_are_reported_in_order_and_between_them_what_is_left_goes_on(tmp_path):
    """From Python: a report is called after every batch, too, and once something is over it has an estimate."""
    reports: list[tuple[str, int, int, float | None]] = []
    told: list[str] = []
    probe.claim(
        ckpt=planted(tmp_path),
        task="linear",
        prompts=256,
        score=64,
        asked=32,
        skip=LEFT_OUT,
        report=lambda text, done, total: reports.append((text, done, total, text.left)),  # type: ignore[attr-defined]
        decided=lambda model, criterion: told.append(criterion.name),
    )
    stages = list(dict.fromkeys(text for text, *_ in reports))
    assert stages == [HEADS, *STAGES]
    assert [done for _, done, *_ in reports] == sorted(done for _, done, *_ in reports)
    assert sum(text == "matching" for text, *_ in reports) > 1
    assert {left is None for text, _, _, left in reports if text == HEADS} == {True}
    assert all(left is not None and left >= 0 for text, _, _, left in reports if text != HEADS)
    assert sorted(told) == sorted(rule.name for rule in RULES)


@pytest.mark.parametrize("name", sorted({rule.evidence for rule in RULES}))
def test_every_criterion_is_judged_from_a_kind_of_evidence(name):
    assert name in STAGES
