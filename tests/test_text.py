"""Claims: foreign text reaches each place in a form that does nothing there, and tables give it back as it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe import text

BAD = "a\x1b[31m\n\u202e$\\frac{<script>" + "x" * 10_000


def test_a_terminal_gets_one_bounded_line_without_anything_it_obeys() -> None:
    shown = text.line(BAD)
    assert shown.startswith("a?[31m??$\\frac{<script>x")
    assert len(shown) == text.LINE
    assert text.line("a\tb") == "a?b"
    assert text.terminal("one\ntwo\x1b[2J\r\u2028") == "one\ntwo?[2J??"
    assert text.plain("é – 5") == "? ? 5"


def test_a_dollar_begins_no_formula_however_often_it_is_cleaned() -> None:
    once = text.label("cost $5 to $6")
    assert once == r"cost \$5 to \$6"
    assert text.label(once) == once
    assert len(text.label(BAD)) <= text.LABEL + 1


@pytest.mark.parametrize(
    ("given_text", "cell"),
    [
        ("=HYPERLINK()", "'=HYPERLINK()"),
        ("+1+1", "'+1+1"),
        ("@x", "'@x"),
        ("-a", "'-a"),
        ("\tx", "'\tx"),
        ("'=x", "''=x"),
        ("-1.5", "-1.5"),
        ("+inf", "+inf"),
        ("mamba", "mamba"),
        ("'tis", "'tis"),
        ("", ""),
    ],
)
def test_a_cell_is_no_formula(given_text: str, cell: str) -> None:
    assert text.cell(given_text) == cell
    assert text.uncelled(cell) == given_text


@given(st.text(alphabet="=+-@\t\r'a1.e") | st.text())
def test_a_cell_gives_back_its_text(given_text: str) -> None:
    cell = text.cell(given_text)
    assert text.uncelled(cell) == given_text
    assert cell[:1] not in tuple("=@\t\r")


def test_names_are_bounded_and_told_apart_where_they_are_cut() -> None:
    one, other = (text.file_name("x" * 10_000 + end) for end in "ab")
    assert one != other
    assert len(one.encode()) <= text.FILE
    assert text.file_name("a/b c:1=é") == "a-b-c-1-é"
    assert len(text.file_name("é" * 1000).encode()) <= text.FILE
    assert text.name("a\nb\u202e") == "a?b?"
    assert text.name("mamba-v1.5") == "mamba-v1.5"
