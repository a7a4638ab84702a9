"""Claims: what a record's JSON says is of the kinds that pictures and tables need, or is refused in a sentence."""

import json
import re
from pathlib import Path

import pytest

from probe import records
from probe.cli import main
from probe.errors import ProbeError

FIGURES = Path(__file__).parents[2] / "figures"


def test_every_shipped_record_is_read():
    shipped = sorted(FIGURES.glob("*.csv"))
    assert shipped
    for path in shipped:
        records.load(path)


def test_no_shipped_record_names_a_folder_of_the_machine_that_wrote_it():
    absolute = re.compile(r"""(?:"|\s|=)/(?:home|root|tmp|work|Users)/""")
    assert {path.name for path in FIGURES.glob("*.json") if absolute.search(path.read_text(encoding="utf-8"))} == set()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"models": ["mamba"]}, "models in another form"),
        ({"models": {"mamba": 3}}, "models.mamba in another form"),
        ({"models": {"mamba": {"cumulative_flops": "many"}}}, "models.mamba.cumulative_flops"),
        ({"models": {"mamba": {"cumulative_flops": [1, "x"]}}}, "something else than numbers"),
        ({"models": {"mamba": {"blocks": True}}}, "a number was needed"),
        ({"kind": 7}, "kind in another form"),
        ({"verdict": {"a": 1}}, "verdict in another form"),
        ({"criteria": ["one"]}, "criteria.0 in another form"),
        ({"criteria": [{"name": "curve"}]}, "lacks criteria.0.question"),
        ({"criteria": None}, "lacks criteria, which a record of probe claim has"),
        ({"notes": [{}]}, "something else than texts"),
    ],
)
def test_a_record_of_another_form_is_refused(tmp_path, change, sentence):
    for ending in (".csv", ".json"):
        (tmp_path / f"r{ending}").write_bytes((FIGURES / f"claim-mamba{ending}").read_bytes())
    told = json.loads((tmp_path / "r.json").read_text())
    (tmp_path / "r.json").write_text(json.dumps(told | change))
    with pytest.raises(ProbeError) as raised:
        records.load(tmp_path / "r.csv")
    assert sentence in str(raised.value)
    assert main(["plot", str(tmp_path / "r.csv"), "--out", str(tmp_path / "z.png")]) == 2


def test_json_without_end_or_bottom_is_refused(tmp_path):
    (tmp_path / "r.csv").write_text("model,layer\n")
    (tmp_path / "r.json").write_text("[" * 100_000)
    with pytest.raises(ProbeError, match="cannot be read as JSON"):
        records.load(tmp_path / "r.csv")
