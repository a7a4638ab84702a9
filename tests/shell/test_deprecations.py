"""Claims: a name that is replaced is told in a line by the command that is given it, and as a warning in Python."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from probe.config import TrainConfig
from probe.shell.deprecations import told_deprecations
from probe.training.plan import make_plan

SAID = "The preset paper is grazzi or park now, and goes with the next version."


def test_a_command_tells_what_is_replaced_once_and_works(tmp_path: Path) -> None:
    flags = "--arch mamba --task linear --preset paper --blocks 1 --width 4 --dim 2 --context 2 --steps 1 --batch 2"
    out = ["--out", str(tmp_path / "a.pt")]
    done = subprocess.run(
        [sys.executable, "-m", "probe", "train", *flags.split(), *out], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(SAID) == 1
    assert f"probe: {SAID}" in done.stderr.splitlines()
    assert "Warning" not in done.stderr


def test_python_is_warned() -> None:
    with pytest.warns(DeprecationWarning, match=SAID):
        make_plan(TrainConfig(out="x", task="linear", arch="mamba", preset="paper"))


def test_what_others_warn_of_is_no_line_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.warns(DeprecationWarning, match="theirs"), told_deprecations():
        warnings.warn("theirs", DeprecationWarning, stacklevel=1)
    with told_deprecations(aloud=False):
        warnings.warn(SAID, DeprecationWarning, stacklevel=1)
    assert capsys.readouterr().err == ""
