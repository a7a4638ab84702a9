"""Claims: a mistake in data is one sentence of three clauses, said before any work, and exit code 2."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import probe
from probe.cli import main
from probe.errors import ProbeError

COUNT = 200
INPUTS = np.random.default_rng(0).standard_normal((COUNT, 3, 2)).astype(np.float32)
TARGET = INPUTS[:, 0]
NAN = np.where(np.arange(COUNT)[:, None] == 7, np.nan, TARGET)
SIDES = np.repeat(["fit", "select", "score"], [120, 20, 60])
RARE = np.where(np.arange(COUNT) == COUNT - 1, 2, np.arange(COUNT) % 2)
MISTAKES = {
    "no inputs": ({"targets": TARGET}, "has no inputs"),
    "no targets": ({"inputs": INPUTS}, "has no target"),
    "inputs without time": ({"inputs": INPUTS[:, 0], "targets": TARGET}, "has inputs of shape"),
    "words as inputs": ({"inputs": INPUTS.astype(str), "targets": TARGET}, "has inputs of shape"),
    "a negative token": ({"inputs": np.full((COUNT, 3), -1), "targets": TARGET}, "token id of -1"),
    "fewer targets": ({"inputs": INPUTS, "targets": TARGET[:-1]}, "different numbers of rows"),
    "a target of another time": ({"inputs": INPUTS, "targets": INPUTS[:, :2]}, "has the shape"),
    "NaN": ({"inputs": INPUTS, "targets": NAN}, r"NaN or infinite number in targets\.y of prompt 7"),
    "constant": ({"inputs": INPUTS, "targets": TARGET * 0 + 1}, "is constant"),
    "one category": ({"inputs": INPUTS, "targets": np.zeros(COUNT, int)}, "is constant"),
    "unseen": ({"inputs": INPUTS, "targets": RARE, "split": SIDES}, "has the category 2 among prompts to score"),
    "many categories": ({"inputs": np.repeat(INPUTS, 9, 0), "targets": np.arange(9 * COUNT)}, "more than 512"),
    "both sides": ({"inputs": INPUTS, "targets": TARGET, "split": SIDES, "groups": np.arange(COUNT) % 9}, "both sides"),
    "another side": ({"inputs": INPUTS, "targets": TARGET, "split": np.repeat("test", COUNT)}, "a split of 'test'"),
    "no score": ({"inputs": INPUTS, "targets": TARGET, "split": np.repeat(["fit", "select"], 100)}, "to score on"),
    "one group": ({"inputs": INPUTS, "targets": TARGET, "groups": np.zeros(COUNT, int)}, "no prompts to"),
    "few groups": (
        {"inputs": INPUTS, "targets": TARGET, "groups": np.arange(COUNT) // 20, "split": SIDES},
        "3 groups to score on",
    ),
    "few rows": ({"inputs": INPUTS[:40], "targets": TARGET[:40]}, "to score on, but bands"),
    "few rows for the width": ({"inputs": INPUTS, "targets": TARGET, "split": SIDES[::-1]}, None),
    "negative weights": ({"inputs": INPUTS, "targets": TARGET, "weights": -np.ones(COUNT)}, "weights of shape"),
    "a mask of another time": ({"inputs": INPUTS, "targets": TARGET, "mask": np.ones((COUNT, 2), bool)}, "has a mask"),
    "groups of floats": ({"inputs": INPUTS, "targets": TARGET, "groups": np.ones(COUNT)}, "has groups of shape"),
    "positions": ({"inputs": INPUTS, "targets": TARGET, "positions": [0, 3]}, "no places of its tokens"),
    "positions unsorted": ({"inputs": INPUTS, "targets": TARGET, "positions": [2, 0]}, "do not ascend"),
    "ragged": ({"inputs": [[[1.0]], [[1.0], [2.0]]], "targets": [1.0, 2.0]}, "rows of several lengths"),
    "objects": ({"inputs": INPUTS, "targets": np.array([None] * COUNT)}, "was given as object"),
    "text alone": ({"text": ["a"] * COUNT, "targets": TARGET}, "no tokenizer"),
    "another dimension": (
        {"inputs": np.ones((COUNT, 3, 7), np.float32), "targets": TARGET},
        "but data has vectors of 7",
    ),
    "symbols": ({"inputs": np.ones((COUNT, 3), int), "targets": TARGET}, "but data has 2 symbols"),
    "a generator": ({"batches": (one for one in ())}, "used up after one pass"),
    "batches and arrays": ({"batches": [], "inputs": INPUTS}, "beside inputs"),
    "no rows": ({"batches": []}, "has no rows"),
    "no dictionaries": ({"batches": [INPUTS]}, "a dictionary of fields is needed"),
    "another shape later": (
        {"batches": [{"inputs": INPUTS, "targets": TARGET}, {"inputs": INPUTS[:, :2], "targets": TARGET}]},
        "and later",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_a_sentence_of_what_was_given_needed_and_to_do(toys: Path, mistake):
    given, match = MISTAKES[mistake]
    if match is None:
        match, extra = "needs at least 18", {"prompts": 17}
    else:
        extra = {"prompts": 8192}
    with pytest.raises(ProbeError, match=match) as error:
        probe.fit(ckpt=toys / "m.pt", data=probe.Data(**given), head="linear", score=2048, **extra)
    assert str(error.value).count(". ") >= 1 or mistake == "few rows for the width"


def test_a_target_is_named_where_there_are_several(toys: Path):
    data = probe.Data(INPUTS, {"first": TARGET, "second": TARGET})
    with pytest.raises(ProbeError, match="Targets: first, second"):
        probe.fit(ckpt=toys / "m.pt", data=data)
    with pytest.raises(ProbeError, match="Did you mean first"):
        probe.fit(ckpt=toys / "m.pt", data=data, target="fist")


def test_what_answers_no_target_of_the_data_is_refused(toys: Path):
    """The lens, evaluate and compare measure the model's own answers."""
    data = probe.Data(INPUTS, {"first": TARGET})
    both = [toys / "m.pt", toys / "t.pt"]
    with pytest.raises(ProbeError, match="Use --head linear"):
        probe.fit(ckpt=both[0], data=data, head="lens")
    with pytest.raises(ProbeError, match="probe evaluate measures the models' own answers"):
        probe.evaluate(ckpt=both[0], data=data)
    with pytest.raises(ProbeError, match="probe compare measures the models' own answers"):
        probe.compare(ckpt=both, data=data)
    with pytest.raises(ProbeError, match="predicts a category"):
        probe.fit(ckpt=both[0], data=data, head="logistic")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["fit", "--ckpt", "M"], "No task was given"),
        (["fit", "--ckpt", "M", "--task", "linear", "--data", "D"], "Drop one"),
        (["fit", "--ckpt", "M", "--streams", "D"], "need no model"),
        (["fit", "--data", "D"], "No checkpoint was given"),
        (["evaluate", "--ckpt", "M", "--data", "D", "--learner", "ridge"], "Drop these flags"),
        (["claim", "--ckpt", "M", "--task", "linear", "--data", "D"], "no such flag"),
        (["train", "--arch", "mamba", "--data", "D", "--out", "x.pt"], "no such flag"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(tmp_path: Path, toys: Path, capsys, monkeypatch, flags, said):
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "d.npz", inputs=INPUTS, targets=TARGET[:, :1])
    stand = {"M": str(toys / "m.pt"), "D": "d.npz"}
    assert main([stand.get(flag, flag) for flag in flags]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
