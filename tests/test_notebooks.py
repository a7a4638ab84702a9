"""Claims: every notebook runs from a clean clone with the small budget, and leaves its pictures and their records.

Notebooks are thin: short cells, imports of probe and of the scripts beside them, no outputs kept; their pictures stand
in figures/. The published tables hold what the papers' own laws and figures say, and corrections are what makes these
figures agree with one another.
"""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
ANALYSES = ROOT / "analyses"
NOTEBOOKS = sorted(ANALYSES.glob("*.ipynb"))
ALLOWED = {
    *("probe", "pandas", "matplotlib", "pathlib", "os"),
    *("beliefs", "budget", "curves", "diversity", "park", "park_table", "published", "thresholds", "through"),
    *("tracking", "verdict", "verdict_picture"),
}
WITHOUT_RECORDS = {"grazzi_language", "verdict"}
"""Notebooks that draw numbers that were published or are at hand in the repository, and measure nothing themselves."""

sys.path.insert(0, str(ANALYSES))
import published  # noqa: E402
import run  # noqa: E402

names = [path.stem for path in NOTEBOOKS]


def pictures(notebook: Path) -> set[str]:
    """The pictures that a notebook shows."""
    text = json.loads(notebook.read_text(encoding="utf-8"))
    shown = "".join("".join(cell["source"]) for cell in text["cells"] if cell["cell_type"] == "markdown")
    return set(re.findall(r"!\[[^]]*\]\(\.\./figures/([^)]+)\.png\)", shown))


def test_there_is_a_notebook_for_every_group_of_figures() -> None:
    assert {"grazzi_layers", "grazzi_regression", "grazzi_language"} <= set(names)
    assert {"park_regression", "park_recall", "park_hybrids", "park_language", "park_table"} <= set(names)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=names)
def test_a_notebook_runs_and_leaves_its_records_and_pictures(notebook: Path, tmp_path: Path) -> None:
    settings = {"PROBE_BUDGET": "small", "PROBE_FIGURES": str(tmp_path), "OMP_NUM_THREADS": "1"}
    python_path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, str(ANALYSES / "run.py"), notebook.name],
        env=os.environ | settings | {"PYTHONPATH": python_path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert pictures(notebook)
    assert {path.stem for path in tmp_path.glob("*.png")} == pictures(notebook)
    records = {path.stem for path in tmp_path.glob("*.csv")}
    assert records == {path.stem for path in tmp_path.glob("*.json")}
    assert bool(records) == (notebook.stem not in WITHOUT_RECORDS)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=names)
def test_a_notebook_is_thin_and_keeps_no_output(notebook: Path) -> None:
    for number, cell in enumerate(run.cells(notebook), start=1):
        assert len(cell.splitlines()) <= 60, f"code cell {number} of {notebook.name}"
        for node in ast.walk(ast.parse(cell)):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert {module.split(".")[0] for module in modules} <= ALLOWED
    read = json.loads(notebook.read_text(encoding="utf-8"))
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in read["cells"])


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=names)
def test_the_pictures_a_notebook_shows_stand_in_figures(notebook: Path) -> None:
    assert {name for name in pictures(notebook) if not (ROOT / "figures" / f"{name}.png").is_file()} == set()


def test_a_notebook_is_valid() -> None:
    nbformat = pytest.importorskip("nbformat", reason="needs layerprobe[notebooks]")
    for notebook in NOTEBOOKS:
        nbformat.validate(nbformat.read(notebook, as_version=4))


def drawn() -> dict[str, dict[str, set[str]]]:
    """The series of every panel of the pictures in figures/, by their source, as the pictures themselves hold them."""
    found: dict[str, dict[str, set[str]]] = {}
    for picture in sorted({name for notebook in NOTEBOOKS for name in pictures(notebook)}):
        with Image.open(ROOT / "figures" / f"{picture}.png") as image:
            panels = json.loads(image.text.get("Description", "{}"))
        for panel, curves in panels.items():
            for series, source in curves:
                found.setdefault(panel, {}).setdefault(source, set()).add(series)
    return found


def test_every_published_panel_is_drawn() -> None:
    panels = {name for name, sources in drawn().items() if "published" in sources}
    tables = [published.layers(["3a", "3b", "3c", "3d", "4a", "4b"]), published.gamma(), published.demonstrations()]
    known = {panel for table in tables for panel in table["panel"]}
    for name in ("grazzi-contexts.csv", "grazzi-layers.csv"):
        known |= set(pd.read_csv(published.FOLDER / name, dtype={"panel": str})["panel"])
    without = {re.sub(r"(scale|shift)$", "", panel) for panel in panels}
    assert known <= without


def test_every_published_curve_has_one_of_ours_beside_it_or_a_reason() -> None:
    lacking = {
        (panel, series)
        for panel, sources in drawn().items()
        for series in sources.get("published", set()) - sources.get("measured", set())
    }
    assert lacking == set(published.WITHOUT_OURS)


def test_published_tables_are_small_and_complete() -> None:
    files = list((ANALYSES / "published").glob("*"))
    assert sum(path.stat().st_size for path in files) < 400_000
    assert len(published.contexts(["1a"])["series"].unique()) == 4
    assert not published.contexts(["1a", "2b", "8", "9d", "10c"])["value"].isna().any()


def test_figure_1a_is_a_test_on_isotropic_inputs() -> None:
    squares = published.contexts(["1a"], ["least squares"])
    early = squares[squares["x"] <= 0.9]
    assert np.abs(early["value"] - (1 - early["x"])).mean() < 0.04


def test_figures_3d_and_11_agree_once_the_second_division_is_undone() -> None:
    curves = published.layers(["3d"])
    last = curves[(curves["series"] == "GD++") & (curves["x"] == 1.0)].set_index("source")["value"]
    gamma = published.gamma()
    chosen = np.interp(1.94e-4, gamma["x"], gamma["value"])
    assert last["published"] == pytest.approx(chosen, rel=0.06)
    assert last["misprinted"] < chosen / 15
    first = curves[(curves["series"] == "GD") & (curves["source"] == "published")].nsmallest(1, "x")
    assert first["value"].item() == pytest.approx(1.0, abs=0.15)  # w = 0 errs as much as predicting zero


def test_errors_are_in_units_of_predicting_zero() -> None:
    for panel in ("1a", "1d", "1e", "2a", "2b", "2c", "8", "9a"):
        curves = published.contexts([panel], ["Mamba", "Transformer"])
        assert curves[curves["x"] == 0]["value"].mean() == pytest.approx(1.0, abs=0.12), panel


def test_figure_7_averages_over_the_same_tasks_throughout() -> None:
    curves = published.demonstrations()
    mamba = curves[curves["series"] == "Mamba 0.37B"].pivot(index="x", columns="source", values="value")
    assert mamba["misprinted"].round(3).loc[[1, 16, 256]].tolist() == [0.488, 0.783, 0.892]
    assert mamba["published"].round(3).loc[[1, 16, 256]].tolist() == [0.519, 0.841, 0.892]


def test_nine_tasks_ran_with_every_number_of_demonstrations() -> None:
    lasting = published.lasting_tasks()
    assert len(lasting) == 9
    assert {"es_en", "list_last", "location_religion"} < set(lasting)
    assert not {"antonyms", "to_upper", "next_letter"} & set(lasting)


def test_table_1_has_every_task_and_model() -> None:
    table = published.table_1()
    assert table.groupby("model")["task"].nunique().eq(18).all()
    assert isinstance(table, pd.DataFrame) and table["model"].nunique() == 17
