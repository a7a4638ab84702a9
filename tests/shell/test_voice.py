"""Claims: what is said harms no terminal and ends quietly; foreign text does nothing wherever a command shows it."""

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from probe import checkpoints, cli
from probe.cli import main
from probe.errors import ProbeError
from probe.shell import voice

QUICK = ["--prompts", "64", "--score", "32", "--batch", "32"]
ODD = "=HYPERLINK()\x1b[31m$\\frac{<script>\u202e\nend"
LONG = ODD + "x" * 10_000
RAW = ("\x1b", "\u202e", "x" * 1000)


@pytest.mark.parametrize("arguments", [["--help"], ["fit", "--help"], ["list", "heads"], ["list", "heads", "--json"]])
def test_a_reader_that_has_gone_ends_a_command_quietly(arguments: list[str]) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "probe", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert running.stdout is not None and running.stderr is not None
    running.stdout.close()
    assert running.stderr.read() == b""
    assert running.wait(timeout=120) == 141
    running.stderr.close()


def test_an_answer_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no device that is always full")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-m", "probe", "--help"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert (
        done.stderr == "probe: The answer cannot be written to stdout (no space left on device). Write it elsewhere.\n"
    )


def test_letters_that_a_stream_has_not_are_replaced() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    voice.write(stream, "é\x1b[2J\nü")
    stream.seek(0)
    assert stream.read() == "??[2J\n?\n"
    voice.write(None, "nobody listens")


def test_an_interrupt_says_what_was_kept(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*given: object) -> int:
        raise KeyboardInterrupt

    for kind, arguments, said in (
        (cli.ListConfig, ["list"], "probe: interrupted; nothing was written\n"),
        (cli.SweepConfig, ["sweep", "t.csv", "--out", "x"], "the same command goes on\n"),
    ):
        monkeypatch.setitem(cli.RUN, kind, interrupted)
        assert main(arguments) == 130
        assert capsys.readouterr().err.endswith(said)


def test_quiet_says_nothing_on_the_way_and_plain_writes_ascii(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(config: cli.ListConfig, call: cli.Call) -> int:
        call.note("a note")
        with call.progress() as show:
            show("stage", 1, 2)
        call.say("é")
        return 0

    monkeypatch.setitem(cli.RUN, cli.ListConfig, work)
    for flags, out, err in (([], "é\n", "probe: note: a note\n"), (["--quiet"], "é\n", ""), (["--plain"], "?\n", None)):
        assert main(["list", *flags]) == 0
        printed = capsys.readouterr()
        assert printed.out == out
        assert err is None or printed.err == err
    assert main(["--quiet", "list"]) == 0


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toys: Path) -> Path:
    """A folder with a checkpoint whose name, task and architecture are what a stranger may write."""
    found = checkpoints.load(str(toys / "m.pt"))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    shutil.copy(toys / "t.pt", folder)
    description = {**found.description, "task": LONG, "arch": LONG}
    checkpoints.save(
        folder / f"{ODD}.pt", found.model, {key: value for key, value in description.items() if key != "model"}
    )
    summary = json.dumps(LONG)
    (folder / "index.toml").write_text(
        f"[{json.dumps(ODD)}]\nsummary = {summary}\n[t]\nsummary = 3\n", encoding="utf-8"
    )
    return tmp_path


def _check_said(capsys: pytest.CaptureFixture[str]) -> str:
    printed = capsys.readouterr()
    for said in (printed.out, printed.err):
        assert not [bad for bad in RAW if bad in said]
        assert not any(line.startswith("end") for line in said.splitlines())
    return printed.out


