"""Claims: what a context counts is told rightly, of examples, of tokens and of a user's own data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

import probe
from probe.cli import main
from probe.plots import KINDS, View
from probe.records import Record
from probe.records.counted import COUNTED, counted
from probe.records.summary import SUMMARIES
from probe.records.tables import on_terminal
from probe.tasks import TASKS, make

SIZES = {"prompts": 64, "score": 32}


@pytest.mark.parametrize("name", TASKS)
def test_every_task_counts_what_there_are_words_for_and_old_records_tell_the_same(name: str) -> None:
    task = make(name, 3)
    old = Record(pd.DataFrame(), {"config": {"task": f"{name}:x=1"}})
    assert counted(old) == COUNTED[task.counts]
    assert counted(Record(pd.DataFrame(), {"counts": task.counts})) == COUNTED[task.counts]


def test_a_word_that_there_is_none_for_is_not_believed() -> None:
    assert counted(Record(pd.DataFrame(), {"counts": "<b>", "config": {"task": "linear"}})) == COUNTED["examples"]


@pytest.mark.parametrize(("count", "said"), [("examples", "1 example"), ("tokens", "1 token"), ("places", "token 1")])
def test_one_is_one(count: str, said: str) -> None:
    assert COUNTED[count].at(1) == said
    assert COUNTED[count].at(-1) == "the last token"


def words(record: Record, kind: str) -> str:
    """What a picture says."""
    figure = KINDS[kind]([record], View())
    figure.canvas.draw()
    return " ".join(text.get_text() for text in figure.findobj(Text)).replace("\n", " ")


@pytest.fixture
def own() -> probe.Data:
    """Prompts of one's own, of five tokens in two dimensions."""
    inputs = np.random.default_rng(0).standard_normal((200, 5, 2)).astype(np.float32)
    return probe.Data(inputs, inputs.sum(2, keepdims=True))


@pytest.mark.parametrize("verb", ["fit", "evaluate", "compare"])
def test_of_own_data_tokens_are_named_and_no_examples(toys: Path, own: probe.Data, verb: str) -> None:
    if verb == "evaluate":
        record = probe.evaluate(ckpt=toys / "m.pt", data=own)
    elif verb == "fit":
        record = probe.fit(ckpt=toys / "m.pt", data=own)
    else:
        record = probe.compare(ckpt=[toys / "m.pt", toys / "t.pt"], data=own)
    told, kind = on_terminal(SUMMARIES[verb].table(record)), {"fit": "heatmap"}.get(verb, verb)
    assert "token" in told
    assert "token, counted from 0" in words(record, {"evaluate": "prompting", "compare": "comparison"}.get(kind, kind))
    for shown in (told, words(record, "contexts") if verb == "fit" else told):
        assert "example" not in shown
    if verb == "compare":  # 64 % of the 200 to fit on and 20 % to score, not what is asked for by default
        sizes = record.provenance["data"]["prompts"]
        assert f": {sizes['score']} prompts, the linear head fitted on {sizes['fit']}," in told
        assert "None" not in told


def test_kept_streams_of_a_task_count_what_the_task_counts(toys: Path, own: probe.Data, tmp_path: Path) -> None:
    probe.keep_streams(ckpt=toys / "m.pt", task="linear", out=tmp_path / "task", **SIZES)
    probe.keep_streams(ckpt=toys / "m.pt", data=own, out=tmp_path / "data", context="0,2")
    assert "error at 4 examples" in on_terminal(SUMMARIES["fit"].table(probe.fit(streams=tmp_path / "task")))
    assert "error at token 2" in on_terminal(SUMMARIES["fit"].table(probe.fit(streams=tmp_path / "data")))


def test_a_training_on_symbols_tells_tokens_and_guessing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--arch", "mamba", "--task", "hidden_markov", "--width", "8", "--context", "6", "--steps", "2"]
    assert main(["train", *flags, "--out", str(tmp_path / "s.pt")]) == 0
    assert "error at 6 tokens" in (told := capsys.readouterr().out)
    assert "(1 = knowing nothing)" in told
    record = probe.fit(ckpt=tmp_path / "s.pt", task="hidden_markov", target="belief", **SIZES)
    assert "error at 6 tokens" in on_terminal(SUMMARIES["fit"].table(record))
    assert "tokens before the query" in words(record, "heatmap")
