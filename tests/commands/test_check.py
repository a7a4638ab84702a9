"""Claims: what is checked holds on trained checkpoints, and is reported as broken where it is."""

import json
from pathlib import Path

import pytest

import probe
from probe.cli import main
from probe.commands.check import check
from probe.config import CheckConfig
from probe.errors import ProbeError
from probe.kernels.checks import check_operations
from probe.models import ResidualModel
from probe.records.kernels import kernels_summary


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


def test_kernels_have_a_table_a_record_and_a_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check", "--kernels", "--operation", "ssd"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == [
        "operation", "implementation", "numbers", "output", "gradient", "steps", "pieces", "prefixes", "batch", "to",
        "the", "bit",
    ]  # fmt: skip
    assert any(line.startswith("ssd        probe chunked") and line.endswith("same") for line in lines)
    assert any(line.startswith("--    ssd by mamba_ssm") for line in lines)
    assert lines[-1] == "wrote runs/check-kernels-operation-ssd.csv, runs/check-kernels-operation-ssd.json"
    record = probe.load("runs/check-kernels-operation-ssd")
    assert record.kind == "kernels"
    assert record.held
    assert set(record.table["tokens"].dropna()) == {1, 2, 63, 64, 65, 4097}
    assert sum(finding.held is True for finding in record.findings) == len(record.table[record.table["check"].notna()])
    told = kernels_summary(record)
    assert told["held"]
    assert told["checks"] == int(lines[-2].split()[0].replace(",", ""))
    assert told["gaps"]["ssd"]["probe chunked"]["float64, cpu"]["output"] < 1e-12
    with pytest.raises(ProbeError, match="no picture of it"):
        record.plot()


@pytest.fixture
def briefly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two tokens of one operation, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    short = lambda names, report: check_operations(names[:1], report, (2,))  # noqa: E731
    monkeypatch.setattr("probe.commands.check.check_operations", short)


@pytest.mark.usefixtures("briefly")
@pytest.mark.parametrize(("form", "starts"), [("csv", "operation,"), ("markdown", "largest gap"), ("json", '{"held')])
def test_what_was_found_of_kernels_is_printed_as_asked_for(
    capsys: pytest.CaptureFixture[str], form: str, starts: str
) -> None:
    assert main(["check", "--kernels", "--format", form, "--out", "mine"]) == 0
    assert capsys.readouterr().out.startswith(starts)
    assert Path("mine.csv").is_file()


@pytest.mark.usefixtures("briefly")
def test_a_wrong_kernel_exits_with_two(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from probe.kernels.ssd import chunked

    own = chunked.ssd
    monkeypatch.setattr(chunked, "ssd", lambda *given: own(*given) + 1)
    assert main(["check", "--kernels", "--operation", "ssd"]) == 2
    shown = capsys.readouterr().out
    assert "FAIL  ssd by probe chunked, float32 on cpu, 2 tokens, output: output off by" in shown
    assert not probe.load("runs/check-kernels-operation-ssd").held
    assert main(["check", "--kernels", "--operation", "ssd", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert not told["held"]
    assert told["failed"][0]["check"] == "ssd by probe chunked, float64 on cpu, 2 tokens, output"


@pytest.mark.usefixtures("briefly")
def test_kernels_beside_a_checkpoint_have_a_line_each(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--kernels", "--operation", "ssd", "--ckpt", str(toys / "m.pt")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("ok    probe chunked computes ssd as the reference does (") for line in lines)
    assert any("the last layer decodes to the model's output" in line for line in lines)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--operation", "ssd"], "Add --kernels"),
        (["--kernels", "--operation", "sdd"], "Did you mean ssd"),
        (["--ckpt", "m.pt", "--out", "x"], "only what --kernels finds alone is written"),
        (["--ckpt", "m.pt", "--format", "csv"], "is no table of a record"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(
    toys: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, flags: list[str], sentence: str
) -> None:
    monkeypatch.chdir(toys)
    assert main(["check", *flags]) == 2
    assert sentence in capsys.readouterr().err


def test_nothing_to_check_is_refused_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 2
    assert "Add --ckpt or --kernels." in capsys.readouterr().err
