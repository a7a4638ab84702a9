"""Claims: every head, whoever adds one, explains itself and errs by a number at every layer of a small model."""

from pathlib import Path

import pytest

import probe
from probe.config import FitConfig
from probe.heads import HEADS, Head, make

NUMERIC = [name for name in HEADS if name not in ("task_vector", "logistic")]
"""Heads that suit tasks of numbers; the others have tests in tests/language and tests/data."""


@pytest.mark.parametrize("name", HEADS)
def test_a_head_has_its_name_and_says_in_a_line_what_it_is(name: str) -> None:
    head = make(name)
    assert isinstance(head, Head)
    assert head.name == name
    assert (type(head).__doc__ or "").split("\n")[0].endswith(".") and type(head).__doc__ != Head.__doc__


@pytest.mark.parametrize("name", NUMERIC)
def test_a_head_errs_by_a_number_at_every_layer(name: str, toys: Path) -> None:
    config = FitConfig(ckpt=(str(toys / "m.pt"),), task="linear", head=(name,), context="4", prompts=256, score=64)
    table = probe.fit(config).table
    rows = table[table["head"] == name]
    assert rows["layer"].tolist() == [0, 1, 2]
    assert rows["error"].between(0, 10).all() and (rows["low"] <= rows["error"]).all()
    same = probe.fit(config).table
    assert same[same["head"] == name]["error"].tolist() == rows["error"].tolist()
