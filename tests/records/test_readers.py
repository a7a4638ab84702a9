"""Claims: whatever becomes of a record, a sweep's table, an index or a training's state, it is read or refused.

Beside the readers of models in test_readers.py, and as often: PROBE_MUTANTS=3000 asks for more.
"""

import contextlib
import io
import json
from pathlib import Path

import pytest
from fuzzing import sound, written
from garbling import spoil_archive, spoil_bytes, spoil_json, spoil_tensors

from probe.cli import main
from probe.commands.sweep import read_table
from probe.errors import ProbeError
from probe.training import state

FIGURES = Path(__file__).parents[2] / "figures"
RECORDS = {
    "fit": "fit-mamba-transformer-linear",
    "evaluate": "evaluate-skewed_linear-500",
    "compare": "compare-seeds",
    "claim": "claim-transformer",
}


def obey(*words):
    """Runs a command; the user's mistake is raised as the sentence that was printed."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = main([*map(str, words), "--quiet"])
    if code == 2:
        raise ProbeError(said.getvalue().strip().removeprefix("probe: "))
    assert code == 0, said.getvalue()


@pytest.mark.parametrize("kind", RECORDS)
def test_records(tmp_path, kind):
    told = json.loads((FIGURES / f"{RECORDS[kind]}.json").read_text())
    told.pop("table_sha256", None)  # or every change of the table would be refused by its digest alone
    table = (FIGURES / f"{RECORDS[kind]}.csv").read_bytes().splitlines(keepends=True)
    files = {"r.csv": b"".join(table[:400]), "r.json": json.dumps(told).encode()}
    spoils = {
        "json": spoil_json("r.json"),
        "json bytes": spoil_bytes("r.json"),
        "csv": spoil_bytes("r.csv"),
        "head": spoil_bytes("r.csv", 200),
    }
    make = written(files)
    sound(make, spoils, lambda folder: obey("plot", folder / "r.csv", "--out", tmp_path / "p.png"), tmp_path, few=0)


def test_sweep_tables(tmp_path):
    text = (
        b"layout,task,dim,width,context,steps,batch,seed,lr\nM2,linear,2,8,3,5,4,0|1,1e-3\n(AF)1,linear,2,8,3,5,4,,\n"
    )
    spoils = {"bytes": spoil_bytes("t.csv"), "head": spoil_bytes("t.csv", 40)}
    sound(written({"t.csv": text}), spoils, lambda folder: read_table(str(folder / "t.csv")), tmp_path)


def test_indexes_of_checkpoints(tmp_path, monkeypatch):
    text = (FIGURES.parent / "checkpoints" / "index.toml").read_bytes()[:6000].rpartition(b"\n\n")[0]
    monkeypatch.setenv("PROBE_CHECKPOINTS", str(tmp_path / "named"))
    (tmp_path / "named").mkdir()
    (tmp_path / "named" / "control-gather.pt").write_bytes(b"")

    def read(folder):
        (tmp_path / "named" / "index.toml").write_bytes((folder / "index.toml").read_bytes())
        obey("list", "checkpoints")

    # what an index says is left out where it cannot be read: the files are there without it
    sound(written({"index.toml": text}), {"bytes": spoil_bytes("index.toml")}, read, tmp_path, few=0)


def test_states(tmp_path):
    obey(
        *"train --layout M1 --task linear --dim 2 --width 8 --context 3 --steps 4 --batch 4 --out".split(),
        tmp_path / "a.pt",
    )
    data = (tmp_path / "a.pt.state").read_bytes()
    spoils = {
        "bytes": spoil_bytes("a.state"),
        "pickle": spoil_archive("a.state"),
        "tensors": spoil_tensors("a.state", "tensors"),
    }
    sound(written({"a.state": data}), spoils, lambda folder: state.load(folder / "a.state"), tmp_path)
