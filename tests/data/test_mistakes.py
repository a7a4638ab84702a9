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
MASK = np.ones((COUNT, 3), dtype=bool)
FEW = MASK & ~(np.arange(COUNT)[:, None] > 3) | (np.arange(3) != 1)
HELD = np.ma.masked_array(TARGET, TARGET > 1)
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
    "masked values": ({"inputs": INPUTS, "targets": HELD}, "a masked array"),
    "a path as an array": ({"inputs": "prompts.npz", "targets": TARGET}, "given as one value, 'prompts.npz'"),
    "beyond float32": (
        {"inputs": INPUTS.astype(float) * 1e39, "targets": TARGET},
        "prompt 0, or one beyond 3e38",
    ),
    "constant in float32": ({"inputs": INPUTS, "targets": TARGET.astype(float) * 1e-60}, "is constant"),
    "vectors of whole numbers": ({"inputs": np.full((COUNT, 3, 2), -1), "targets": TARGET}, "kind i, but floats"),
    "a target of no numbers": ({"inputs": INPUTS, "targets": TARGET[:, :0]}, r"the shape \(prompts, 0\)"),
    "a target without a name": ({"inputs": INPUTS, "targets": {"": TARGET}}, r"called 'targets\.' was given"),
    "a mask of words": ({"inputs": INPUTS, "targets": TARGET, "mask": MASK.astype(str)}, "something else than 0 and 1"),
    "a mask of shares": ({"inputs": INPUTS, "targets": TARGET, "mask": MASK * 0.5}, "something else than 0 and 1"),
    "a mask over all": ({"inputs": INPUTS, "targets": TARGET, "mask": ~MASK}, "0 of .* count at the token 0"),
    "a mask over most": ({"inputs": INPUTS, "targets": TARGET, "mask": FEW}, "count at the token 1.*--context 0,2"),
    "no weights": ({"inputs": INPUTS, "targets": TARGET, "weights": np.zeros(COUNT)}, "0 of .* count"),
    "no weights to score": (
        {"inputs": INPUTS, "targets": TARGET, "split": SIDES, "weights": (SIDES != "score") * 1.0},
        "to score on, 0 of 60 count",
    ),
    "no weights to select": (
        {"inputs": INPUTS, "targets": TARGET, "split": SIDES, "weights": (SIDES != "select") * 1.0},
        "to select on, 0 of 20 count",
    ),
    "constant where it counts": (
        {"inputs": INPUTS, "targets": np.where(MASK[..., None], 1.0, 0), "mask": MASK},
        "is constant",
    ),
    "one category that counts": (
        {"inputs": INPUTS, "targets": (np.arange(COUNT) % 5 > 0).astype(int), "weights": np.arange(COUNT) % 5},
        "constant among the prompts to fit on that are used and count",
    ),
    "a split of two axes": ({"inputs": INPUTS, "targets": TARGET, "split": SIDES[:, None]}, "a split of shape"),
    "text of numbers": ({"text": [1] * COUNT, "targets": TARGET}, "no tokenizer"),
    "positions in a batch": (
        {"batches": [{"inputs": INPUTS, "targets": TARGET, "positions": np.zeros(COUNT, int)}]},
        "the same tokens of every prompt",
    ),
    "streams as data": (
        {"batches": [{"inputs": INPUTS, "targets": TARGET, "streams": INPUTS}]},
        "Give it by --streams",
    ),
    "batches that are none": ({"batches": 3}, "given as a int"),
    "a mapping as batches": ({"batches": {"inputs": INPUTS}}, "given as a dict"),
    "another kind later": (
        {"batches": [{"inputs": INPUTS, "targets": TARGET}, {"inputs": INPUTS, "targets": (TARGET > 0).astype(int)}]},
        "kind f and later shape .* and kind i",
    ),
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


