"""The invariants of capture hold on trained checkpoints and are reported as broken where they are."""

from pathlib import Path

import pytest

from probe.check import check_checkpoint
from probe.cli import main
from probe.config import CheckConfig


@pytest.mark.parametrize("name", ["m.pt", "t.pt"])
def test_every_invariant_holds_on_our_checkpoints(toys: Path, name: str) -> None:
    findings = check_checkpoint(CheckConfig(ckpt=str(toys / name)))
    assert len(findings) == 6
    assert all(finding.held for finding in findings), findings


def test_the_command_exits_with_one_where_an_invariant_is_broken(
    toys: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from probe.models import ResidualModel

    assert main(["check", "--ckpt", str(toys / "m.pt")]) == 0
    decode = ResidualModel.decode
    monkeypatch.setattr(ResidualModel, "decode", lambda self, stream: decode(self, stream) + stream.shape[0])
    assert main(["check", "--ckpt", str(toys / "m.pt")]) == 0  # a wrong decoder used everywhere is still one decoder
    monkeypatch.setattr(ResidualModel, "decode", lambda self, stream: decode(self, stream) + stream.flip(0))
    capsys.readouterr()
    main(["check", "--ckpt", str(toys / "m.pt")])
    assert "the last layer decodes to the model's output" in capsys.readouterr().out
