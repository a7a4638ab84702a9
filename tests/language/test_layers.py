"""Claims: the lens is the decoder applied early and ends at the model's own prediction; heads tell tasks apart."""

from dataclasses import replace

import pytest
import torch

from probe.capture import capture
from probe.config import FitConfig
from probe.errors import ProbeError
from probe.language.batches import Reader
from probe.language.decode import greedy
from probe.language.layers import language_layers, read_lens
from probe.language.prompts import word
from probe.language.study import Study
from probe.language.tasks import LANGUAGE_TASKS
from probe.records import COLUMNS

CONFIG = FitConfig(ckpt=(), task="antonyms", head=("lens",), context="2", score=40, kernel="reference")
IDENTITY = replace(
    CONFIG, task="language:tasks=to_upper+country_capital+antonyms", head=("linear", "normed"), prompts=120
)


def study(found, tokenizer, name="antonyms"):
    wording = word(name, LANGUAGE_TASKS[name], LANGUAGE_TASKS[name].pool(), tokenizer)
    return Study(found, Reader(found.name, found.stream, tokenizer, torch.device("cpu"), 8), [wording])


def prompts(one, count=12):
    wording = one.wordings[0]
    drawn = [wording.draw(0, "score", number, 3) for number in range(count)]
    answers = [wording.answer(pairs[0], one.reader.tokenizer) for pairs in drawn]
    return [one.encode(wording, pairs[1:], pairs[0]) for pairs in drawn], answers


def test_the_lens_is_the_models_decoder_prompt_by_prompt(models, tokenizer):
    for found in models.values():
        one = study(found, tokenizer)
        tokens, answers = prompts(one)
        lens = read_lens(one, tokens, answers)
        for place, (prompt, answer) in enumerate(zip(tokens, answers, strict=True)):
            seen = capture(found.stream, torch.tensor([prompt]), torch.tensor([len(prompt) - 1]))
            for layer, stream in enumerate(seen.stream[:, 0, 0]):
                scores = found.stream.decode(stream)
                assert lens.probability[place, layer].item() == pytest.approx(
                    scores.softmax(0)[answer].item(), rel=1e-4
                )
                assert lens.rank[place, layer] == (scores > scores[answer]).sum() + 1
                assert lens.top[place, layer] == (scores.argmax() == answer)


def test_the_last_layer_is_the_models_own_answer(models, tokenizer):
    for found in models.values():
        one = study(found, tokenizer)
        tokens, _ = prompts(one)
        own = [found.stream.run(torch.tensor([prompt]))[0, -1].argmax().item() for prompt in tokens]
        assert read_lens(one, tokens, own).top[:, -1].all()
        assert (read_lens(one, tokens, own).rank[:, -1] == 1).all()


def test_ties_rank_in_their_middle(language, tokenizer):
    found = language.checkpoint(language.random("M1", len(tokenizer)))
    torch.nn.init.zeros_(found.model.read_out.weight)
    if found.model.read_out.bias is not None:
        torch.nn.init.zeros_(found.model.read_out.bias)
    one = study(found, tokenizer)
    assert (read_lens(one, *prompts(one)).rank == (1 + len(tokenizer)) / 2).all()


def test_the_record_has_every_layer_and_metric(models, tokenizer):
    table = language_layers(replace(CONFIG, context="0,2", ckpt=tuple(models.values()), tokenizer=tokenizer)).table
    assert list(table.columns[: len(COLUMNS)]) == COLUMNS
    for name in models:
        for metric in ("accuracy", "probability", "rank"):
            rows = table[(table["model"] == name) & (table["metric"] == metric)]
            assert sorted(zip(rows["context"], rows["layer"], strict=True)) == [
                (n, i) for n in (0, 2) for i in range(len(models[name].stream.places))
            ]
            assert (rows["value_low"] <= rows["value"]).all()
            assert (rows["value"] <= rows["value_high"]).all()
    accurate = table[table["metric"] == "accuracy"]
    assert (accurate["error"] == 1 - accurate["value"]).all()
    assert table.loc[table["metric"] == "rank", "error"].isna().all()


def test_linear_heads_tell_tasks_apart_and_chance_does_not(models, tokenizer):
    table = language_layers(replace(IDENTITY, ckpt=(models["transformer"],), tokenizer=tokenizer)).table
    assert set(table["head"]) == {"linear", "normed", "chance"}
    last = table[(table["head"] == "linear") & (table["layer"] == 2)].iloc[0]
    assert last["value"] > 0.65  # a third by guessing
    assert last["error"] == pytest.approx((1 - last["value"]) / (2 / 3))
    assert last["value_low"] <= last["value"] <= last["value_high"]
    chance = table[table["head"] == "chance"]
    assert chance["value"].max() < 0.65
    assert chance["layer"].isna().all()
    # the last token is the same in every prompt, and so is its read-in
    first = table[(table["head"] == "linear") & (table["layer"] == 0)].iloc[0]
    assert first["value"] < 0.65


def test_task_vectors_stand_beside_what_they_are_compared_with(models, tokenizer):
    config = replace(CONFIG, head=("task_vector",), task="to_upper")
    found = models["transformer"]
    table = language_layers(replace(config, ckpt=(found,), tokenizer=tokenizer)).table
    assert sorted(table.loc[table["head"] == "task_vector", "layer"]) == [0, 1, 2]
    one = study(found, tokenizer, "to_upper")
    wording = one.wordings[0]
    drawn = [wording.draw(0, "score", number, 3) for number in range(40)]
    answers = greedy(one.reader, [one.encode(wording, pairs[1:], pairs[0]) for pairs in drawn])
    share = sum(answer == pairs[0].answer for answer, pairs in zip(answers, drawn, strict=True)) / 40
    shown = table[table["head"] == "demonstrations"].iloc[0]
    assert shown["value"] == pytest.approx(share)
    # a read-in without positions is the same in both prompts
    zero_shot = table[table["head"] == "zero_shot"].iloc[0]
    assert table[(table["head"] == "task_vector") & (table["layer"] == 0)].iloc[0]["value"] == zero_shot["value"]


def test_no_number_depends_on_the_batch(models, tokenizer):
    for config in (replace(IDENTITY, head=("linear",)), replace(CONFIG, head=("lens", "task_vector"))):
        one = language_layers(replace(config, ckpt=(models["transformer"],), tokenizer=tokenizer)).table
        other = language_layers(replace(config, batch=5, ckpt=(models["transformer"],), tokenizer=tokenizer)).table
        assert one["value"].tolist() == pytest.approx(other["value"].tolist(), rel=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"head": ("calibrated",)}, "calibrated head suits numbers"),
        ({"head": ()}, "--head lens"),
        ({"head": ("linear",)}, "antonyms is one"),
        ({"head": ("linear",), "task": "language:set=algorithmic", "prompts": 10}, "--prompts 10"),
        ({"score": 3}, "--score 3"),
        ({"context": "few"}, "--context was given 'few'"),
        ({"context": "0", "head": ("task_vector",)}, "--context 0"),
        ({"context": "9", "task": "char_to_int"}, "keeps 9"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(models, tokenizer, change, words):
    with pytest.raises(ProbeError, match=words):
        language_layers(replace(CONFIG, **change, ckpt=(models["mamba"],), tokenizer=tokenizer))
