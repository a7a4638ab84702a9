"""Claims: every kind of file gives the same numbers, and pickles and damaged files are refused in a sentence."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from probe.cli import main
from probe.data import read
from probe.errors import ProbeError


@pytest.fixture(scope="module")
def fields() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((200, 3, 2)).astype(np.float32)
    return {"inputs": inputs, "targets.z": inputs[:, 0], "groups": np.arange(200) // 2}


def written(folder: Path, fields: dict[str, np.ndarray], kind: str) -> Path:
    """Writes the fields as one kind of file."""
    path = folder / f"d{kind}"
    if kind == ".npz":
        np.savez_compressed(path, **fields)
    elif kind == ".safetensors":
        save_file({name: np.ascontiguousarray(one) for name, one in fields.items()}, path)
    elif kind == ".parquet":
        arrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(arrow.table({name: one.tolist() for name, one in fields.items()}), path)
    else:
        path.mkdir()
        for name, one in fields.items():
            np.save(path / f"{name}.npy", one)
    return path


@pytest.mark.parametrize("kind", [".npz", ".safetensors", ".parquet", "folder"])
def test_files_of_every_kind_hold_the_rows(tmp_path: Path, fields, kind):
    task = read(written(tmp_path, fields, kind)).task()
    rows = task.survey.rows["score"]
    prompts = task.prompts("score", list(range(len(rows))))
    assert prompts.inputs.numpy() == pytest.approx(fields["inputs"][rows])
    assert prompts.targets[:, 1].numpy() == pytest.approx(fields["targets.z"][rows])
    assert task.units("score", range(len(rows))) == fields["groups"][rows].tolist()


class Trap:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("kind", ["npz", "npy", "pickle as npy", "pt", "pkl"])
def test_no_pickle_is_ever_read(tmp_path: Path, toys: Path, capsys, kind):
    mark = tmp_path / "mark"
    trap = np.array([Trap(mark)], dtype=object)
    path = tmp_path / "d.npz"
    if kind == "npz":
        np.savez(path, inputs=trap)
    elif kind in ("npy", "pickle as npy"):
        path = tmp_path / "folder"
        path.mkdir()
        if kind == "npy":
            np.save(path / "inputs.npy", trap)
        else:
            (path / "inputs.npy").write_bytes(pickle.dumps(Trap(mark)))
    else:
        path = tmp_path / f"d.{kind}"
        path.write_bytes(pickle.dumps(Trap(mark)))
    for flag in ("--data", "--streams"):
        if flag == "--streams" and kind == "npz":
            continue
        model = ["--ckpt", str(toys / "m.pt")] if flag == "--data" else []
        assert main(["fit", *model, flag, str(path), "--out", str(tmp_path / "r")]) == 2
        assert "pickles are never read" in capsys.readouterr().err
    assert not mark.exists()


@pytest.mark.parametrize("kind", [".npz", ".safetensors", ".parquet", ".npy"])
def test_a_damaged_file_is_refused_in_a_sentence(tmp_path: Path, fields, kind):
    path = written(tmp_path, fields, "folder" if kind == ".npy" else kind)
    file = path / "inputs.npy" if kind == ".npy" else path
    file.write_bytes(file.read_bytes()[: len(file.read_bytes()) // 2])
    with pytest.raises(ProbeError, match="cannot be read"):
        read(path).task()


def test_an_archive_that_says_that_it_is_larger_than_it_is_is_refused(tmp_path: Path):
    """Before any room is made for it."""
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as packed:
        head = b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 1000), }"
        packed.writestr("inputs.npy", head + b" " * (10 + 118 - len(head) - 1) + b"\n")
    with pytest.raises(ProbeError, match="larger than it is"):
        read(tmp_path / "d.npz")


@pytest.mark.parametrize("name", ["d.csv", "nothing.npz"])
def test_other_files_and_none_are_refused(tmp_path: Path, name):
    (tmp_path / "d.csv").write_text("a,b")
    with pytest.raises(ProbeError, match=r"data are|no data"):
        read(tmp_path / name)


def test_a_field_of_another_name_is_refused_with_what_was_meant(tmp_path: Path):
    np.savez(tmp_path / "d.npz", inputs=np.ones((2, 2)), target=np.ones(2))
    with pytest.raises(ProbeError, match="Did you mean targets"):
        read(tmp_path / "d.npz")


def test_one_field_by_two_names_is_refused(tmp_path: Path):
    np.savez(tmp_path / "d.npz", **{"inputs": np.ones((2, 2)), "targets": np.ones(2), "targets.y": np.zeros(2)})
    with pytest.raises(ProbeError, match=r"holds targets\.y twice"):
        read(tmp_path / "d.npz")


def test_the_word_last_may_stand_in_a_file(tmp_path: Path, fields):
    np.savez(tmp_path / "d.npz", positions="last", **fields)
    assert read(tmp_path / "d.npz").task().contexts == (-1,)


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ([[[1.0, 2.0]], None], "missing values"),
        ([[[1.0, 2.0]], [None]], "missing values"),
        ([[[1.0, 2.0]], [[None, 2.0]]], "missing values"),
        ([[[1.0, 2.0]], [[1.0]]], "several lengths"),
        ([[[1.0, 2.0]], [[1.0, 2.0], [1.0, 2.0]]], "several lengths"),
        ([{"a": 1}, {"a": 2}], "given as object"),
    ],
)
def test_a_parquet_column_that_is_no_array_is_refused(tmp_path: Path, column, said):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"inputs": column, "targets": [1.0, 2.0]}), tmp_path / "d.parquet")
    with pytest.raises(ProbeError, match=said):
        read(tmp_path / "d.parquet").task()


def test_two_columns_of_one_name_are_refused(tmp_path: Path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = arrow.table([arrow.array([1.0]), arrow.array([1.0])], names=["targets", "targets"])
    parquet.write_table(table, tmp_path / "d.parquet")
    with pytest.raises(ProbeError, match="twice"):
        read(tmp_path / "d.parquet")


def test_safetensors_of_nothing_and_of_odd_types_are_told_apart(tmp_path: Path, fields):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save

    save({}, tmp_path / "empty.safetensors")
    with pytest.raises(ProbeError, match="has no rows"):
        read(tmp_path / "empty.safetensors").task()
    half = {name: torch.tensor(one).to(torch.bfloat16) for name, one in fields.items() if name != "groups"}
    save(half | {"positions": torch.tensor([0.5]).to(torch.bfloat16)}, tmp_path / "half.safetensors")
    with pytest.raises(ProbeError, match="no places of its tokens"):
        read(tmp_path / "half.safetensors").task()
    eighth = half | {"inputs": half["inputs"].to(torch.float8_e4m3fn)}
    save(eighth, tmp_path / "eighth.safetensors")
    assert read(tmp_path / "eighth.safetensors").task().shape.inputs == 2
