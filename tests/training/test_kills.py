"""A training that is stopped at any moment, by any signal, ends at the bits and the log of one that never was.

PROBE_KILLS says how many times; 8 unless given.
"""

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest
import torch

from probe import checkpoints, records

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("PROBE_KILLS", "8"))
AT_ONCE = 4  # kills of one training, at most
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")
FLAGS = (
    "--layout M1AF --task linear --dim 2 --width 8 --context 3 --batch 8 --steps 300 --warmup 5 --dropout 0.1 "
    "--curriculum True --kernel reference --threads 1 --save-seconds 0.1 --keep 20,200"
).split()
LONGEST = 300.0

SERVER = """
import json, os, signal, sys
import probe.commands.train
from probe.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored here, as by what a shell starts behind it
signal.signal(signal.SIGHUP, signal.SIG_DFL)
for line in sys.stdin:
    flags, log = json.loads(line)
    child = os.fork()
    if child == 0:
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = main(flags)
        sys.stderr.flush()
        os._exit(code)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Server:
    """Starts trainings as processes of their own that need not import everything again."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.asks: IO[str] = self.process.stdin
        self.tells: IO[str] = self.process.stdout

    def start(self, *flags: str) -> int:
        self.asks.write(json.dumps((["train", *flags], str(self.log))) + "\n")
        self.asks.flush()
        return int(self.tells.readline())

    def finish(self) -> tuple[int, str]:
        return int(self.tells.readline()), self.log.read_text()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    served = Server(tmp_path_factory.mktemp("log") / "stderr")
    yield served
    served.asks.close()
    served.process.wait(LONGEST)
    served.tells.close()


@pytest.fixture(scope="module")
def whole(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "a.pt"
    server.start(*FLAGS, "--out", str(out))
    assert server.finish() == (0, next_command(out))
    return out


def next_command(out: Path) -> str:
    """Returns all that a training says that ended by itself."""
    return f"probe: next: probe fit --ckpt {out} --task linear\n"


def _bits(path: Path) -> dict[str, torch.Tensor]:
    return checkpoints.load(str(path)).model.state_dict()


def _killed(server: Server, name: str, flags: list[str], out: Path, drawn: random.Random) -> bool:
    """Ends a training at a random moment once it is under way; returns whether it had not ended by itself."""
    state = out.with_name("a.pt.state")
    before, deadline = state.stat().st_mtime_ns if state.exists() else 0, time.monotonic() + LONGEST
    child = server.start(*flags, "--out", str(out))
    while time.monotonic() < deadline and not (state.exists() and state.stat().st_mtime_ns > before):
        time.sleep(0.002)
    time.sleep(drawn.random() * 0.3)
    with suppress(ProcessLookupError):
        os.kill(child, getattr(signal, name))
    code, said = server.finish()
    if code == 0:
        return False
    if name == "SIGKILL":
        assert code == -signal.SIGKILL
        return True
    go_on = shlex.join(["probe", "train", "--resume", "--out", str(out)])
    assert code == 128 + getattr(signal, name), said
    assert said.startswith("probe: ") and said.count("\n") == 1, said
    assert "; saved at step " in said and said.endswith(f"; go on with: {go_on}\n")
    return True


@pytest.mark.parametrize("first", range(0, KILLS, AT_ONCE))
def test_a_training_that_was_killed_is_as_one_that_never_was(
    server: Server, whole: Path, tmp_path: Path, first: int
) -> None:
    drawn, out, flags, kills = random.Random(first), tmp_path / "a.pt", FLAGS, 0
    for number in range(first, min(first + AT_ONCE, KILLS)):
        kills += _killed(server, SIGNALS[(number + first // AT_ONCE) % len(SIGNALS)], flags, out, drawn)
        flags = ["--resume"]
    print(f"{kills} kills")
    assert kills > 0
    server.start(*flags, "--out", str(out))
    assert server.finish() == (0, next_command(out))
    for name in ("a.pt", "a-steps/a-step-000020.pt", "a-steps/a-step-000200.pt"):
        one, other = _bits(tmp_path / name), _bits(whole.parent / name)
        assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one), name
    logs = [records.load(path / "a-training") for path in (tmp_path, whole.parent)]
    assert logs[0].table.drop(columns="seconds").equals(logs[1].table.drop(columns="seconds"))
    assert logs[0].provenance["errors"] == logs[1].provenance["errors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a-steps", "a-training.csv", "a-training.json", "a.pt", "a.pt.state"
    ]  # fmt: skip
