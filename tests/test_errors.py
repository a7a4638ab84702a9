"""Claims: an error is one line that a terminal can show, whatever stands in the names that it repeats."""

import time

import pytest

from probe.errors import MOST, ProbeError, closest, suggest


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("one\ntwo\x1b[31m", "one?two?[31m"),
        ("x" * 300 + " short", "x" * 300 + " short"),
        ("before " + "y" * 9000 + " after.", "before " + "y" * 300 + "... after."),
    ],
)
def test_what_a_terminal_cannot_show_is_replaced_and_endless_words_are_cut(given: str, shown: str) -> None:
    assert str(ProbeError(given)) == shown


@pytest.mark.parametrize(
    "foreign", ["x" * 4_000_000, "x " * 2_000_000, "Call me. " * 400_000, "\x1b[31m" * 900_000, "é" * 499]
)
def test_an_error_is_short_and_ends_with_what_to_do_however_much_a_file_says(foreign: str) -> None:
    start = time.process_time()
    text = str(ProbeError(f"model.pt says {foreign}, but a number was needed. Copy the file anew."))
    assert len(text) <= 500
    assert text.startswith("model.pt says ")
    assert text.endswith(" Copy the file anew.")
    assert time.process_time() - start < 1


def test_of_an_endless_last_sentence_the_beginning_and_the_end_are_shown() -> None:
    text = str(ProbeError("No task is called x. Tasks: " + ", ".join(["linear"] * 999) + "."))
    assert len(text) <= 500
    assert text.startswith("No task is called x. Tasks: linear, ")
    assert text.endswith(", linear.")
    assert " ..." in text


def test_a_close_name_is_suggested_and_a_far_one_is_not() -> None:
    assert suggest("linaer", ["linear", "cubic"]) == "Did you mean linear? "
    assert suggest("xyz", ["linear", "cubic"]) == ""
    assert closest("linaer" * 10_000, ["linear"]) is None
    assert closest("linaer", ["cubic", "linear"]) == "linear"


def test_of_much_text_the_beginning_and_what_to_do_are_kept() -> None:
    said = str(ProbeError(f"It holds {'many words ' * 10_000}. Give another file."))
    assert len(said) <= MOST
    assert said.startswith("It holds many words")
    assert said.endswith("Give another file.")
