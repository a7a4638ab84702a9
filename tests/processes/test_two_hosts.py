"""Claims: torchrun over two hosts finds what one process finds; one host that is lost ends the other, and it resumes.

The hosts are network namespaces with a cable between them (two_hosts.sh), for which root and iproute2 are needed.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from probe import checkpoints
from probe.cli import main

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).parent / "two_hosts.sh"
FLAGS = "--layout M1F --task many_outlier --dim 2 --width 8 --context 6 --batch 7 --clip 0.05 --threads 1".split()
LONGEST = 240.0

Started = list[subprocess.Popen[str]]


@pytest.fixture(scope="module")
def name() -> Iterator[str]:
    """What both hosts are called, before their number."""
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("unshare") is None:
        pytest.skip("two hosts are made by root with iproute2's ip and unshare")
    hosts = f"p{os.getpid()}"
    made = subprocess.run(["bash", str(SCRIPT), "up", hosts], capture_output=True, text=True)
    try:
        if made.returncode:
            pytest.skip(f"network namespaces cannot be made here: {made.stderr.strip()}")
        yield hosts
    finally:
        subprocess.run(["bash", str(SCRIPT), "down", hosts], capture_output=True)


def train(name: str, folder: Path, *flags: str) -> Started:
    """Starts the line of the documentation on each host."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"]
    meeting = ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"{name}-1:{port}", "--rdzv-id", "mine"]
    known = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return [
        subprocess.Popen(
            ["bash", str(SCRIPT), "on", f"{name}-{host}", *torchrun, *meeting, "-m", "probe", "train", *flags],
            cwd=folder,
            env=known,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for host in (1, 2)
    ]


def ended(started: Started) -> tuple[list[int], list[str]]:
    """Waits for both, ends them after too long, and returns their exit codes and what they said to stderr."""
    try:
        said = [process.communicate(timeout=LONGEST)[1] for process in started]
    finally:
        for process in started:
            process.kill()
    return [process.returncode for process in started], said


def weights(path: Path) -> dict[str, torch.Tensor]:
    return dict(checkpoints.load(str(path)).model.state_dict())


def close(path: Path, other: Path) -> None:
    """Checks that two trainings have ended at the same weights, but for rounding."""
    found, right = weights(path), weights(other)
    assert any(tensor.abs().max() > 0.1 for tensor in right.values())
    for key, tensor in right.items():
        torch.testing.assert_close(found[key], tensor, atol=1e-5, rtol=0)


def test_two_hosts_find_what_one_process_finds(name: str, tmp_path: Path) -> None:
    codes, said = ended(train(name, tmp_path, *FLAGS, "--steps", "40", "--out", "two.pt"))
    assert codes == [0, 0], said
    assert checkpoints.load(str(tmp_path / "two.pt")).description["processes"] == 2
    assert main(["train", *FLAGS, "--steps", "40", "--out", str(tmp_path / "one.pt")]) == 0
    close(tmp_path / "two.pt", tmp_path / "one.pt")


@pytest.mark.parametrize("lost", [1, 2])
def test_a_host_that_is_lost_ends_the_other_with_a_sentence_and_the_training_goes_on(
    name: str, tmp_path: Path, lost: int
) -> None:
    """All processes of one host are killed at once, torchrun among them; the other's torchrun says exit code 2."""
    steps = ("--steps", "300")
    running = train(name, tmp_path, *FLAGS, *steps, "--save-seconds", "0.01", "--out", "killed.pt")
    state, until = tmp_path / "killed.pt.state", time.monotonic() + LONGEST
    while not state.exists() and time.monotonic() < until and running[0].poll() is None:
        time.sleep(0.05)
    found = subprocess.run(["ip", "netns", "pids", f"{name}-{lost}"], capture_output=True, text=True).stdout.split()
    assert found
    began = time.monotonic()
    subprocess.run(["kill", "-KILL", *found], check=False)
    codes, said = ended(running)
    assert time.monotonic() - began < 60
    assert codes[2 - lost] == 1, said
    assert len(re.findall(r"^probe: One of the 2 processes was lost.*--resume\.$", said[2 - lost], re.MULTILINE)) == 1
    assert 0 < checkpoints.load_state(state)["step"] < 300
    codes, said = ended(train(name, tmp_path, "--resume", "--threads", "1", "--out", "killed.pt"))
    assert codes == [0, 0], said
    assert main(["train", *FLAGS, *steps, "--out", str(tmp_path / "whole.pt")]) == 0
    close(tmp_path / "killed.pt", tmp_path / "whole.pt")
