"""Claims: 27 tasks, 18 of them the paper's; lists are large and clean; algorithmic ones are complete."""

import string
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from probe.errors import ProbeError
from probe.language.lists import Lists
from probe.language.pairs import Pairs, read_table
from probe.language.tasks import LANGUAGE_TASKS, named, study_of

TABLES = ["antonyms", "capitals", "continents", "languages", "nouns", "religions", "translations", "verbs"]
WORDS = [name for name, task in LANGUAGE_TASKS.items() if task.category != "algorithmic"]
COPIED = {"en_es", "es_en", "en_fr", "fr_en", "en_it", "it_en", "present_simple_past_perfect"}


def test_there_are_27_tasks_and_18_evaluated_ones():
    assert len(LANGUAGE_TASKS) == 27
    evaluated = Counter(task.category for task in LANGUAGE_TASKS.values() if task.evaluated)
    assert evaluated == {"algorithmic": 6, "translation": 4, "linguistic": 4, "knowledge": 4}


@pytest.mark.parametrize("name", TABLES)
def test_a_word_list_has_no_empty_cell_stray_space_or_ragged_row(name):
    rows = read_table(name)
    assert len({len(row) for row in rows}) == 1
    for row in rows:
        for cell in row:
            for text in cell:
                assert text, row
                assert text == text.strip(), row
            assert len(set(cell)) == len(cell), row


@pytest.mark.parametrize("name", WORDS)
def test_lists_are_large_and_no_input_stands_twice(name):
    task, pool = LANGUAGE_TASKS[name], LANGUAGE_TASKS[name].pool()
    assert isinstance(pool, Pairs)
    assert len(pool) >= (40 if task.category == "knowledge" else 100)
    assert len({pair.input for pair in pool.pairs}) == len(pool)
    for pair in pool.pairs:
        assert pair.answer not in pair.accepted
        assert pair.input != pair.answer or name in COPIED, pair
        assert "->" not in pair.input + pair.answer
        if task.category == "knowledge":
            assert pair.input[0].isupper() or pair.input[0] == "É"
            assert pair.answer[0].isupper()
        else:
            assert (pair.input + pair.answer).islower(), pair
            assert " " not in pair.input + pair.answer


def test_what_is_copied_in_translations_is_the_exception():
    for name in COPIED:
        pairs = LANGUAGE_TASKS[name].pool().pairs
        assert sum(pair.input == pair.answer for pair in pairs) < 0.1 * len(pairs)


def test_plurals_and_singulars_are_each_others_inverse():
    there = {(pair.input, pair.answer) for pair in LANGUAGE_TASKS["singular_plural"].pool().pairs}
    back = {(pair.answer, pair.input) for pair in LANGUAGE_TASKS["plural_singular"].pool().pairs}
    assert there == back


def test_letters_and_digits_are_complete():
    def pairs(name):
        return {pair.input: pair.answer for pair in LANGUAGE_TASKS[name].pool().pairs}

    lower, upper = string.ascii_lowercase, string.ascii_uppercase
    assert pairs("to_upper") == dict(zip(lower, upper, strict=True))
    assert pairs("to_lower") == dict(zip(upper, lower, strict=True))
    assert pairs("next_letter") == dict(pairwise(lower))
    assert pairs("prev_letter") == dict(zip(lower[1:], lower[:25], strict=True))
    assert pairs("char_to_int") == dict(zip("abcdefghi", "123456789", strict=True))
    assert pairs("int_to_char") == dict(zip("123456789", "abcdefghi", strict=True))


@pytest.mark.parametrize(
    ("name", "alphabet", "lengths", "answer"),
    [
        ("list_first", 26, (2, 3, 4), lambda items: items[0]),
        ("list_last", 26, (2, 3, 4), lambda items: items[-1]),
        ("list_min", 10, (2, 3, 4), lambda items: str(min(map(int, items)))),
        ("list_max", 10, (2, 3, 4), lambda items: str(max(map(int, items)))),
        ("list_length", 26, (1, 2, 3), lambda items: str(len(items))),
    ],
)
def test_lists_of_every_length_are_drawn_and_answered(name, alphabet, lengths, answer):
    pool = LANGUAGE_TASKS[name].pool()
    assert len(pool) == sum(alphabet**length for length in lengths)
    drawn = pool.draw(np.random.default_rng(0), 300)
    assert len({pair.input for pair in drawn}) == 300
    seen = Counter(len(pair.input.split(",")) for pair in drawn)
    assert set(seen) == set(lengths)
    assert all(pair.answer == answer(pair.input.split(",")) for pair in drawn)


def test_a_small_pool_of_lists_is_drawn_to_its_end():
    pool = Lists("ab", (1, 2), "length")
    assert {pair.input for pair in pool.draw(np.random.default_rng(0), 100)} == {"a", "b", "a,a", "a,b", "b,a", "b,b"}


def test_fewer_draws_are_the_first_of_more():
    for name in ("antonyms", "list_last"):
        pool = LANGUAGE_TASKS[name].pool()
        assert pool.draw(np.random.default_rng(1), 3) == pool.draw(np.random.default_rng(1), 9)[:3]


def test_a_text_names_one_task_a_set_or_several():
    assert named("antonyms") == ["antonyms"]
    assert len(named("language")) == 18
    assert len(named("language:set=all")) == 27
    assert len(named("language:set=translation")) == 6
    assert named("language:tasks=en_fr+antonyms") == ["en_fr", "antonyms"]
    assert study_of("language:set=all") == "words"
    assert study_of("linear") == "numbers"


@pytest.mark.parametrize("text", ["language:set=some", "language:tasks=antonym", "antonyms:set=all", "language:x=1"])
def test_what_is_not_known_is_answered_with_a_sentence(text):
    with pytest.raises(ProbeError, match=r"\."):
        named(text)
