"""Claims: what is checked holds on trained checkpoints, and is reported as broken where it is."""

from pathlib import Path

import pytest

from probe.cli import main
from probe.commands.check import check
from probe.config import CheckConfig
from probe.models import ResidualModel


@pytest.mark.parametrize("name", ["m.pt", "t.pt"])
def test_every_invariant_holds_on_our_checkpoints(toys: Path, name: str) -> None:
    findings = check(CheckConfig(ckpt=str(toys / name))).findings
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
    assert all(finding.held for finding in check(CheckConfig(ckpt=str(toys / "m.pt"))).findings[:6])
    assert main(["check", "--ckpt", str(toys / "m.pt")]) == 1
    assert "FAIL  the read-out writes what its stored weights make" in capsys.readouterr().out


def test_what_could_not_be_recomputed_is_said_and_is_neither_held_nor_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check", "--ckpt", str(Path(__file__).parents[2] / "checkpoints" / "control-gather.pt")]) == 0
    lines = capsys.readouterr().out.splitlines()
    unknown = [line for line in lines if line.startswith("--")]
    assert "could not be recomputed: no reference of ours for planted least squares" in unknown[0]
    assert not any(line.startswith("FAIL") for line in lines)


def test_kernels_are_checked_alone_or_beside_a_checkpoint(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--kernels"]) == 0
    alone = capsys.readouterr().out.splitlines()
    assert any(line.startswith("ok    the chunked kernel of ssd agrees with the reference (") for line in alone)
    assert not any(line.startswith("FAIL") for line in alone)
    assert main(["check", "--kernels", "--ckpt", str(toys / "m.pt")]) == 0
    assert capsys.readouterr().out.splitlines()[: len(alone)] == alone


def test_a_wrong_kernel_exits_with_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from probe.kernels import agreement
    from probe.kernels.ssd import chunked

    own = chunked.ssd
    monkeypatch.setattr(agreement, "OPERATIONS", {"ssd": agreement.OPERATIONS["ssd"]})
    monkeypatch.setattr(chunked, "ssd", lambda *given: own(*given) + 1)
    assert main(["check", "--kernels"]) == 1
    assert capsys.readouterr().out.startswith("FAIL  the chunked kernel of ssd agrees with the reference (the output")


def test_nothing_to_check_is_refused_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 2
    assert "Add --ckpt or --kernels." in capsys.readouterr().err
