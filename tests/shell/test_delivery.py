"""Claims: a record that --out names is replaced by one of the same settings, and by another only if asked."""

from pathlib import Path

import pytest

from probe.cli import main

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
