"""Claims: two processes find what one finds, every one of them holds it to the bit, and batches may have any size."""

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

import probe
from probe import checkpoints
from probe.processes import ALONE

from .conftest import Start, finish
from .work import FIT, TRAIN, everything

Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, toys: Path) -> Path:
    """A folder with three checkpoints: of pairs, twice, and of outliers that do not count."""
    made = tmp_path_factory.mktemp("together")
    for name in ("m.pt", "t.pt"):
        shutil.copy(toys / name, made)
    probe.train(replace(TRAIN, out=str(made / "outlier.pt"), steps=5))
    return made


@pytest.fixture(scope="module")
def one(folder: Path) -> Tables:
    return everything(folder, ALONE)


@pytest.fixture
def two(start: Start, folder: Path, one: Tables) -> list[Tables]:
    codes, _, errors = finish(start(str(Path(__file__).parent / "work.py"), str(folder)))
    assert codes == [0, 0], errors
    return [pickle.loads((folder / f"{rank}.pickle").read_bytes()) for rank in (0, 1)]


def _furthest(table: pd.DataFrame, other: pd.DataFrame) -> float:
    """Returns the largest difference of any number, having checked that all else agrees."""
    assert list(table.columns) == list(other.columns)
    numbers = table.select_dtypes("float").columns
    assert len(numbers) >= 2
    pd.testing.assert_frame_equal(table.drop(columns=numbers), other.drop(columns=numbers))
    assert table[numbers].isna().equals(other[numbers].isna())
    return float((table[numbers] - other[numbers]).abs().max().max())


def test_two_processes_find_what_one_finds(one: Tables, two: list[Tables], folder: Path) -> None:
    """Streams are those of one process to the bit, so that what is gathered agrees to 1e-10.

    Linear heads agree to 1e-6 end to end: the toys' layers span less than their width, and the smallest penalty makes
    much of the last bit there.
    """
    for name, table in one.items():
        assert len(table) > 0
        assert two[0][name].equals(two[1][name]), name
        assert _furthest(table, two[0][name]) <= 1e-6, name
    for name in ("fit", "outliers", "evaluate", "moments"):
        exact = [t[~t["head"].isin(["linear", "normed"])] if "head" in t else t for t in (one[name], two[0][name])]
        assert len(exact[0]) > 3
        assert _furthest(*exact) <= 1e-10, name
    weights = [checkpoints.load(str(folder / f"trained-{count}.pt")).model.state_dict() for count in (1, 2)]
    untrained = checkpoints.load(str(folder / "outlier.pt")).model.state_dict()
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, atol=1e-6, rtol=0)
    assert any((tensor - untrained[name]).abs().max() > 1e-3 for name, tensor in weights[0].items())


def test_batches_of_any_size_give_the_same_record(folder: Path) -> None:
    config = replace(FIT, ckpt=(str(folder / "m.pt"),), head=("linear", "lens"))
    tables = [probe.fit(replace(config, batch=batch)).table for batch in (16, 37)]
    assert _furthest(*tables) <= 1e-6
