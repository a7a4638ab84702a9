"""Claims: a model that knows scores what it knows; means are over the same tasks; nothing depends on the batch."""

from dataclasses import replace

import numpy as np
import pytest

from probe import records
from probe.capture import NativeModel
from probe.config import EvaluateConfig, ModelConfig
from probe.errors import ProbeError
from probe.language.evaluate import evaluate_language
from probe.language.tasks import LANGUAGE_TASKS
from probe.models import ResidualModel
from probe.records import COLUMNS

CONFIG = EvaluateConfig(ckpt=(), task="language:tasks=to_upper+antonyms+int_to_char", prompts=40, kernel="reference")
NAMES = ("to_upper", "antonyms", "int_to_char")


def of(table, task, metric="accuracy"):
    return table[(table["task"] == task) & (table["metric"] == metric)]


@pytest.fixture
def knowing(language, tokenizer):
    return language.checkpoint(language.oracle(tokenizer, NAMES, needed=2), "oracle")


def test_a_model_that_needs_two_examples_is_right_from_two_on(knowing, tokenizer):
    table = evaluate_language(replace(CONFIG, ckpt=(knowing,), tokenizer=tokenizer)).table
    assert list(table.columns[: len(COLUMNS)]) == COLUMNS
    for name in NAMES:
        rows = of(table, name)
        assert rows["context"].tolist() == [0, 1, 2, 4, 5]
        assert rows["value"].tolist() == [0, 0, 1, 1, 1]
        assert rows["error"].tolist() == [1, 1, 0, 0, 0]
        assert set(rows["prompts"]) == {40}
    assert of(table, "mean")["value"].tolist() == [0, 0, 1, 1, 1]
    assert set(table["metric"]) == {"accuracy", "exact", "prefix", "synonym"}


def test_every_prompt_is_run_without_padding(knowing, tokenizer):
    evaluate_language(replace(CONFIG, ckpt=(knowing,), tokenizer=tokenizer))
    lines = [tokenizer.decode(row) for batch in knowing.stream.seen for row in batch.tolist()]
    assert len(lines) == 40 * 5 * 3
    assert all(line.startswith("example:") and line.endswith("->") for line in lines)


def test_means_leave_out_tasks_with_too_few_pairs_at_every_context(knowing, tokenizer):
    table = evaluate_language(replace(CONFIG, context=16, ckpt=(knowing,), tokenizer=tokenizer)).table
    assert of(table, "int_to_char")["context"].tolist() == [0, 1, 2, 4, 8]
    assert of(table, "mean")["context"].tolist() == [0, 1, 2, 4, 8, 16]
    assert set(of(table, "mean")["tasks"]) == {2}


def test_shares_standard_errors_and_bands_are_those_of_the_answers(language, tokenizer):
    names = ("to_upper", "location_continent")
    stream = language.oracle(tokenizer, ("antonyms", "to_upper", "country_capital"))
    stream.answers |= {pair.input: tokenizer.ids["A"] for pair in LANGUAGE_TASKS["location_continent"].pool().pairs}
    config = replace(CONFIG, task=f"language:tasks={'+'.join(names)}", context=1, prompts=200)
    found = language.checkpoint(stream)
    table = evaluate_language(replace(config, ckpt=(found,), tokenizer=tokenizer)).table
    rows = of(table, "location_continent")
    right = rows["value"].iloc[-1]
    assert 0.4 < right < 0.8  # the share of locations whose continent begins with an A
    assert rows["standard_error"].iloc[-1] == pytest.approx((right * (1 - right) / 200) ** 0.5)
    assert rows["value_low"].iloc[-1] < right < rows["value_high"].iloc[-1]
    width = rows["value_high"].iloc[-1] - rows["value_low"].iloc[-1]
    assert width == pytest.approx(2 * 1.96 * rows["standard_error"].iloc[-1], rel=0.2)
    assert of(table, "location_continent", "exact")["value"].tolist() == [0, 0]
    mean = of(table, "mean").iloc[-1]
    assert mean["value"] == pytest.approx((1 + right) / 2)
    assert mean["standard_error"] == pytest.approx(rows["standard_error"].iloc[-1] / 2)


