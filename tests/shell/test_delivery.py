"""Claims: a record that --out names is replaced by one of the same settings, and by another only if asked."""

import io
import json
import sys
from pathlib import Path

import pytest

from probe.cli import main
from probe.processes import ALONE
from probe.records.tables import Grid
from probe.shell.voice import Call, Shell

FEW = ["--prompts", "64", "--score", "32", "--device", "cpu"]


def _fit(toys: Path, out: Path, *flags: str) -> int:
    given = ["fit", "--ckpt", str(toys / "m.pt"), "--task", "linear", "--head", "linear", *FEW, "--out", str(out)]
    return main([*given, *flags])


def test_a_record_of_other_settings_is_replaced_only_if_asked(
    toys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine"
    assert _fit(toys, out) == 0
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert _fit(toys, out, "--seed", "1") == 2
    assert "mine.csv holds a record of other settings" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first
    assert _fit(toys, out, "--batch", "32") == 0, "what does not change the numbers may differ"
    assert _fit(toys, out, "--seed", "1", "--overwrite") == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} != first
    assert (
        main(["evaluate", "--ckpt", str(toys / "m.pt"), "--task", "linear", "--prompts", "32", "--out", str(out)]) == 2
    )


def test_a_damaged_record_is_not_replaced_unasked(toys: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    assert _fit(toys, out) == 0
    out.with_suffix(".csv").write_text("edited by hand\n")
    assert _fit(toys, out) == 2
    assert out.with_suffix(".csv").read_text() == "edited by hand\n"
    assert _fit(toys, out, "--overwrite") == 0


def test_an_answer_is_printed_in_the_format_that_was_asked_for(
    toys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine"
    assert _fit(toys, out) == 0
    printed = capsys.readouterr()
    assert "█" in printed.out
    assert f"probe: next: probe view {out}.csv --out" in printed.err
    assert _fit(toys, out, "--plain") == 0
    assert capsys.readouterr().out.isascii()
    assert _fit(toys, out, "--format", "csv") == 0
    printed = capsys.readouterr()
    assert printed.out == out.with_suffix(".csv").read_text()
    assert "next:" not in printed.err
    assert _fit(toys, out, "--format", "markdown") == 0
    assert "| layer | linear | 95 % band | change |\n| --- |" in capsys.readouterr().out
    assert _fit(toys, out, "--format", "json") == 0
    as_json = capsys.readouterr().out
    assert _fit(toys, out, "--json") == 0
    assert capsys.readouterr().out == as_json
    assert json.loads(as_json)["context"] > 0


def test_bars_are_left_out_by_no_color(
    toys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert _fit(toys, tmp_path / "mine") == 0
    assert "█" not in capsys.readouterr().out


def test_bars_are_left_out_where_a_terminal_is_too_narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = Grid([["layer", "error", "0 to 1"], ["0", "1.00", "████████"]], frozenset({2}))
    said = []
    for columns in (80, 12):
        stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys, "stdout", stream)
        Call("fit", "probe fit", Shell(), ALONE).say_parts([grid])
        stream.seek(0)
        said.append(stream.read())
    assert "█" in said[0] and "█" not in said[1] and "1.00" in said[1]


def test_a_format_that_an_answer_cannot_have_is_refused(
    toys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "heads", "--format", "markdown"]) == 2
    assert "no table of a record. Choose table or json." in capsys.readouterr().err
    assert main(["list", "heads", "--format", "json"]) == 0
    assert "linear" in json.loads(capsys.readouterr().out)["heads"]
    assert _fit(toys, tmp_path / "mine", "--json", "--format", "csv") == 2
    assert "Drop one." in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
