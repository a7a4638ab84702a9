"""Every command runs through main, writes whole files or none, and answers bad input with a sentence and exit 2."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch

from probe import checkpoints
from probe.cli import main
from probe.records import COLUMNS

QUICK = ["--prompts", "64", "--score", "32", "--batch", "32"]
TRAIN = "train --layout M1 --task linear --dim 2 --width 8 --context 3 --batch 8 --steps 5".split()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toys: Path) -> Path:
    """An empty working folder whose checkpoints/ holds the toys."""
    (tmp_path / "checkpoints").mkdir()
    for file in toys.glob("*.pt"):
        shutil.copy(file, tmp_path / "checkpoints")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_fit_writes_the_record_and_the_picture_under_their_default_names(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", "--ckpt", "m.pt", "t.pt", "--task", "linear:x_scale=2", *QUICK]) == 0
    stem = "fit-m-t-linear-x_scale-2-prompts-64-score-32-batch-32"
    assert sorted(path.name for path in (here / "runs").iterdir()) == [
        f"{stem}.{end}" for end in ("csv", "json", "png")
    ]
    assert list(pd.read_csv(here / "runs" / f"{stem}.csv").columns) == [*COLUMNS, "penalty"]
    about = json.loads((here / "runs" / f"{stem}.json").read_text())
    assert about["command"].startswith("probe fit --ckpt m.pt t.pt")
    assert about["models"]["m"]["digest"]
    assert "least_squares" in capsys.readouterr().out


def test_fit_prints_a_summary_as_json_for_scripts(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--ckpt", "m", "--task", "linear", "--json", "--out", "out/a", *QUICK]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["context"] == 4
    assert set(summary["error"]["m"]["linear"]) == {"0", "1", "2"}


def test_evaluate_and_compare_write_records_and_pictures_that_can_be_redrawn(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated = ["evaluate", "--ckpt", "m", "t", "--task", "linear", "--prompting", "standard", "skewed"]
    assert main([*evaluated, "--prompts", "64", "--learner", "least_squares", "gd:steps=3"]) == 0
    printed = capsys.readouterr().out
    assert "skewed" in printed
    assert "gd:steps=3" in printed
    assert main(["compare", "--ckpt", "m", "t", "--task", "linear", "--depth", "flops", *QUICK]) == 0
    assert "The checkpoint" in capsys.readouterr().out
    stems = sorted(path.with_suffix("") for path in (here / "runs").glob("*.csv"))
    assert [stem.name.split("-linear-")[0] for stem in stems] == ["compare-m-t", "evaluate-m-t"]
    for stem in stems:
        record, picture = Path(f"{stem}.csv"), Path(f"{stem}.png")
        assert main(["plot", str(record), "--out", "again.png", "--kind", "auto"]) == 0
        assert main(["plot", str(record), "--out", "again.png"]) == 0
        assert picture.read_bytes() == (here / "again.png").read_bytes()
    assert main(["plot", str(stems[0]), str(stems[1]), "--out", "again.png"]) == 2
    assert "a picture shows records of one kind" in capsys.readouterr().err
    assert main([*evaluated, "--prompts", "64", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["skewed"]["error"]["m"]["model"] > 0
    assert main(["compare", "--ckpt", "m", "t", "--task", "linear", "--json", *QUICK]) == 0
    assert len(json.loads(capsys.readouterr().out)["verdict"]) == 4


def test_a_saved_record_redraws_its_figure_bit_for_bit(here: Path) -> None:
    assert main(["fit", "--ckpt", "m", "--task", "linear", "--out", "a", *QUICK]) == 0
    assert main(["plot", "a.csv", "--out", "again.png"]) == 0
    assert (here / "a.png").read_bytes() == (here / "again.png").read_bytes()


def test_every_kind_of_picture_is_drawn_in_every_format(here: Path) -> None:
    heads = ["--head", "linear", "lens", "calibrated"]
    assert main(["fit", "--ckpt", "m", "t", "--task", "linear", *heads, "--out", "a", *QUICK]) == 0
    assert main([*TRAIN, "--out", "new.pt"]) == 0
    for kind in ("layers", "contexts", "heatmap", "calibration", "training"):
        record = "new-training.csv" if kind == "training" else "a.csv"
        for ending in ("png", "pdf", "svg"):
            assert main(["plot", record, "--kind", kind, "--out", f"{kind}.{ending}"]) == 0
            assert (here / f"{kind}.{ending}").stat().st_size > 1000
    assert main(["plot", "a.csv", "--depth", "flops", "--context", "2", "--out", "flops.svg"]) == 0


def test_train_writes_checkpoint_state_and_log_and_resumes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--out", "new.pt"]) == 0
    assert sorted(path.name for path in here.glob("new*")) == [
        "new-training.csv", "new-training.json", "new.pt", "new.pt.state",
    ]  # fmt: skip
    assert "next: probe fit --ckpt new.pt --task linear" in capsys.readouterr().err
    assert main(["train", "--out", "new.pt", "--resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["step"] == 5
    assert main(["fit", "--ckpt", "new.pt", "--task", "linear", *QUICK]) == 0


def test_list_names_tasks_architectures_heads_learners_and_checkpoints(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    for word in ("skewed_linear", "transformer", "calibrated", "least_squares", "m.pt"):
        assert word in printed
    assert main(["list", "tasks"]) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["fit", "--ckpt", "nowhere.pt", "--task", "linear"],
        ["fit", "--ckpt", "m", "--task", "linaer"],
        ["fit", "--ckpt", "m", "--task", "linear", "--dim", "20"],
        ["fit", "--ckpt", "t", "--task", "linear", "--context", "50"],
        ["fit", "--ckpt", "m", "--task", "linear", "--prompts", "9"],
        ["fit", "--ckpt", "truncated.pt", "--task", "linear"],
        ["fit", "--ckpt", "text.pt", "--task", "linear"],
        ["fit", "--ckpt", "flipped.pt", "--task", "linear"],
        ["fit", "--ckpt", "nan.pt", "--task", "linear"],
        ["fit", "--ckpt", "malicious.pt", "--task", "linear"],
        ["fit", "--ckpt", "m", "--task", "linear", "--out", "text.pt/below", *QUICK],
        ["fit", "--ckpt", "m", "--task", "linear", "--out", "folder", *QUICK],
        [*TRAIN, "--out", "text.pt/below.pt"],
        [*TRAIN, "--out", "folder"],
        [*TRAIN, "--out", "a.pt", "--arch", "mamba"],
        ["train", "--out", "a.pt", "--resume"],
        ["plot", "nothing.csv", "--out", "a.png"],
        ["plot", "text.pt", "--out", "a.png"],
        ["check", "--ckpt", "text.pt"],
        ["evaluate", "--ckpt", "m", "--task", "linear", "--prompting", "skew"],
        ["evaluate", "--ckpt", "m", "--task", "linear", "--learner", "guess"],
        ["evaluate", "--ckpt", "m", "--task", "sparse_parity:size=1", "--prompting", "skewed"],
        ["evaluate", "--ckpt", "m", "--task", "vector_mqar:queries=1"],
        ["evaluate", "--ckpt", "t", "--task", "linear", "--context", "50"],
        ["evaluate", "--ckpt", "m", "--task", "linear", "--out", "folder", "--prompts", "64"],
        ["compare", "--ckpt", "m", "--task", "linear"],
        ["compare", "--ckpt", "m", "t", "--task", "linear", "--out", "text.pt/below", *QUICK],
    ],
)
def test_bad_input_gets_one_sentence_and_exit_2(
    here: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (here / "checkpoints" / "m.pt").read_bytes()
    (here / "truncated.pt").write_bytes(whole[: len(whole) // 2])
    _write_spoilt(here, whole)
    (here / "text.pt").write_text("not a checkpoint")
    (here / "folder.csv").mkdir()
    (here / "folder").mkdir()
    before = sorted(here.rglob("*"))
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("probe: ")
    assert len(printed.err.strip().splitlines()) == 1
    assert "Traceback" not in printed.err
    assert printed.out == ""
    assert sorted(here.rglob("*")) == before  # nothing half-written, and the malicious file's code was not run


class _Malicious:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch it-ran",)


def _write_spoilt(folder: Path, whole: bytes) -> None:
    """Writes a checkpoint with one flipped bit in a weight, one with a NaN, and a pickle that would run a command."""
    found = checkpoints.load(str(folder / "checkpoints" / "m.pt"))
    weight = found.model.read_out.weight.numpy().tobytes()
    flipped = bytearray(whole)
    flipped[whole.find(weight) + 1] ^= 4
    (folder / "flipped.pt").write_bytes(flipped)
    found.model.read_out.weight[0, 0] = float("nan")
    checkpoints.save(folder / "nan.pt", found.model, found.description)
    torch.save({"probe": 1, "weights": _Malicious()}, folder / "malicious.pt")


@pytest.mark.parametrize(
    "arguments",
    [[], ["fit"], ["fit", "--ckpt", "m", "--task", "linear", "--prompts", "many"], ["sing"], ["fit", "--ckp", "m"]],
)
def test_flags_that_cannot_be_read_exit_2(here: Path, arguments: list[str]) -> None:
    assert main(arguments) == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["fit", "--ckpt", "mm.pt", "--task", "linear"], "Did you mean m.pt?"),
        (["fit", "--ckpt", "m", "--tasks", "linear"], "Did you mean --task?"),
        (["ft", "--ckpt", "m"], "Did you mean fit?"),
        (["fit", "m.pt"], "Did you mean --ckpt m.pt?"),
        (["fit", "--ckpt", "m", "--task", "linaer"], "Did you mean linear?"),
        (["fit", "--ckpt", "m", "--task", "linear", "--head", "lense"], "Did you mean lens?"),
        (["train", "--out", "a.pt", "--task", "linear", "--arch", "mambo"], "Did you mean mamba?"),
        (["evaluate", "--ckpt", "m", "--task", "linear", "--learner", "rige"], "Did you mean ridge?"),
        (["evaluate", "--ckpt", "m", "--task", "linear", "--prompting", "isotropc"], "Did you mean isotropic?"),
        (["plot", "a.csv", "--out", "a.png", "--kind", "heatmp"], "Did you mean heatmap?"),
        (["fit", "--ckpt", "m", "--task", "linear", "--out", ".", *QUICK], "a name for files is needed"),
        (["fit", "--ckpt", "m" * 5000, "--task", "linear"], "cannot be used (File name too long)"),
    ],
)
def test_a_mistake_is_answered_by_what_may_be_meant(
    here: Path, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert len(printed.err.splitlines()) == 1
    assert printed.out == ""


def test_the_version_is_said_alone_and_of_any_command(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--version"], ["version"], ["fit", "--version"]):
        assert main(arguments) == 0
        assert capsys.readouterr().out.startswith("python 3")
    assert main(["help", "fit"]) == 0
    assert capsys.readouterr().out.startswith("usage: probe fit")
    assert main([]) == 2
    assert capsys.readouterr().err.startswith("usage: probe COMMAND")


def test_help_exits_0_and_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    for command in ("train", "fit", "evaluate", "compare", "plot", "check", "list"):
        assert command in printed
    assert main(["fit", "--help"]) == 0


def test_an_interrupt_exits_130_and_leaves_whole_files(here: Path) -> None:
    arguments = [*TRAIN[:-1], "100000", "--save-seconds", "0.05", "--out", "long.pt"]
    # a shell lets what it starts in the background ignore interrupts, and the tests may have been started so
    heeding = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = f"{heeding}; from probe.cli import main; sys.exit(main({arguments!r}))"
    running = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (here / "long.pt").exists() and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    said = r"probe: interrupted; saved at step \d+; go on with: probe train --resume --out long\.pt\n"
    assert re.fullmatch(said, errors)
    assert main(["fit", "--ckpt", "long.pt", "--task", "linear", *QUICK]) == 0
    assert not [path for path in here.iterdir() if path.name.startswith(".")]


def test_help_and_import_load_no_torch_and_no_optional_library() -> None:
    heavy = "torch numpy pandas matplotlib sklearn numba triton transformers transformer_lens nnsight xgboost".split()
    script = (
        "import sys, probe, probe.cli\n"
        "try: probe.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        f"loaded = [name for name in {heavy} if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    environment = {**os.environ, "COLUMNS": "80"}
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL, env=environment)


def test_the_core_loads_no_optional_library(here: Path) -> None:
    heavy = "triton transformers transformer_lens nnsight xgboost mamba_ssm".split()
    script = (
        "import sys, probe.cli\n"
        f"code = probe.cli.main(['fit', '--ckpt', 'm', '--task', 'linear', *{QUICK}])\n"
        f"loaded = [name for name in {heavy} if name in sys.modules]\n"
        "assert code == 0 and not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)