def test_the_match_can_be_chosen(language, tokenizer):
    stream = language.oracle(tokenizer, ("to_upper",))
    stream.answers |= {pair.input: tokenizer.ids["A"] for pair in LANGUAGE_TASKS["location_continent"].pool().pairs}
    config = replace(CONFIG, task="location_continent", context=1, match="exact")
    table = evaluate_language(replace(config, ckpt=(language.checkpoint(stream),), tokenizer=tokenizer)).table
    assert of(table, "location_continent")["value"].tolist() == [0, 0]
    assert of(table, "location_continent", "prefix")["value"].max() > 0


def test_numbers_do_not_depend_on_the_batch_and_the_record_comes_back(models, tokenizer, tmp_path):
    config = replace(CONFIG, task="language:tasks=to_upper+country_capital", context=2, tokens=2)
    found = list(models.values())
    one = evaluate_language(replace(config, ckpt=tuple(found), tokenizer=tokenizer))
    other = evaluate_language(replace(config, batch=3, ckpt=tuple(found), tokenizer=tokenizer))
    assert one.table.equals(other.table)
    records.save(one, tmp_path / "record")
    loaded = records.load(tmp_path / "record.csv")
    assert np.allclose(loaded.table["value"], one.table["value"])
    about = loaded.provenance["models"]["mamba"]["tasks"]["to_upper"]
    assert about["pairs"] == 26
    assert loaded.provenance["published"]["to_upper"]["Mamba 0.13B"] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prompts": 3}, "--prompts 3"),
        ({"tokens": 0}, "--tokens was given 0"),
        ({"context": -1}, "--context was given -1"),
        ({"batch": 0}, "--batch was given 0"),
        ({"task": "language:tasks=antonym"}, "Did you mean antonyms"),
        ({"data": "nowhere"}, "--data"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(knowing, tokenizer, change, words):
    with pytest.raises(ProbeError, match=words):
        evaluate_language(replace(CONFIG, **change, ckpt=(knowing,), tokenizer=tokenizer))


def test_what_no_prompt_can_hold_is_refused_before_any_pass(language, tokenizer, monkeypatch):
    stub = language.stub(tokenizer)
    stub.description = replace(stub.description, longest=60)
    few = EvaluateConfig(ckpt=(), task="antonyms", prompts=32, context=40)
    with pytest.raises(ProbeError, match=r"demonstrations of antonyms take \d+ tokens, but toy has positions for 60"):
        evaluate_language(replace(few, ckpt=(language.checkpoint(stub),), tokenizer=tokenizer))
    with pytest.raises(ProbeError, match=r"30 demonstrations of to_upper were asked for, .* keeps 26 pairs"):
        evaluate_language(
            replace(few, task="to_upper", index="30", ckpt=(language.checkpoint(stub),), tokenizer=tokenizer)
        )
    assert not stub.seen


def test_a_tokenizer_of_another_model_is_named(language, tokenizer):
    stub = language.stub(tokenizer)
    stub.description = replace(stub.description, symbols=3)
    with pytest.raises(ProbeError, match=r"makes the token \d+ of a prompt of to_upper, but toy knows 3\."):
        evaluate_language(
            EvaluateConfig(
                ckpt=(language.checkpoint(stub),), task="to_upper", prompts=32, context=1, tokenizer=tokenizer
            )
        )


def test_a_model_of_vectors_is_refused(language, tokenizer):
    found = language.checkpoint(NativeModel(ResidualModel(ModelConfig("F1", dim=2, width=8))))
    with pytest.raises(ProbeError, match="reads vectors"):
        evaluate_language(replace(CONFIG, ckpt=(found,), tokenizer=tokenizer))
