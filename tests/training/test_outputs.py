"""A training's files have an owner, are exchanged as one, and what is there is replaced only if asked."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import probe
from probe import checkpoints, records
from probe.cli import main
from probe.commands.claim import STAGES
from probe.config import TrainConfig
from probe.errors import ProbeError
from probe.files import owned
from probe.training import state

ROOT = Path(__file__).parents[2]
TOY = TrainConfig(out="", task="linear", layout="M1AF", dim=2, width=8, context=3, batch=4, steps=60, warmup=5)


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _stopped(config: TrainConfig) -> None:
    def stop(text: str, step: int, steps: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        probe.train(config, report=stop)


def _weights(path: Path) -> dict[str, torch.Tensor]:
    return checkpoints.load(str(path)).model.state_dict()


def _same(one: Path, other: Path) -> bool:
    return all(torch.equal(tensor, _weights(other)[name]) for name, tensor in _weights(one).items())


def test_a_finished_training_is_replaced_only_if_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    probe.train(replace(TOY, out=str(tmp_path / "a.pt"), steps=3))
    before = _contents(tmp_path)
    flags = "--task linear --layout AF --dim 2 --width 8 --context 3 --batch 4 --steps 2".split()
    assert main(["train", *flags, "--out", str(tmp_path / "a.pt")]) == 2
    assert "is there already" in (said := capsys.readouterr().err)
    assert "--overwrite" in said
    assert _contents(tmp_path) == before
    assert main(["train", *flags, "--out", str(tmp_path / "a.pt"), "--overwrite"]) == 0
    assert checkpoints.load(str(tmp_path / "a.pt")).description["step"] == 2


def test_an_unfinished_training_is_gone_on_with_or_begun_anew_only_if_asked(tmp_path: Path) -> None:
    config = replace(TOY, out=str(tmp_path / "a.pt"))
    _stopped(config)
    before = _contents(tmp_path)
    with pytest.raises(ProbeError, match="Go on with --resume, begin anew with --overwrite"):
        probe.train(config)
    with pytest.raises(ProbeError, match="both were given"):
        probe.train(replace(config, resume=True, overwrite=True))
    assert _contents(tmp_path) == before
    first = probe.train(replace(config, overwrite=True)).provenance["run"]
    assert first != json.loads(before["a-training.json"])["run"]


def test_a_second_training_of_one_output_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    flags = "--task linear --layout AF --dim 2 --width 8 --context 3 --batch 4 --steps 100 --save-seconds 0".split()
    command = [sys.executable, "-m", "probe", "train", *flags, "--out", str(tmp_path / "a.pt")]
    both = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [running.communicate()[1] for running in both]
    assert sorted(running.returncode for running in both) == [0, 2]
    refused = next(text for text, running in zip(said, both, strict=True) if running.returncode)
    assert "is being written by" in refused or "is there already" in refused or "has not ended" in refused
    assert checkpoints.load(str(tmp_path / "a.pt")).description["step"] == 100
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a-training.csv", "a-training.json", "a.pt", "a.pt.state"
    ]  # fmt: skip


def test_every_verb_that_writes_is_refused_where_another_writes(toys: Path, tmp_path: Path) -> None:
    ckpt = str(toys / "m.pt")
    few = ["--task", "linear", "--prompts", "16", "--score", "16", "--out", str(tmp_path / "a")]
    table = tmp_path / "table.csv"
    table.write_text("task,layout,dim,width,context,batch,steps\nlinear,AF,2,8,3,4,2\n")
    commands = {
        "a.csv": ["fit", "--ckpt", ckpt, *few],
        "a.json": ["compare", "--ckpt", ckpt, str(toys / "t.pt"), *few],
        "a.html": ["claim", "--ckpt", ckpt, *few],
        "a.png": ["evaluate", "--ckpt", ckpt, *few[:4], *few[6:]],
        "b.png": ["plot", str(toys / "m-training.csv"), "--kind", "training", "--out", str(tmp_path / "b.png")],
        "c.pt": ["convert", "--ckpt", ckpt, "--out", str(tmp_path / "c.pt")],
        "sweep.csv": ["sweep", str(table), "--out", str(tmp_path)],
    }
    for name, command in commands.items():
        with owned(tmp_path / name):
            assert main(command) == 2, command
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 120 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=120k", "none", str(folder)], capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("a small disk can be mounted by root alone")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_a_sentence_and_the_last_state_goes_on(small: Path, tmp_path: Path) -> None:
    """State and checkpoint take 75 KiB: they fit once, and a second time only as long as nothing else lies there."""
    whole, config = replace(TOY, out=str(tmp_path / "a.pt")), replace(TOY, out=str(small / "a.pt"))
    probe.train(whole)
    _stopped(config)
    before = _contents(small)
    for name in ("a.pt", "a.pt.state", "a-training.json"):
        assert name in before
    with pytest.raises(
        ProbeError, match=r"cannot be written \(no space left on device\)\. The old file is kept"
    ) as full:
        probe.train(TrainConfig(out=config.out, resume=True))
    assert len(str(full.value)) < 500
    assert _contents(small) == before
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    probe.train(TrainConfig(out=str(tmp_path / "a.pt"), resume=True))
    probe.train(replace(TOY, out=str(tmp_path / "whole.pt")))
    assert _same(tmp_path / "a.pt", tmp_path / "whole.pt")


KILLED = """
import os, sys
import probe
from probe.config import TrainConfig

