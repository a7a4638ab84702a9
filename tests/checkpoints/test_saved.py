"""Claims: what torch.save wrote comes back; nothing in a file is run, unpacked or believed; a fault is a sentence."""

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from probe.checkpoints.saved import are_plain, read_saved, whole_number
from probe.errors import ProbeError

INSTEAD = "Give another."


class _Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("new", [True, False])
def test_what_was_saved_comes_back_from_both_of_torchs_formats(tmp_path: Path, new: bool) -> None:
    content = {"a": torch.arange(5.0), "b": {"c": [1, "x"]}}
    torch.save(content, tmp_path / "file.pt", _use_new_zipfile_serialization=new)
    found = read_saved(tmp_path / "file.pt", INSTEAD)
    assert torch.equal(found["a"], content["a"])
    assert found["b"] == content["b"]


@pytest.mark.parametrize(
    ("value", "whole"),
    [
        (400_000, 400_000),
        (torch.tensor(7), 7),
        (torch.tensor([7]), 7),
        (torch.tensor(7.0, dtype=torch.float64), 7),
        (np.int64(7), 7),
        (np.float32(7), 7),
        (7.0, 7),
        (7.5, None),
        (True, None),
        (torch.tensor(True), None),
        (torch.tensor([1, 2]), None),
        (torch.tensor(float("nan")), None),
        (torch.tensor(1, device="meta"), None),
        ("7", None),
        (None, None),
    ],
)
def test_a_whole_number_is_one_however_it_was_stored(tmp_path: Path, value: object, whole: int | None) -> None:
    assert whole_number(value) == whole
    torch.save({"step": value}, tmp_path / "file.pt")
    assert whole_number(read_saved(tmp_path / "file.pt", INSTEAD)["step"]) == whole


@pytest.mark.parametrize("write", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_code_in_a_file_is_not_run(tmp_path: Path, write) -> None:
    write({"a": _Malicious(tmp_path / "it-ran")}, tmp_path / "evil.pt")
    with pytest.raises(ProbeError, match=r"evil\.pt .*loaded|evil\.pt is no file of weights.*Give another\."):
        read_saved(tmp_path / "evil.pt", INSTEAD)
    assert not (tmp_path / "it-ran").exists()


def test_an_archive_larger_than_its_file_is_not_unpacked(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(10**6)}, tmp_path / "plain.pt")
    packed = zipfile.ZipFile(tmp_path / "packed.pt", "w", zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(tmp_path / "plain.pt") as plain, packed:
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    assert (tmp_path / "packed.pt").stat().st_size < 10**5
    with pytest.raises(ProbeError, match=r"is compressed, or damaged, and was not unpacked\. Give another\."):
        read_saved(tmp_path / "packed.pt", INSTEAD)


def test_files_that_cannot_be_opened_are_said(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere.pt"):
        with pytest.raises(ProbeError, match=r"cannot be read \(.*\)\. Check"):
            read_saved(path, INSTEAD)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (torch.ones(2), True),
        (torch.ones(2, 3).T[1:], True),
        (torch.ones(2).bfloat16(), True),
        (torch.ones(()), True),
        (torch.ones(1).expand(10**12), False),
        (torch.ones(2).to_sparse(), False),
        (torch.ones(2, device="meta"), False),
        (torch.ones(2, dtype=torch.complex64), False),
        (torch.ones(2).to(torch.float8_e4m3fn), False),
        (3, False),
    ],
)
def test_weights_are_numbers_in_memory_of_their_own(value: object, plain: bool) -> None:
    assert are_plain({"a": torch.ones(1), "b": value}) == plain
    assert not are_plain({0: torch.ones(1)})
    assert not are_plain([torch.ones(1)])


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_nested_tensor_is_no_weight() -> None:
    assert not are_plain({"a": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])})
