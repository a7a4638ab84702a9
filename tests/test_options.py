"""Claims: a text becomes a dataclass by the types of its fields, and what does not fit is said in one sentence."""

from dataclasses import dataclass
from typing import Literal

import pytest

from probe.errors import ProbeError
from probe.options import build


@dataclass(frozen=True)
class Kettle:
    size: int
    litres: float = 1.5
    lid: bool = True
    name: str = "kettle"
    colour: Literal["red", "blue"] = "red"
    heat: Literal["low", "high"] | float = "low"
    limit: int | None = None


@dataclass(frozen=True)
class Cup:
    pass


KINDS = {"kettle": Kettle, "cup": Cup}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kettle", Kettle(3)),
        ("kettle:litres=2,lid=no,name=k,colour=blue", Kettle(3, 2.0, False, "k", "blue")),
        ("kettle:heat=high", Kettle(3, heat="high")),
        ("kettle:heat=0.25", Kettle(3, heat=0.25)),
        ("kettle:limit=4", Kettle(3, limit=4)),
        ("kettle:limit=4,limit=none", Kettle(3)),
        ("kettle:limit=None", Kettle(3)),
    ],
)
def test_a_text_is_read_by_the_types_of_the_fields(text, expected):
    assert build(KINDS, "vessel", text, {"size": 3}) == expected


def test_what_is_given_is_no_option():
    assert build(KINDS, "vessel", "kettle:size=7") == Kettle(7)
    with pytest.raises(ProbeError, match="has no option 'size=7'"):
        build(KINDS, "vessel", "kettle:size=7", {"size": 3})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("kettel", "No vessel is called 'kettel'. Did you mean kettle? Vessels: kettle, cup."),
        ("cup:size=1", "The vessel cup has no option 'size=1'. It has none."),
        (
            "kettle:heat=medium",
            "The option kettle:heat was given 'medium', but it needs one of low, high or a number. Correct the value.",
        ),
        (
            "kettle:limit=0",
            "The option kettle:limit was given '0', but it needs a positive whole number or none. Correct the value.",
        ),
    ],
)
def test_what_does_not_fit_is_said(text, sentence):
    with pytest.raises(ProbeError) as raised:
        build(KINDS, "vessel", text)
    assert str(raised.value) == sentence
