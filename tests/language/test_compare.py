"""Claims: models are shown the same words, differences are those of probe evaluate, and words fit the bands."""

from dataclasses import replace

import pandas as pd
import pytest
import torch

import probe
from probe.config import CompareConfig, EvaluateConfig
from probe.errors import ProbeError
from probe.language.batches import Reader
from probe.language.compare import compare_language, share_words, verdicts
from probe.language.evaluate import evaluate_language
from probe.language.prompts import word
from probe.language.study import Study
from probe.language.tasks import LANGUAGE_TASKS
from probe.plots import View, language_comparison, save_figure

TASKS = "language:tasks=antonyms+en_fr"
CONFIG = CompareConfig(ckpt=(), task=TASKS, score=40, context=4)


@pytest.fixture
def oracles(language, tokenizer):
    """Two that answer from one demonstration and from three on."""
    names = ["antonyms", "en_fr"]
    return [language.checkpoint(language.oracle(tokenizer, names, n), f"needs{n}") for n in (1, 3)]


@pytest.fixture
def record(oracles, tokenizer):
    return compare_language(replace(CONFIG, ckpt=tuple(oracles), tokenizer=tokenizer))


def test_differences_are_those_of_the_evaluated_accuracies(record, oracles, tokenizer):
    table = record.table
    evaluated = evaluate_language(
        EvaluateConfig(ckpt=tuple(oracles), task=TASKS, prompts=40, context=4, tokenizer=tokenizer)
    ).table.set_index(["model", "task", "metric", "context"])["value"]
    assert len(table) == 3 * 4 * 4  # tasks and their mean, ways of comparing, numbers of demonstrations
    for row in table.to_dict("records"):
        key = row["task"], row["metric"], row["context"]
        assert row["value"] == pytest.approx(evaluated["needs1", *key])
        assert row["other_value"] == pytest.approx(evaluated["needs3", *key])
        assert row["difference"] == pytest.approx(row["value"] - row["other_value"])
        assert max(row["low"], row["all_low"]) <= row["difference"] <= min(row["high"], row["all_high"])
    means = table[(table["task"] == "mean") & (table["metric"] == "accuracy")]
    assert (means["difference"] > 0.5).tolist() == [False, True, True, False]
    assert set(means["tasks"]) == {2}


def test_the_band_is_paired(models, tokenizer):
    """Two models that are right on the same prompts differ by nothing, however uncertain each of them is."""
    same = [replace(models["mamba"], name=name) for name in "ab"]
    table = compare_language(replace(CONFIG, ckpt=tuple(same), tokenizer=tokenizer)).table
    assert (table[["difference", "low", "high", "all_low", "all_high", "standard_error"]] == 0).all(axis=None)


def test_tokenizers_share_their_words_and_keep_their_own_spaces(language):
    pool = LANGUAGE_TASKS["antonyms"].pool()
    answers = sorted({pair.answer for pair in pool.pairs})
    known = ([f" {one}" for one in answers[:60]], answers[40:90])
    found = []
    for words in known:
        own = language.words(words)
        wordings = [
            word(name, LANGUAGE_TASKS[name], LANGUAGE_TASKS[name].pool(), own) for name in ("antonyms", "to_upper")
        ]
        stub = language.stub(own)
        found.append(Study(language.checkpoint(stub), Reader("toy", stub, own, torch.device("cpu"), 4), wordings))
    first, second = share_words(found)
    assert [one.wordings[0].space for one in (first, second)] == [" ", ""]
    pools = [one.wordings[0].pool for one in (first, second)]
    assert pools[0].pairs == pools[1].pairs
    assert {pair.answer for pair in pools[0].pairs} <= set(answers[40:60])
    assert 2 <= len(pools[0]) < min(len(one.wordings[0].pool) for one in found)
    assert [len(one.wordings[1].pool) for one in (first, second)] == [26, 26]
    drawn = [one.wordings[0].draw(0, "score", 7, 3) for one in (first, second)]
    assert drawn[0] == drawn[1]
    apart = language.words(answers[100:110])
    wordings = [word("antonyms", LANGUAGE_TASKS["antonyms"], pool, apart), found[0].wordings[1]]
    with pytest.raises(ProbeError, match=r"keep \d pairs of antonyms in common, but at least 2"):
        share_words([found[0], replace(found[0], wordings=wordings)])


def rows(difference, low, high):
    numbers = {
        "value": 0.5 + difference,
        "other_value": 0.5,
        "difference": difference,
        "all_low": low,
        "all_high": high,
    }
    labels = {"model": "a", "other": "b", "metric": "accuracy", "task": "mean", "tasks": 7, "context": 5}
    return pd.DataFrame([labels | numbers])


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (rows(0.1, 0.05, 0.15), "a is right more often than b: over 7 tasks, at 5 demonstrations, 0.600 and 0.500"),
        (rows(-0.1, -0.15, -0.05), "a is right less often than b"),
        (rows(0.1, -0.05, 0.25), "not told apart"),
        (rows(0.015, 0.01, 0.02), "not told apart"),
    ],
)
def test_the_words_follow_the_bands_and_the_stated_difference(table, words):
    sentences = verdicts(table)
    assert words in sentences[0]
    assert "three training seeds" in sentences[1]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"score": 4}, "--score 4"),
        ({"head": "lens"}, "--head lens"),
        ({"context": -1}, "--context was given -1"),
        ({"task": "language:tasks=x"}, "called 'x'"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(oracles, change, sentence):
    with pytest.raises(ProbeError, match=sentence):
        probe.compare(replace(CONFIG, **{"ckpt": tuple(oracles)} | change))


def test_the_picture_draws_what_the_record_holds_and_redraws_to_the_byte(record, tmp_path):
    left, right = language_comparison([record]).axes
    table = record.table[record.table["metric"] == "accuracy"]
    assert list(left.lines[0].get_ydata()) == table[table["task"] == "mean"]["difference"].tolist()
    drawn = {
        line.get_label(): line.get_xdata()[0] for line in language_comparison([record], View(context=2)).axes[1].lines
    }
    at_two = table[table["context"] == 2].set_index("task")["difference"]
    assert {name: drawn[name] for name in ("antonyms", "en_fr")} == at_two.drop("mean").to_dict()
    assert "4 demonstrations" in right.get_xlabel()
    for name in ("a.png", "b.png"):
        save_figure(language_comparison([record]), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with pytest.raises(ProbeError, match="No task was compared at 3 demonstrations"):
        language_comparison([record], View(context=3))
    with pytest.raises(ProbeError, match=r"Give its \.csv"):
        language_comparison([record, record])
