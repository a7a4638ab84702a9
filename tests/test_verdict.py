"""Claims: the rates of the verdict count what is right, what is wrong and what is open, and halves stay as they are."""

import csv
import math
from pathlib import Path

import pandas as pd
import pytest

from probe.evidence.criteria import RULES, loop
from probe.evidence.verdict import judge
from probe.models.planted import KNOWN

ROOT = Path(__file__).parent.parent


@pytest.fixture
def thresholds(verdict):
    return __import__("thresholds")


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
    assert min(counts.values()) >= 15
    assert (verdict.half("gradient"), verdict.half("open-loop")) == ("report", "choose")


def test_a_model_is_examined_and_its_outcomes_are_written(verdict, tmp_path, capsys):
    skip = ["matching", "nulls", "known", "states", "influence", "causes", "map", "online"]
    sizes = ["--prompts", "256", "--score", "64", "--asked", "32"]
    out = tmp_path / "found"
    verdict.main(["--only", "gradient-3-dimensions", "solve", "--skip", *skip, "--out", str(out), *sizes])
    told = list(csv.DictReader((tmp_path / "found.csv").read_text().splitlines()))
    assert {(row["prompts"], row["score"]) for row in told} == {("256", "64")}
    outcome = {(row["model"], row["criterion"]): row["outcome"] for row in told if row["tested"] == "True"}
    assert outcome["gradient-3-dimensions", "gradual fall"] == "holds"
    assert outcome["solve", "gradual fall"] == outcome["solve", "verdict"] == "fails"
    assert outcome["gradient-3-dimensions", "verdict"] == "undecided", "what decides was left out"
    read = csv.DictReader((tmp_path / "found-rates.csv").read_text().splitlines())
    rates = {(row["half"], row["criterion"]): row for row in read}
    assert float(rates["both", "gradual fall"]["sensitivity"]) == 1.0
    assert float(rates["both", "gradual fall"]["specificity"]) == 1.0
    assert "sensitivity" in capsys.readouterr().out
    numbers = pd.read_csv(tmp_path / "found-rows.csv")
    for name, part in numbers.groupby("model"):
        again = judge(verdict.plain(part), {})
        assert {one.name: one.outcome for one in again.criteria if one.tested} == {
            criterion: found for (model, criterion), found in outcome.items() if model == name and criterion in DECIDING
        }
    assert set(numbers["metric"]) >= {"step", "kept", "carry", "taken back"}
    verdict.main(["--only", "gradient-3-dimensions", "solve", "--resume", "--out", str(out)])
    assert list(csv.DictReader((tmp_path / "found.csv").read_text().splitlines())) == told, "nothing was measured again"


def test_the_picture_says_on_how_many_prompts_the_shipped_models_were_measured(verdict):
    import verdict_picture
    from thresholds import THRESHOLDS, swept

    measured = pd.read_csv(ROOT / "analyses" / "known" / "verdict.csv")
    assert set(measured["score"]) == {256}
    used = swept(pd.read_csv(ROOT / "analyses" / "known" / "verdict-rows.csv"), THRESHOLDS[:1])
    used = used[(used["criterion"] == "verdict") & (used["half"] == "both")]
    for score, said in (([256, 256], "; 256 prompts;"), ([1024], "; 1,024 prompts;")):
        drawn = verdict_picture.picture(verdict.rates(measured), used, score)
        assert said in " ".join(drawn.get_suptitle().split())


DECIDING = {rule.name for rule in RULES if rule.rung != "shown"}


def test_two_models_at_a_time_are_found_as_one_at_a_time(verdict):
    sizes = {"prompts": 64, "score": 32, "asked": 32, "skip": ("nulls", "matching", "known", "states", "influence")}
    sizes["skip"] += ("causes", "loop", "spectral", "map", "online")
    names = ["gradient-3-dimensions", "open-loop-3-dimensions"]
    both, each = (dict(verdict.examined(names, sizes, processes)) for processes in (2, 1))
    assert {name: both[name].outcomes for name in names} == {name: each[name].outcomes for name in names}
    assert {name: both[name].judged for name in names} == {name: each[name].judged for name in names}


