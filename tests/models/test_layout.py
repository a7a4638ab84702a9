"""Claims: a layout text names blocks in order, and a malformed one gets one sentence."""

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.models import ResidualModel
from probe.models.layout import MAX_BLOCKS, Letter, parse_layout


def letters(text):
    return "".join(block.letter for block in parse_layout(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("M24", "M" * 24),
        ("(AF)12", "AF" * 12),
        ("M(AM)12", "M" + "AM" * 12),
        ("(AM)12", "AM" * 12),
        ("AFM", "AFM"),
        ("A2F3", "AAFFF"),
        ("((AF)2M)2", "AFAFMAFAFM"),
        ("(((M)))", "M"),
        ("m2(af)2", "MMAFAF"),
        (" M2 ( AF )2", "MMAFAF"),
        ("M0A", "A"),
        ("M007", "M" * 7),
        ("AM0000000002", "AMM"),
    ],
)
def test_letters_are_mixers_and_a_count_repeats(text, expected):
    assert letters(text) == expected


def test_settings_stand_behind_their_letter():
    """They belong to each repetition; a letter without brackets has none."""
    four = Letter("A", (("heads", "4"),))
    assert parse_layout("A[heads=4]") == (four,)
    assert parse_layout("(A[heads=4]F)2") == (four, Letter("F"), four, Letter("F"))
    assert parse_layout("M[delta=constant, gate=off]2") == (Letter("M", (("delta", "constant"), ("gate", "off"))),) * 2
    assert parse_layout("M[a=b=c]") == (Letter("M", (("a", "b=c"),)),)


MALFORMED = {
    "": "names no block",
    "()": "names no block",
    "M0": "names no block",
    "(AF)0": "names no block",
    "24": "cannot be read at '24'",
    "M24!": "cannot be read at '!'",
    "M 24": "cannot be read at ' 24'",
    "M-1": "cannot be read at '-1'",
    "M1.5": "cannot be read at '.5'",
    "M²": "cannot be read at '²'",
    "M٣": "cannot be read at '٣'",
    "É": "cannot be read at 'É'",
    "A[heads=4": "cannot be read at '[heads=4'",
    "A]": "cannot be read at ']'",
    "[heads=4]": "cannot be read at '[heads=4]'",
    "(AF": "leaves a parenthesis open",
    "((AF)2": "leaves a parenthesis open",
    "AF)12": "closes a parenthesis that was not opened",
    ")": "closes a parenthesis that was not opened",
    "(3AF)": "has the count 3 after an opening parenthesis",
    "A[]": "has settings [] that are not name=value pairs",
    "A[heads]": "has settings [heads] that are not name=value pairs",
    "A[heads=]": "has settings [heads=] that are not name=value pairs",
    "A[=4]": "has settings [=4] that are not name=value pairs",
    "A[heads=4,]": "has settings [heads=4,] that are not name=value pairs",
    "M1025": "asks for more than 1024 blocks",
    "M99999999999999999999": "asks for more than 1024 blocks",
    "(AF)513": "asks for more than 1024 blocks",
    "((((M99)99)99)99)99": "asks for more than 1024 blocks",
    "M1024A": "asks for more than 1024 blocks",
}


@pytest.mark.parametrize(("text", "fault"), MALFORMED.items(), ids=[text[:24] for text in MALFORMED])
def test_a_malformed_text_gets_one_sentence(text, fault):
    with pytest.raises(ProbeError) as raised:
        parse_layout(text)
    assert str(raised.value) == f"The layout {text!r} {fault}. Write it like M24, (AF)12, M(AM)12 or {{M}}8."


def test_of_a_text_without_end_the_sentence_shows_the_beginning():
    with pytest.raises(ProbeError, match="asks for more than 1024 blocks") as raised:
        parse_layout("M" + "9" * 5000)
    assert "M" + "9" * 250 in str(raised.value) and len(str(raised.value)) < 500


@pytest.mark.parametrize("text", ["M1024", "(AF)512", "((M32)32)", "M1023A"])
def test_up_to_1024_blocks_are_taken(text):
    assert len(parse_layout(text)) == MAX_BLOCKS


@given(st.text("MAFXmaf()[]=,0123456789 hed") | st.binary().map(lambda drawn: drawn.decode("latin-1")))
@example("M²٣é\n\0\N{SNOWMAN}")
@example("(" * 10_000)
@example("(" * 500 + "M" + ")2" * 500)
@example("(M0)" + "9" * 5000)
def test_no_text_raises_anything_but_a_probe_error(text):
    """Nor does any text name no block, or more than are allowed."""
    with suppress(ProbeError):
        assert 0 < len(parse_layout(text)) <= MAX_BLOCKS


@given(st.text("MAFX[]=,-0123456789 heads", max_size=20))
@example("A[heads=x]")
@example("A[heads=0]")
@example("A[heads=-2]")
@example("A[heads=" + "9" * 5000 + "]")
def test_no_layout_of_a_model_raises_anything_but_a_probe_error(text):
    """Also where the text can be read, but no such block can be built."""
    with suppress(ProbeError):
        if len(parse_layout(text)) <= 4:
            ResidualModel(ModelConfig(layout=text, dim=1, width=4, attention_heads=2))
