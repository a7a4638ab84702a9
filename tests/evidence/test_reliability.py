"""Claims: the rates beside a verdict are those of the models kept aside from its thresholds, and its table has them."""

import csv
from pathlib import Path

import pandas as pd

from probe import Record
from probe.evidence.criteria import RULES
from probe.evidence.reliability import reliability
from probe.records import EVIDENCE_COLUMNS
from probe.records.summary import claim_table
from probe.records.tables import on_terminal

SHIPPED = Path(__file__).parents[2] / "probe" / "evidence" / "reliability.csv"


def test_the_verdict_and_every_rung_it_needs_have_their_rates():
    found = {one.criterion: one for one in reliability()}
    assert "verdict" in found
    assert found.keys() >= {rule.name for rule in RULES if rule.rung in ("used", "closed loop")}
    for one in found.values():
        assert 0 <= one.sensitivity + one.wrongly_fails <= 1 + 1e-9
        assert 0 <= one.specificity + one.wrongly_holds <= 1 + 1e-9


def test_they_are_those_of_the_half_that_was_kept_aside():
    rows = list(csv.DictReader(SHIPPED.read_text().splitlines()))
    (kept,) = [row for row in rows if (row["half"], row["criterion"]) == ("report", "verdict")]
    (chosen,) = [row for row in rows if (row["half"], row["criterion"]) == ("choose", "verdict")]
    (found,) = [one for one in reliability() if one.criterion == "verdict"]
    assert (found.iterating, found.impostors) == (int(kept["iterating"]), int(kept["impostors"]))
    assert (found.iterating, found.impostors) != (int(chosen["iterating"]), int(chosen["impostors"]))


def test_a_table_says_how_often_its_verdict_errs_where_the_record_does():
    told = {"verdict": "Undecided.", "criteria": [], "warnings": [], "kind": "claim"}
    errs = [
        {"criterion": "verdict", "iterating": 20, "sensitivity": 0.8, "wrongly_fails": 0.05}
        | {"impostors": 10, "specificity": 0.9, "wrongly_holds": 0.1}
    ]
    nothing = pd.DataFrame(columns=EVIDENCE_COLUMNS)
    assert "models of known answer" not in on_terminal(claim_table(Record(nothing, told)))
    table = on_terminal(claim_table(Record(nothing, told | {"errs": errs})))
    assert "supports 80% and rejects 5% of 20 that iterate, and supports 10% and rejects 90% of 10" in table
