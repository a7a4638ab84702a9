"""Claims: rates are tried on one grid, beyond its edge while the best is there, and the table says where."""

import sys
import tomllib
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "analyses"))
import rates


def tried_by(law) -> dict[float, float]:
    """The errors of all rates that are tried where a rate's error follows a law."""
    errors: dict[float, float] = {}
    while (rate := rates.following(errors)) is not None:
        errors[rate] = law(rate)
    return errors


def test_the_grid_suffices_where_the_best_lies_within():
    assert sorted(tried_by(lambda rate: abs(rate - 2e-3))) == [1e-3, 2e-3, 4e-3]


@pytest.mark.parametrize(("best", "last"), [(8e-3, 1.6e-2), (1e-1, 3.2e-2), (5e-4, 2.5e-4), (0.0, 1.25e-4)], ids=str)
def test_one_rate_beyond_the_best_is_tried_unless_it_is_too_far(best, last):
    errors = tried_by(lambda rate: abs(rate - best))
    assert (max if best > 1e-3 else min)(errors) == pytest.approx(last)
    assert {1e-3, 2e-3, 4e-3} <= set(errors)


def test_a_rate_that_diverged_is_never_the_best():
    errors = tried_by(lambda rate: rates.DIVERGED if rate > 3e-3 else rate)
    assert min(errors, key=lambda rate: errors[rate]) == pytest.approx(1.25e-4)
    assert max(errors) == 4e-3


def test_the_table_marks_the_best_and_whether_it_lies_at_an_edge(tmp_path, monkeypatch):
    monkeypatch.setattr(rates, "FILE", tmp_path / "rates.csv")
    for architecture, found in {"mamba": (0.3, 0.2, 0.4), "s4": (0.3, 0.2, 0.1)}.items():
        for rate, error in zip(rates.GRID, found, strict=True):
            rates.add(("skewed", architecture, rate, 800, 0, error))
    title = rates.GROUPS["skewed"].title
    shipped = {"task": "skewed_linear", "dim": 5, "context": 15, "arch": "s4", "positions": "none"}
    index = {"a": shipped | {"rate": 0.004}, "b": shipped | {"rate": 0.008}, "c": shipped | {"rate": 0.1, "dim": 20}}
    assert f"| {title} | mamba | 0.300 | **0.200** | 0.400 |  |" in rates.markdown(index)
    assert f"| {title} | s4 | 0.300 | 0.200 | **0.100** (edge) | 0.004, 0.008 |" in rates.markdown(index)


def test_the_page_has_the_table_of_the_runs(monkeypatch):
    monkeypatch.chdir(Path(__file__).parent.parent)
    index = tomllib.loads(rates.INDEX.read_text(encoding="utf-8"))
    assert rates.markdown(index) in rates.PAGE.read_text(encoding="utf-8")
