"""Claims: what is checked holds on trained checkpoints, and is reported as broken where it is."""

from pathlib import Path

import pytest

from probe.check import check_checkpoint
from probe.cli import main
from probe.config import CheckConfig
from probe.models import ResidualModel


@pytest.mark.parametrize("name", ["m.pt", "t.pt"])
def test_every_invariant_holds_on_our_checkpoints(toys: Path, name: str) -> None:
    findings = check_checkpoint(CheckConfig(ckpt=str(toys / name)))
    assert len(findings) > 6
    assert all(finding.held for finding in findings), findings


def test_the_command_exits_with_one_where_an_invariant_is_broken(
    toys: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from probe.capture import NativeModel

    assert main(["check", "--ckpt", str(toys / "m.pt")]) == 0
    assert "FAIL" not in capsys.readouterr().out
    # the wrapper's alone: the model's own forward pass reads out rightly
    monkeypatch.setattr(NativeModel, "decode", lambda self, stream: self.model.decode(stream) + 1)
    assert main(["check", "--ckpt", str(toys / "m.pt")]) == 1
    shown = capsys.readouterr().out
    assert "FAIL  the last layer decodes to the model's output" in shown
    assert shown.count("FAIL") == 1


def test_a_wrong_decoder_that_is_used_everywhere_is_seen_against_the_file(
    toys: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every invariant holds: they compare the model with itself."""
    decode = ResidualModel.decode
    monkeypatch.setattr(ResidualModel, "decode", lambda self, stream: decode(self, stream) + 1)
    assert all(finding.held for finding in check_checkpoint(CheckConfig(ckpt=str(toys / "m.pt")))[:6])
    assert main(["check", "--ckpt", str(toys / "m.pt")]) == 1
    assert "FAIL  the read-out writes what its stored weights make" in capsys.readouterr().out


def test_what_could_not_be_recomputed_is_said_and_is_neither_held_nor_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check", "--ckpt", str(Path(__file__).parents[1] / "checkpoints" / "control-gather.pt")]) == 0
    lines = capsys.readouterr().out.splitlines()
    unknown = [line for line in lines if line.startswith("--")]
    assert "could not be recomputed: no reference of ours for planted least squares" in unknown[0]
    assert not any(line.startswith("FAIL") for line in lines)