def test_every_threshold_is_one_that_its_criterion_compares_with(thresholds):
    assert {one.criterion for one in thresholds.THRESHOLDS} <= DECIDING
    for threshold in thresholds.THRESHOLDS:
        assert threshold.used in threshold.values, "the value in use is among those that are tried"
        with threshold.at(-7.0):
            assert threshold.used == -7.0
        assert threshold.used != -7.0


def kept(model, left):
    """Returns rows of a loop that leaves so much of what was exchanged, at four layers."""
    row = {"model": model, "evidence": "loop", "site": "exchanged at query", "head": None, "step": None, "context": 15}
    return [
        row | {"layer": layer, "other_layer": other, "metric": metric, "value": value, "low": value, "high": value}
        for layer in range(1, 5)
        for metric, other, value in (
            ("kept", None, left),
            ("carry", layer + 1, 0.5),
            ("taken back", layer + 1, 0.3),
            ("response", None, 0.5),
        )
    ]


def test_a_stricter_threshold_rejects_what_a_looser_one_lets_through(thresholds, monkeypatch):
    monkeypatch.setattr(thresholds, "half", {"gradient": "choose", "solve": "choose", "newton": "report"}.get)
    numbers = pd.DataFrame([*kept("gradient", 0.4), *kept("newton", 0.4), *kept("solve", 0.8)])
    closed = thresholds.Threshold("closed loop", "loop", "KEPT", (0.3, 0.6, 0.9))
    table = thresholds.swept(numbers, [closed])
    assert loop.KEPT == 0.9, "the threshold is as it was"
    found = table[(table["criterion"] == "closed loop") & (table["half"] == "choose")].set_index("value")
    assert found["sensitivity"].to_dict() == {0.3: 0.0, 0.6: 1.0, 0.9: 1.0}
    assert found["specificity"].to_dict() == {0.3: 1.0, 0.6: 1.0, 0.9: 0.0}
    assert found["used"].to_dict() == {0.3: False, 0.6: False, 0.9: True}


def test_a_threshold_is_chosen_on_one_half_and_reported_on_the_other(thresholds):
    row = {"of": "closed loop", "threshold": "KEPT", "criterion": "verdict", "wrongly_fails": 0.0, "wrongly_holds": 0.0}
    rows = [
        row | {"half": half, "value": value, "used": value == 0.9, "sensitivity": yes, "specificity": no}
        for half, value, yes, no in (
            ("choose", 0.5, 0.8, 1.0),
            ("choose", 0.7, 0.8, 1.0),
            ("choose", 0.9, 0.9, 0.5),
            ("report", 0.5, 0.1, 0.1),
            ("report", 0.7, 0.6, 0.7),
            ("report", 0.9, 1.0, 1.0),
        )
    ]
    (found,) = thresholds.chosen(pd.DataFrame(rows)).to_dict("records")
    assert (found["used"], found["chosen"]) == (0.9, 0.7), "of those that suit alike, the nearest to the one in use"
    assert (found["sensitivity"], found["specificity"]) == (0.6, 0.7)


def test_trained_models_are_of_either_kind_and_say_why_and_fresh_weights_are_the_same_again(verdict):
    from known_trained import TRAINED, checkpoint

    assert {one.iterates for one in TRAINED.values()} == {True, False}
    assert len({one.says for one in TRAINED.values()}) == len(TRAINED)
    assert not set(TRAINED) & set(KNOWN)
    fresh = [checkpoint("mamba-untrained").model.read_in.weight for _ in range(2)]
    assert (fresh[0] == fresh[1]).all()
    shipped = [name for name, one in TRAINED.items() if one.untrained is None]
    assert [name for name in shipped if not (ROOT / "checkpoints" / f"{name}.pt").is_file()] == []
