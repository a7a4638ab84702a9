"""A record comes back as it was saved, whole or not at all, and a wrong file gets a sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pytest

from probe.errors import ProbeError
from probe.files import check_writable, write_atomically
from probe.records import (
    COLUMNS,
    TRAINING_COLUMNS,
    Record,
    load,
    record_paths,
    save,
    with_dtypes,
)


def fit_record() -> Record:
    """Returns two models with awkward numbers and names."""
    draw = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for model in ("mamba", "NA"):
        for layer in (0, 1, 2, None):
            error = float(draw.lognormal())
            row = {
                "model": model,
                "layer": layer,
                "depth": None if layer is None else layer / 2,
                "context": 7,
            }
            row |= {"target": "y", "head": "linear" if layer is not None else "chance", "mse": error * np.pi}
            row |= {
                "error": error,
                "low": np.nan,
                "high": error / 3,
                "prompts": 2048,
                "scale": 1e-300 * error,
            }
            rows.append(row)
    provenance = {"kind": "fit", "config": {"task": "linear"}, "models": {"mamba": {"blocks": 2}}}
    return Record(with_dtypes(pd.DataFrame(rows)), provenance)


def sentence(error: pytest.ExceptionInfo[ProbeError]) -> str:
    text = str(error.value)
    assert "\n" not in text and text.endswith(".") and len(text) < 600
    return text


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_record_comes_back_to_the_bit(tmp_path: Path) -> None:
    record = fit_record()
    assert save(record, tmp_path / "new" / "fit-v1.5") == record_paths(tmp_path / "new" / "fit-v1.5")
    for name in ("fit-v1.5", "fit-v1.5.csv", "fit-v1.5.json"):
        again = load(tmp_path / "new" / name)
        pd.testing.assert_frame_equal(again.table, record.table, check_exact=True)
        assert again.provenance == record.provenance
    assert files(tmp_path) == ["fit-v1.5.csv", "fit-v1.5.json"]


def test_the_csv_starts_with_the_agreed_columns_and_writes_layers_as_integers(tmp_path: Path) -> None:
    table = fit_record().table
    untyped = Record(table.astype({"layer": "float64"}), fit_record().provenance)
    csv, _ = save(untyped, tmp_path / "a")
    lines = csv.read_text().splitlines()
    assert lines[0].split(",")[: len(COLUMNS)] == COLUMNS
    assert lines[2].startswith("mamba,1,0.5,7,y,linear,")
    assert lines[4].startswith("mamba,,,7,y,chance,")
    assert str(load(csv).table["layer"].dtype) == "Int64"


def test_a_training_record_and_kinds_to_come_are_read(tmp_path: Path) -> None:
    row = dict.fromkeys(TRAINING_COLUMNS, 1.5) | {"model": "mamba", "step": 3, "dim": 5, "context": 10}
    training = Record(with_dtypes(pd.DataFrame([row, row | {"error": np.nan}])), {"kind": "train"})
    save(training, tmp_path / "train")
    pd.testing.assert_frame_equal(load(tmp_path / "train").table, training.table)
    other = pd.DataFrame({"site": ["a", "b"], "seed": [3, 2**60], "odd": [0.1, np.nan], "held": [True, False]})
    save(Record(other, {"kind": "kind-to-come"}), tmp_path / "c")
    pd.testing.assert_frame_equal(load(tmp_path / "c").table, other, check_exact=True)


def test_provenance_is_valid_json_whatever_it_held(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Config:
        rate: float = float("nan")
        clip: float = float("inf")

    held = {
        "kind": "fit",
        "config": Config(),
        "path": tmp_path,
        3: (np.float32(0.5), np.arange(2), pd.NA, None, True),
    }
    _, path = save(Record(fit_record().table, held), tmp_path / "a")  # type: ignore[arg-type]

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    found = json.loads(path.read_text(), parse_constant=refuse)
    assert found["config"] == {"rate": None, "clip": "inf"}
    assert found["3"] == [0.5, [0, 1], None, None, True]
    assert found["path"] == str(tmp_path)


def test_infinite_numbers_are_refused_on_both_ways(tmp_path: Path) -> None:
    record = fit_record()
    table = record.table.assign(error=np.inf)
    with pytest.raises(ProbeError) as error:
        save(Record(table, record.provenance), tmp_path / "a")
    assert "infinite error" in sentence(error) and files(tmp_path) == []
    csv, _ = save(record, tmp_path / "a")
    table.to_csv(csv, index=False)
    with pytest.raises(ProbeError) as error:
        load(csv)
    assert "infinite error" in sentence(error)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cannot be read"),
        (b"\x89PNG\r\n\x1a\n\x00\xff\xfe", "lacks|cannot be read"),
        (b"a,b\n1,2\n", "lacks model, layer, depth"),
        (",".join(COLUMNS).encode() + b"\nmamba,1.5,0,1,y,linear,0,0,0,0,1\n", "cannot be read"),
        (",".join(COLUMNS).encode() + b"\nmamba,1,0,1,y,linear,zero,0,0,0,1\n", "cannot be read"),
        (",".join(COLUMNS).encode() + b"\n,1,0,1,y,linear,0,0,0,0,1\n", "without a model"),
    ],
)
def test_a_table_that_is_none_gets_a_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    csv, _ = save(fit_record(), tmp_path / "a")
    csv.write_bytes(content)
    with pytest.raises(ProbeError, match=said) as error:
        load(csv)
    assert "a.csv" in sentence(error)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xff", b"[" * 100_000])
def test_provenance_that_is_none_gets_a_sentence(tmp_path: Path, content: bytes) -> None:
    csv, origin = save(fit_record(), tmp_path / "a")
    origin.write_bytes(content)
    with pytest.raises(ProbeError) as error:
        load(csv)
    assert "a.json" in sentence(error)


def test_a_missing_file_is_named_and_its_neighbour_suggested(tmp_path: Path) -> None:
    _, origin = save(fit_record(), tmp_path / "mamba")
    with pytest.raises(ProbeError) as error:
        load(tmp_path / "manba.csv")
    assert "Did you mean" in sentence(error) and "mamba.csv" in str(error.value)
    origin.unlink()
    with pytest.raises(ProbeError) as error:
        load(tmp_path / "mamba")
    assert "mamba.json" in sentence(error)


def test_a_write_that_fails_leaves_the_old_file_and_no_half(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def half(file: BinaryIO) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, half)
    assert path.read_bytes() == b"old" and files(tmp_path) == ["a.bin"]

    def full(file: BinaryIO) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(ProbeError, match="no space left on device") as error:
        write_atomically(path, full)
    assert sentence(error) and path.read_bytes() == b"old" and files(tmp_path) == ["a.bin"]


def test_csv_and_json_are_written_both_or_neither(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    with pytest.raises(ProbeError, match=r"a\.json is a folder"):
        save(fit_record(), tmp_path / "a")
    assert files(tmp_path) == []


def test_a_table_edited_by_hand_and_a_pair_of_two_runs_are_refused(tmp_path: Path) -> None:
    record = fit_record()
    csv, origin = save(record, tmp_path / "a")
    whole = csv.read_bytes()
    csv.write_bytes(whole.replace(b",2048,", b",4096,"))
    with pytest.raises(ProbeError, match="do not belong together") as error:
        load(csv)
    assert "a.csv" in sentence(error) and "a.json" in sentence(error)
    other, _ = save(Record(record.table.assign(mse=1.0), record.provenance), tmp_path / "b")
    csv.write_bytes(other.read_bytes())
    with pytest.raises(ProbeError, match="do not belong together"):
        load(origin)
    csv.write_bytes(whole)
    assert "table_sha256" not in load(csv).provenance


def test_a_record_of_before_there_were_digests_is_read(tmp_path: Path) -> None:
    csv, origin = save(fit_record(), tmp_path / "a")
    told = json.loads(origin.read_text())
    del told["table_sha256"]
    origin.write_text(json.dumps(told))
    csv.write_bytes(csv.read_bytes().replace(b",2048", b",4096"))
    assert set(load(csv).table["prompts"]) == {4096}


def test_a_pair_whose_exchange_was_killed_is_read_as_the_new_one(tmp_path: Path) -> None:
    save(fit_record(), tmp_path / "a")
    code = (
        "import os, sys; from probe.records import Record, load, save; moved = os.replace\n"
        "def killed(one, other):\n    moved(one, other)\n    str(other).endswith('.csv') and os._exit(9)\n"
        "record = load(sys.argv[1]); os.replace = killed\n"
        "save(Record(record.table.assign(prompts=4096), record.provenance), sys.argv[1])"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")], cwd=root).returncode == 9
    assert json.loads((tmp_path / "a.json").read_text())["table_sha256"]
    assert set(load(tmp_path / "a.json").table["prompts"]) == {4096}
    assert files(tmp_path) == ["a.csv", "a.json"]


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_atomically(tmp_path / "link", lambda file: file.write(b"new"))
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_bytes() == b"new"


def test_check_writable_refuses_what_a_write_would(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    hopeless = [
        tmp_path,
        tmp_path / "file" / "a.csv",
        tmp_path / "file" / "b" / "a.csv",
        tmp_path / ("n" * 300),
    ]
    for path in [*hopeless, Path("/dev/null"), Path("/proc/nowhere/a.csv"), tmp_path / "a\0b"]:
        for attempt in (check_writable, lambda path: write_atomically(path, lambda file: file.write(b""))):
            with pytest.raises(ProbeError) as error:
                attempt(path)
            sentence(error)
    assert files(tmp_path) == ["file"]


def test_check_writable_leaves_nothing_behind(tmp_path: Path) -> None:
    check_writable(tmp_path / "deep" / "er" / "a.csv")
    check_writable(str(tmp_path / "a.csv"))
    assert list(tmp_path.iterdir()) == []


def test_records_import_no_torch() -> None:
    code = "import probe.records, sys; assert not {'torch', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_no_cell_is_a_formula_and_every_text_comes_back(tmp_path: Path) -> None:
    names = ["=HYPERLINK()", "+1", "@a", "-b", "'=c", "\tx", "'", "-5", "plain"]
    table = pd.DataFrame({"model": names, "task": names, "value": [-1.5] * len(names)})
    csv, _ = save(Record(table, {"kind": "kind-to-come"}), tmp_path / "a")
    lines = csv.read_text().splitlines()
    assert lines[1] == "'=HYPERLINK(),'=HYPERLINK(),-1.5"
    assert not [line for line in lines if line.startswith(("=", "@", "\t"))]
    assert list(load(csv).table["task"]) == names
    assert list(load(csv).table["value"]) == [-1.5] * len(names)


def test_no_text_of_the_json_turns_the_writing_or_stops_it_from_being_written(tmp_path: Path) -> None:
    held = {"kind": "fit", "command": "probe \u202e \udcff \x9b é"}
    _, path = save(Record(fit_record().table, held), tmp_path / "a")
    assert not {"\u202e", "\x9b"} & set(path.read_text(encoding="utf-8"))
    found = json.loads(path.read_bytes())
    assert len(found.pop("table_sha256")) == 64
    assert found == held
