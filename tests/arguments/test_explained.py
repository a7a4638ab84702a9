"""Claims: the help of every command says of every flag what it takes and what happens without it, in words."""

import re
from dataclasses import MISSING

import pytest

from probe.arguments import explained, overview
from probe.arguments.explained import described
from probe.arguments.flags import flags_of
from probe.cli import COMMANDS, DESCRIPTION
from probe.shell.voice import Shell

SAID = ("by default", "the default", "unless", "where the", "needed unless", "without")


@pytest.mark.parametrize("verb", list(COMMANDS))
def test_help_says_what_every_flag_takes_and_what_happens_without_it(verb: str) -> None:
    page = explained(COMMANDS[verb], f"probe {verb}", Shell)
    assert page.startswith(f"usage: probe {verb} ")
    for riddle in ("None", "{", "Default: .", "(default", "tuple", "Literal"):
        assert riddle not in page, riddle
    told = described(COMMANDS[verb])
    for flag in flags_of(COMMANDS[verb]):
        assert flag.name in told
        if flag.default is None:
            assert re.search("|".join(SAID), told[flag.name], re.IGNORECASE), flag.name
        if flag.default not in (MISSING, None, False, (), ""):
            assert "Default: " in page
    assert "--quiet" in page
    assert "--plain" in page
    assert "--json" in page


def test_help_of_a_list_says_how_lists_are_given() -> None:
    assert "by spaces or commas" in explained(COMMANDS["fit"], "probe fit")
    assert "by spaces or commas" not in explained(COMMANDS["check"], "probe check")


def test_the_overview_names_every_command() -> None:
    page = overview("probe", DESCRIPTION, COMMANDS)
    for verb in COMMANDS:
        assert f"\n  {verb} " in page
