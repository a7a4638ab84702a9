"""Claims: the rates of the verdict count what is right, what is wrong and what is open, and halves stay as they are."""

import csv
import math
from pathlib import Path

import pandas as pd
import pytest

from probe.models.planted import KNOWN

ROOT = Path(__file__).parent.parent


@pytest.fixture
def verdict(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "analyses"))
    return __import__("verdict")


def rows(*outcomes):
    return pd.DataFrame(
        [
            {"half": half, "criterion": "lens", "iterates": iterates, "outcome": outcome, "tested": tested}
            for half, iterates, outcome, tested in outcomes
        ]
    )


def test_the_worked_example(verdict):
    table = rows(
        ("choose", True, "holds", True),
        ("choose", True, "fails", True),
        ("report", True, "undecided", True),
        ("report", True, "holds", True),
        ("choose", False, "fails", True),
        ("choose", False, "holds", True),
        ("choose", False, "undecided", True),
        ("choose", False, "undecided", True),
        ("report", True, "undecided", False),
    )
    found = verdict.rates(table).set_index("half")
    both = found.loc["both"]
    assert (both["iterating"], both["sensitivity"], both["wrongly_fails"]) == (4, 0.5, 0.25)
    assert (both["impostors"], both["specificity"], both["wrongly_holds"]) == (4, 0.25, 0.25)
    assert found.loc["report", "sensitivity"] == 0.5
    assert found.loc["report", "impostors"] == 0
    assert math.isnan(found.loc["report", "specificity"])


def test_both_halves_hold_models_of_either_kind(verdict):
    counts = {
        (half, iterates): sum(
            verdict.half(name) == half and known.iterates == iterates for name, known in KNOWN.items()
        )
        for half in ("choose", "report")
        for iterates in (True, False)
    }
    assert min(counts.values()) >= 8
    assert (verdict.half("gradient"), verdict.half("open-loop")) == ("report", "choose")


def test_a_model_is_examined_and_its_outcomes_are_written(verdict, tmp_path, capsys):
    skip = ["matching", "nulls", "known", "states", "influence", "causes"]
    sizes = ["--prompts", "256", "--score", "64", "--asked", "32"]
    out = tmp_path / "found"
    verdict.main(["--only", "gradient-3-dimensions", "solve", "--skip", *skip, "--out", str(out), *sizes])
    told = list(csv.DictReader((tmp_path / "found.csv").read_text().splitlines()))
    outcome = {(row["model"], row["criterion"]): row["outcome"] for row in told if row["tested"] == "True"}
    assert outcome["gradient-3-dimensions", "gradual fall"] == "holds"
    assert outcome["solve", "gradual fall"] == outcome["solve", "verdict"] == "fails"
    assert outcome["gradient-3-dimensions", "verdict"] == "undecided", "what decides was left out"
    read = csv.DictReader((tmp_path / "found-rates.csv").read_text().splitlines())
    rates = {(row["half"], row["criterion"]): row for row in read}
    assert float(rates["both", "gradual fall"]["sensitivity"]) == 1.0
    assert float(rates["both", "gradual fall"]["specificity"]) == 1.0
    assert "sensitivity" in capsys.readouterr().out