def test_what_is_used_must_vary_and_know_every_category_that_is_scored(toys: Path):
    """Of more rows than --prompts lets be used, the first hold one category, or one value."""
    split = np.repeat(["fit", "score", "select"], [140, 40, 20])
    first = np.arange(COUNT) < 50
    for target, said in [
        (np.where(first, 0, np.arange(COUNT) % 2), "constant among the prompts to fit on that are used"),
        (np.where(first[:, None], 1.0, TARGET), "constant among the prompts to fit on that are used"),
        (np.where(first, np.arange(COUNT) % 2, np.arange(COUNT) % 3), "has the category 2 among the prompts to s"),
    ]:
        data = probe.Data(INPUTS, {"z": target}, split=split)
        with pytest.raises(ProbeError, match=said):
            probe.fit(ckpt=toys / "m.pt", data=data, head="linear", prompts=40)
        assert len(probe.fit(ckpt=toys / "m.pt", data=data, head="linear", prompts=140).table)


class Changing:
    """Batches that are others once the first pass is over.

    Args:
        change: makes of the batches those of later passes.
    """

    def __init__(self, change):
        self.change, self.passes = change, 0

    def __iter__(self):
        self.passes += 1
        batches = [{"inputs": INPUTS[cut], "targets": TARGET[cut]} for cut in (slice(0, 90), slice(90, COUNT))]
        return iter(batches if self.passes < 5 else self.change(batches))


@pytest.mark.parametrize(
    "change",
    [
        lambda batches: batches[:1],
        lambda batches: batches[::-1],
        lambda batches: [{name: one[:20] for name, one in each.items()} for each in batches],
        lambda batches: [{name: one[::-1] for name, one in each.items()} for each in batches],
    ],
)
def test_batches_that_change_between_passes_are_refused(toys: Path, change):
    """A row could otherwise be fitted on in one pass and scored in the next."""
    with pytest.raises(ProbeError, match="is another than it was in the first pass"):
        probe.fit(ckpt=toys / "m.pt", data=probe.Data(batches=Changing(change)), head="linear")


def test_batches_that_cannot_be_had_are_told_with_why(toys: Path):
    def broken(batches):
        raise OSError("the disk is gone")

    with pytest.raises(ProbeError, match="OSError: the disk is gone"):
        probe.fit(ckpt=toys / "m.pt", data=probe.Data(batches=Changing(broken)), head="linear")


def test_evaluate_needs_prompts_that_count(toys: Path):
    for given, said in [
        ({"mask": ~MASK}, "0 of .* count at the token 0"),
        ({"weights": np.zeros(COUNT)}, "0 of .* count at the token 0"),
        ({"groups": np.arange(COUNT) // 40}, "groups to score on"),
    ]:
        with pytest.raises(ProbeError, match=said):
            probe.evaluate(ckpt=toys / "m.pt", data=probe.Data(INPUTS, TARGET[:, :1], **given))


def test_a_target_may_be_called_weights(toys: Path):
    found = probe.fit(ckpt=toys / "m.pt", data=probe.Data(INPUTS, {"weights": TARGET}), head="linear").table
    other = probe.fit(ckpt=toys / "m.pt", data=probe.Data(INPUTS, {"w": TARGET}), head="linear").table
    assert found["error"].tolist() == other["error"].tolist()


class Odd:
    """A tokenizer that returns what it was made with, or fails.

    Args:
        found: what it returns; an exception is raised.
    """

    def __init__(self, found):
        self.found = found

    def encode(self, text):
        """Returns it."""
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def decode(self, tokens):
        """Returns nothing."""
        return ""


@pytest.mark.parametrize(
    ("text", "found", "said"),
    [
        (["a"] * COUNT, ValueError("no"), "failed on the text 'a' of data .ValueError: no"),
        (["a"] * COUNT, "abc", "something else than a list of whole numbers"),
        (["a"] * COUNT, [0.5], "something else than a list of whole numbers"),
        (["a"] * COUNT, [], "has an empty text"),
        (list(range(COUNT)), [1], "text, but of shape"),
        (np.array([b"a"] * COUNT), [1], "text, but of shape"),
        (np.array([["a"]] * COUNT), [1], "text, but of shape"),
    ],
)
def test_text_and_tokenizers_that_are_none_are_refused(toys: Path, text, found, said):
    with pytest.raises(ProbeError, match=said):
        probe.fit(ckpt=toys / "m.pt", data=probe.Data(text=text, targets=TARGET), tokenizer=Odd(found))
