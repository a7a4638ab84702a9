"""Claims: the help of every command says of every flag what it takes and what happens without it, in words."""

import re
from dataclasses import MISSING

import pytest

from probe.arguments import explained, overview
from probe.arguments.explained import described
from probe.arguments.flags import flags_of
from probe.cli import COMMANDS, DESCRIPTION, main
from probe.shell.voice import Shell

SAID = ("by default", "the default", "unless", "where the", "needed unless", "without")


@pytest.mark.parametrize("verb", list(COMMANDS))
def test_help_says_what_every_flag_takes_and_what_happens_without_it(verb: str) -> None:
    page = explained(COMMANDS[verb], f"probe {verb}", Shell)
    assert page.startswith(f"usage: probe {verb} ")
    for riddle in ("None", "{None", "Default: .", "(default", "tuple", "Literal"):
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
    assert "by spaces or commas" not in explained(COMMANDS["convert"], "probe convert")


def test_the_overview_names_every_command() -> None:
    page = overview("probe", DESCRIPTION, COMMANDS)
    for verb in COMMANDS:
        assert f"\n  {verb} " in page


@pytest.mark.parametrize("command", ["fit", "evaluate", "compare"])
def test_flags_of_language_tasks_stand_in_a_group_of_their_own(command: str) -> None:
    page = explained(COMMANDS[command], f"probe {command}", Shell)
    _, flags, words, everywhere = re.split(r"^(?:flags|language tasks|everywhere):$", page, flags=re.MULTILINE)
    for flag in ("--tokenizer", "--match"):
        assert flag in words
        assert flag not in flags + everywhere
    assert "--prompts" in flags


def test_what_only_the_command_line_needs_is_needed_there_alone(capsys: pytest.CaptureFixture[str]) -> None:
    page = explained(COMMANDS["plot"], "probe plot", Shell)
    assert "--out PATH" in page.split("\nflags:")[0]
    assert main(["plot", "a.csv"]) == 2
    assert "probe plot was given no --out, but it needs one" in capsys.readouterr().err
    assert COMMANDS["plot"](records="a.csv").out is None
