"""Claims: the kept steps that are shipped are found by step, and what is said of them is what their records say."""

from pathlib import Path

import pytest

from probe import load_record

ROOT = Path(__file__).parent.parent
FIGURES = ROOT / "figures"


@pytest.fixture
def through(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "analyses"))
    return __import__("through")


@pytest.mark.parametrize("training", ["through-mamba", "through-transformer"])
def test_kept_steps_are_found_in_their_order(through, training):
    steps = [int(path.removesuffix(".pt").rpartition("-")[2]) for path in through.steps_of(training)]
    assert steps == sorted(steps) and (steps[0], steps[-1]) == (0, 1200)
    chosen = through.steps_of(training, (0, 400))
    assert [path.rpartition("-step-")[2] for path in chosen] == ["000000.pt", "000400.pt"]


def test_a_layer_begins_at_the_first_kept_step_below_the_threshold(through):
    """Found anew, row by row; a layer that never does has none."""
    record = load_record(FIGURES / "through-layers")
    found = through.begun(record, "linear", 0.5)
    first: dict[tuple[int, str], int] = {}
    for row in record.table[record.table["head"] == "linear"].itertuples():
        training, _, step = row.model.rpartition("-step-")
        if row.error <= 0.5:
            place = (int(row.layer), training)
            first[place] = min(int(step), first.get(place, int(step)))
    assert {place: int(step) for place, step in found.stack().dropna().items()} == first
    assert 0 not in found.index


@pytest.mark.parametrize("training", ["mamba", "transformer"])
def test_the_highest_rung_is_the_last_up_to_which_all_hold(through, training):
    record = load_record(FIGURES / f"through-claim-{training}")
    outcomes = through.outcomes(record)
    for name, verdict in record.provenance["verdicts"].items():
        column = outcomes[record.provenance["models"][name]["step"]]
        reached = ""
        for rung in through.SHOWN:
            if column[rung] != "holds":
                break
            reached = rung
        assert verdict["rung"] == reached
