"""Claims: the text is the published one to the letter; the filter and its space follow the tokenizer; draws repeat."""

import pytest

from probe.errors import ProbeError
from probe.language.pairs import Pair, Pairs
from probe.language.prompts import continuation, word
from probe.language.tasks import LANGUAGE_TASKS

POOL = Pairs(tuple(Pair(f"k{i}", answer) for i, answer in enumerate(["cold", "wet", "dark", "slow"])))


def worded(language, words, name="antonyms"):
    return word(name, LANGUAGE_TASKS[name], POOL, language.words(words))


def test_the_text_is_the_published_format(language):
    with_space = worded(language, [" cold", " wet", " dark"])
    text = with_space.text([Pair("hot", "cold"), Pair("dry", "wet")], Pair("light", "dark"))
    assert text == "example: hot-> cold\nexample: dry-> wet\nexample: light->"
    without = worded(language, ["cold", "wet", "dark"])
    assert without.text([Pair("hot", "cold")], Pair("dry", "wet")) == "example:hot->cold\nexample:dry->"


def test_only_answers_of_one_token_are_kept(language):
    found = worded(language, ["cold", "wet"])
    assert [pair.answer for pair in found.pool.pairs] == ["cold", "wet"]
    assert (found.before, found.space) == (4, "")


def test_the_space_wins_from_seven_tenths_on(language):
    everything = ["cold", "wet", "dark", "slow"]
    assert worded(language, [*everything, " cold", " wet", " dark"]).space == " "
    assert worded(language, [*everything, " cold", " wet"]).space == ""


def test_a_tokenizer_that_begins_every_text_with_a_token_keeps_the_same(language):
    plain, marked = language.words(["cold", "wet"]), language.words(["cold", "wet"], start=True)
    assert continuation("cold", marked) == continuation("cold", plain)
    assert marked.encode("cold")[0] == 0


@pytest.mark.parametrize("name", ["country_capital", "list_first"])
def test_knowledge_and_algorithmic_tasks_are_not_filtered(language, name):
    found = word(name, LANGUAGE_TASKS[name], LANGUAGE_TASKS[name].pool(), language.words())
    assert len(found.pool) == found.before
    assert found.space == ""


def test_too_few_words_are_refused(language):
    with pytest.raises(ProbeError, match="keeps 1 of the 4 answers"):
        worded(language, ["cold"])


def test_the_query_is_never_among_the_demonstrations_and_draws_repeat(tokenizer):
    found = word("antonyms", LANGUAGE_TASKS["antonyms"], LANGUAGE_TASKS["antonyms"].pool(), tokenizer)
    for number in range(50):
        pairs = found.draw(0, "score", number, 6)
        assert len({pair.input for pair in pairs}) == 6
        assert pairs[:3] == found.draw(0, "score", number, 3)
        assert pairs == found.draw(0, "score", number, 6)
    queries = {found.draw(0, "score", number, 1)[0].input for number in range(50)}
    assert len(queries) > 30
    assert queries != {found.draw(0, "fit", number, 1)[0].input for number in range(50)}