def killed(one, other):
    global left
    left -= 1
    if left < 0:
        os._exit(9)
    moved(one, other)

moved, left, os.replace = os.replace, int(sys.argv[2]), killed
probe.train(TrainConfig(out=sys.argv[1], resume=True))
"""


@pytest.mark.parametrize("moves", range(5))
def test_a_kill_between_moves_leaves_state_checkpoint_and_log_of_one_step(tmp_path: Path, moves: int) -> None:
    out = tmp_path / "a.pt"
    _stopped(replace(TOY, out=str(out)))
    killed = subprocess.run([sys.executable, "-c", KILLED, str(out), str(moves)], cwd=ROOT)
    assert killed.returncode == 9
    log = records.load(tmp_path / "a-training")  # finishes what was begun
    step = 50 if moves == 0 else 60
    assert log.provenance["step"] == step and log.table["step"].iloc[-1] == step
    assert state.load(state.path_of(out)).step == step
    found = checkpoints.load(str(out))
    assert found.description["step"] == step and found.digest == log.provenance["digest"]


def test_steps_are_kept_as_checkpoints_that_a_stopped_training_keeps_too(tmp_path: Path) -> None:
    probe.train(replace(TOY, out=str(tmp_path / "whole.pt"), keep=(0, "10,55", 60)))
    kept = sorted(path.name for path in (tmp_path / "whole-steps").iterdir())
    assert kept == [f"whole-step-{step:06}.pt" for step in (0, 10, 55, 60)]
    parted = replace(TOY, out=str(tmp_path / "parted.pt"), keep=(0, 10, 55, 60))
    _stopped(parted)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "parted-steps").iterdir()}
    assert len(written) == 2
    probe.train(TrainConfig(out=parted.out, resume=True))
    assert {path: path.stat().st_mtime_ns for path in written} == written
    for step in (0, 10, 55, 60):
        one, other = (tmp_path / f"{name}-steps" / f"{name}-step-{step:06}.pt" for name in ("whole", "parted"))
        assert _same(one, other)
        found = checkpoints.load(str(one))
        assert found.name == f"whole-step-{step:06}" and found.description["step"] == step
        assert len(found.description["errors"]) == 4
    assert _same(tmp_path / "whole.pt", tmp_path / "whole-steps" / "whole-step-000060.pt")
    first = probe.train(replace(TOY, out=str(tmp_path / "plain.pt")))
    assert first.provenance["settings"]["keep"] == [] or first.provenance["settings"]["keep"] == ()
    assert _same(tmp_path / "plain.pt", tmp_path / "whole.pt")


def test_a_damaged_step_is_written_anew_and_those_of_another_training_are_dropped(tmp_path: Path) -> None:
    config = replace(TOY, out=str(tmp_path / "a.pt"), keep=(10, 55))
    _stopped(config)
    (tmp_path / "a-steps" / "a-step-000055.pt").write_bytes(b"half")
    probe.train(TrainConfig(out=config.out, resume=True))
    assert checkpoints.load(str(tmp_path / "a-steps" / "a-step-000055.pt")).description["step"] == 55
    (tmp_path / "a-steps" / "notes.txt").write_text("mine")
    probe.train(replace(config, seed=1, keep=(20,), overwrite=True))
    assert sorted(os.listdir(tmp_path / "a-steps")) == ["a-step-000020.pt", "notes.txt"]


@pytest.mark.parametrize(
    ("keep", "said"),
    [((61,), "--keep 61"), (("10;20",), "--keep 10;20"), (("often",), "geometric"), ((-1,), "--keep -1")],
)
def test_steps_that_are_none_are_refused(tmp_path: Path, keep: tuple[int | str, ...], said: str) -> None:
    with pytest.raises(ProbeError, match=said):
        probe.train(replace(TOY, out=str(tmp_path / "a.pt"), keep=keep))
    assert list(tmp_path.iterdir()) == []


def test_a_step_that_is_past_is_refused(tmp_path: Path) -> None:
    config = replace(TOY, out=str(tmp_path / "a.pt"))
    _stopped(config)
    with pytest.raises(ProbeError, match="is at step 50 already"):
        probe.train(TrainConfig(out=config.out, resume=True, keep=(20, 55)))
    probe.train(TrainConfig(out=config.out, resume=True, keep=(55,)))
    assert os.listdir(tmp_path / "a-steps") == ["a-step-000055.pt"]


def test_a_folder_of_steps_is_all_its_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    probe.train(replace(TOY, out=str(tmp_path / "a.pt"), steps=4, keep=("geometric",)))
    folder, names = str(tmp_path / "a-steps"), [f"a-step-{step:06}" for step in (0, 1, 2, 4)]
    few = ["--task", "linear", "--prompts", "64", "--score", "32", "--batch", "32"]
    assert main(["fit", "--ckpt", folder, *few, "--out", str(tmp_path / "fit")]) == 0
    assert list(records.load(tmp_path / "fit").provenance["models"]) == names
    assert main(["compare", "--ckpt", folder, *few, "--out", str(tmp_path / "compare")]) == 0
    compared = records.load(tmp_path / "compare")
    assert (compared.table["band"] == "prompts").all()  # steps are no seeds
    flags = ["evaluate", "--ckpt", folder, str(tmp_path / "a.pt"), "--task", "linear", "--prompts", "32"]
    assert main([*flags, "--out", str(tmp_path / "evaluate")]) == 0
    assert list(records.load(tmp_path / "evaluate").provenance["models"]) == [*names, "a"]
    skipped = ["--asked", "32", "--skip", *(name for name in STAGES if name != "curve")]
    assert main(["claim", "--ckpt", folder, *few, *skipped, "--out", str(tmp_path / "claim")]) == 0
    assert list(records.load(tmp_path / "claim").provenance["verdicts"]) == names
    capsys.readouterr()
    for verb in (["check"], ["convert"]):
        out = [] if verb == ["check"] else ["--out", str(tmp_path / "x.pt")]
        assert main([verb[0], "--ckpt", folder, *verb[1:], *out]) == 2
        assert f"a-steps{os.sep}a-step-000004.pt" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_other_verbs_end_with_a_sentence_and_leave_no_half(toys: Path, tmp_path: Path, name: str, code: int) -> None:
    flags = ["--ckpt", str(toys / "m.pt"), "--task", "linear", "--prompts", "10000000", "--out", str(tmp_path / "a")]
    before = signal.signal(getattr(signal, name), signal.SIG_DFL)  # it may be ignored here, as under nohup
    running = subprocess.Popen(
        [sys.executable, "-m", "probe", "fit", *flags], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    signal.signal(getattr(signal, name), before)
    deadline = time.monotonic() + 200
    while not (tmp_path / ".a.csv.lock").exists() and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(getattr(signal, name))
    said = running.communicate(timeout=200)[1]
    assert (running.returncode, said) == (code, f"probe: ended by {name}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_record_whose_picture_fails_is_written_all_the_same(
    toys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*given: object) -> bytes:
        raise ProbeError("no picture")

    monkeypatch.setattr("probe.plots.rendered", fail)
    few = ["--task", "linear", "--prompts", "32", "--out", str(tmp_path / "a")]
    assert main(["evaluate", "--ckpt", str(toys / "m.pt"), *few]) == 2
    assert "no picture" in capsys.readouterr().err
    assert len(records.load(tmp_path / "a").table) and not (tmp_path / "a.png").exists()