def _check_files(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.suffix in (".csv", ".json", ".html"):
            content = path.read_text(encoding="utf-8")
            assert not [bad for bad in RAW if bad in content], path
        if path.suffix == ".html":
            assert "frac{<script>" not in content
        if path.suffix == ".csv":
            with path.open(newline="") as file:
                assert not [cell for row in csv.reader(file) for cell in row if cell.startswith(("=", "@"))]


def test_foreign_text_does_nothing_wherever_a_command_shows_it(odd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    skip = ["--skip", "trend,matching,nulls,known,states,influence,causes"]
    both = ["--ckpt", ODD, "t.pt", "--task", "linear"]
    for arguments in (
        ["fit", *both, *QUICK],
        ["fit", *both, *QUICK, "--out", "svg.svg", "--json"],
        ["evaluate", *both, "--prompts", "64"],
        ["compare", *both, *QUICK],
        ["claim", "--ckpt", ODD, "--task", "linear", "--asked", "32", *skip, *QUICK],
        ["claim", "--ckpt", ODD, "--task", "linear", "--asked", "32", *skip, *QUICK, "--json"],
        ["convert", "--ckpt", ODD, "--out", f"{ODD} again.pt"],
        ["convert", "--ckpt", ODD, "--out", "again.pt", "--json"],
        ["list"],
        ["list", "checkpoints", "--json"],
    ):
        assert main(arguments) == 0, arguments
        said = _check_said(capsys)
        assert said
        if "--json" in arguments:
            assert isinstance(json.loads(said), dict)
    for arguments in (["check", "--ckpt", LONG], ["fit", f"--{ODD}"], [LONG], ["plot", LONG, "--out", "a.png"]):
        assert main(arguments) == 2
        _check_said(capsys)
    for record in (odd / "runs").glob("*.csv"):
        assert main(["plot", str(record), "--out", "again.svg"]) == 0
        _check_said(capsys)
    _check_files(odd)


def test_a_name_reaches_the_record_clean_and_the_same_everywhere(odd: Path) -> None:
    assert main(["fit", "--ckpt", ODD, "--task", "linear", *QUICK, "--out", "a"]) == 0
    name = "=HYPERLINK()?[31m$\\frac{<script>??end"
    assert list(json.loads((odd / "a.json").read_text())["models"]) == [name]
    from probe import records

    assert set(records.load("a").table["model"]) == {name}
    assert f"'{name}" in (odd / "a.csv").read_text()


def test_results_of_another_checkpoint_of_the_same_name_are_kept(tmp_path: Path, odd: Path) -> None:
    assert main(["fit", "--ckpt", "t", "--task", "linear", *QUICK]) == 0
    stem = odd / "runs" / "fit-t-linear-prompts-64-score-32-batch-32"
    first = Path(f"{stem}.csv").read_bytes()
    assert main(["fit", "--ckpt", "t", "--task", "linear", *QUICK]) == 0
    assert len(list((odd / "runs").glob("*.csv"))) == 1
    found = checkpoints.load("t")
    with torch.no_grad():
        found.model.read_out.weight.mul_(2.0)
    description = {key: value for key, value in found.description.items() if key != "model"}
    digest = checkpoints.save(odd / "t.pt", found.model, description)
    assert main(["fit", "--ckpt", "t.pt", "--task", "linear", *QUICK]) == 0
    assert Path(f"{stem}.csv").read_bytes() == first
    assert Path(f"{stem}-{digest[:8]}.csv").is_file()


def test_a_checkpoint_is_sought_where_the_message_says(odd: Path, monkeypatch: pytest.MonkeyPatch, toys: Path) -> None:
    with pytest.raises(ProbeError, match=r"sought here and in checkpoints.* Did you mean t\.pt"):
        checkpoints.find("tt.pt")
    with pytest.raises(ProbeError, match=r"There is no checkpoint m\.pt"):
        checkpoints.find("m.pt")
    monkeypatch.setenv("PROBE_CHECKPOINTS", str(toys))
    assert checkpoints.find("m") == toys / "m.pt"
    assert checkpoints.find("t") == Path("checkpoints/t.pt")
    assert checkpoints.find("mamba").name == "mamba.pt"
    with pytest.raises(ProbeError, match=r"sought in checkpoints\. Did you mean checkpoints/t\.pt"):
        checkpoints.find("checkpoints/tt")


def test_what_lies_beyond_training_is_said_and_recorded(odd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "99 examples lie beyond the training of m, which saw up to 4"
    shutil.copy(odd / "checkpoints" / f"{ODD}.pt", odd / "m.pt")
    for verb, more in (("fit", QUICK), ("evaluate", ["--prompts", "64"])):
        assert main([verb, "--ckpt", "m.pt", "--task", "linear", "--context", "99", "--out", verb, *more]) == 0
        assert capsys.readouterr().err.splitlines()[:-1] == [f"probe: note: {words}."], "the last line names a command"
        assert json.loads((odd / f"{verb}.json").read_text())["notes"] == [f"{words}."]
    assert main(["fit", "--ckpt", "m.pt", "--task", "linear", "--out", "b", "--quiet", *QUICK]) == 0
    assert capsys.readouterr().err == ""
