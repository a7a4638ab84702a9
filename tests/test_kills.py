"""A training that is stopped at any moment, by any signal, ends at the bits and the log of one that never was.

PROBE_KILLS says how many times; 4 unless given.
"""

import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from probe import checkpoint, records

ROOT = Path(__file__).parents[1]
KILLS = int(os.environ.get("PROBE_KILLS", "4"))
AT_ONCE = 4  # kills of one training, at most
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")
FLAGS = (
    "--layout M1AF --task linear --dim 2 --width 8 --context 3 --batch 8 --steps 400 --warmup 5 --dropout 0.1 "
    "--curriculum True --kernel reference --threads 1 --save-seconds 0.2 --keep 20,300"
).split()
LONGEST = 300.0


def _train(*flags: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "probe", "train", *flags],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _bits(path: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(str(path)).model.state_dict()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "a.pt"
    running = _train(*FLAGS, "--out", str(out))
    said = running.communicate(timeout=LONGEST)[1]
    assert running.returncode == 0, said
    return out


def _kill(running: subprocess.Popen[str], name: str, state: Path, drawn: random.Random, out: Path) -> bool:
    """Ends a training at a random moment once it is under way; returns whether it had not ended by itself."""
    before, deadline = state.stat().st_mtime_ns if state.exists() else 0, time.monotonic() + LONGEST
    while running.poll() is None and time.monotonic() < deadline:
        if state.exists() and state.stat().st_mtime_ns > before:
            break
        time.sleep(0.01)
    time.sleep(drawn.random() * 0.5)
    running.send_signal(getattr(signal, name))
    said = running.communicate(timeout=LONGEST)[1]
    if running.returncode == 0:
        return False
    if name == "SIGKILL":
        assert running.returncode == -signal.SIGKILL
    else:
        assert running.returncode == 128 + getattr(signal, name), said
        go_on = shlex.join(["probe", "train", "--resume", "--out", str(out)])
        assert said.startswith("probe: ") and said.count("\n") == 1, said
        assert "; saved at step " in said and said.endswith(f"; go on with: {go_on}\n")
    return True


@pytest.mark.parametrize("first", range(0, KILLS, AT_ONCE))
def test_a_training_that_was_killed_is_as_one_that_never_was(whole: Path, tmp_path: Path, first: int) -> None:
    drawn, out = random.Random(first), tmp_path / "a.pt"
    state, flags, kills = tmp_path / "a.pt.state", FLAGS, 0
    for number in range(first, min(first + AT_ONCE, KILLS)):
        kills += _kill(_train(*flags, "--out", str(out)), SIGNALS[number % len(SIGNALS)], state, drawn, out)
        if state.exists():
            flags = ["--resume"]
    assert kills > 0
    ended = _train(*flags, "--out", str(out))
    said = ended.communicate(timeout=LONGEST)[1]
    assert ended.returncode == 0, said
    for name in ("a.pt", "a-steps/a-step-000020.pt", "a-steps/a-step-000300.pt"):
        one, other = _bits(tmp_path / name), _bits(whole.parent / name)
        assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one), name
    logs = [records.load(path / "a-training") for path in (tmp_path, whole.parent)]
    assert logs[0].table.drop(columns="seconds").equals(logs[1].table.drop(columns="seconds"))
    assert logs[0].provenance["errors"] == logs[1].provenance["errors"]
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.endswith(".tmp")) == [
        "a-steps", "a-training.csv", "a-training.json", "a.pt", "a.pt.state"
    ]  # fmt: skip
