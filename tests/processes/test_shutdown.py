"""How a run of several processes ends.

Claims: an error of one ends all with exit code 2 and one sentence, and so does the loss of one; a training then goes
on, in any number of processes, to the model of one that was never stopped; one process writes and speaks.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from probe import checkpoints
from probe.cli import main
from probe.processes import ALONE, joined, only_one

from .conftest import LONGEST, ROOT, Start, finish

TRAIN = "--layout AF --task linear --dim 2 --width 8 --context 3 --batch 8 --threads 1".split()
LONG = [*TRAIN, "--steps", "100", "--warmup", "5"]


def _outputs(path: Path) -> torch.Tensor:
    """Returns what a model says: biases of keys do not enter it, and Adam makes steps of their rounding alone."""
    inputs = torch.randn(16, 7, 2, generator=torch.Generator().manual_seed(0))
    return checkpoints.load(str(path)).stream.run(inputs)


def _sentences(errors: list[str]) -> list[str]:
    """Returns what both said to the user; the network may warn beside it, but there is no traceback."""
    lines = "".join(errors).splitlines()
    assert not [line for line in lines if "Traceback" in line], errors
    return [line for line in lines if line.startswith("probe:")]


def _await(path: Path, running: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + LONGEST
    while not path.exists() and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert path.exists()


def test_one_process_is_alone_and_needs_no_torch_distributed() -> None:
    with joined() as processes:
        assert processes is ALONE
    asked = "import sys, probe.cli; sys.exit('torch' in sys.modules or 'torch.distributed' in sys.modules)"
    subprocess.run([sys.executable, "-c", asked], check=True, cwd=ROOT)


def test_what_one_process_refuses_ends_both_with_its_sentence(start: Start, tmp_path: Path) -> None:
    """Only the first process tries the file, while the second waits for it."""
    codes, _, errors = finish(start("-m", "probe", "train", *TRAIN, "--steps", "3", "--out", "/dev/null"))
    assert codes == [2, 2]
    sentence = "probe: /dev/null is not an ordinary file and cannot be replaced by one. Choose another name."
    assert _sentences(errors) == [sentence]


def test_what_both_refuse_is_told_once(start: Start, tmp_path: Path) -> None:
    codes, told, errors = finish(start("-m", "probe", "compare", "--ckpt", "a", "b", "--task", "linear"))
    assert codes == [2, 2]
    sentence = "probe: probe compare runs in one process, but torchrun started 2. Leave torchrun away."
    assert _sentences(errors) == [sentence]
    assert told == ["", ""]


@pytest.mark.parametrize("victim", [0, 1])
def test_a_lost_process_ends_the_run_and_the_training_goes_on(
    start: Start, tmp_path: Path, victim: int, capsys: pytest.CaptureFixture[str]
) -> None:
    out, state = tmp_path / "killed.pt", tmp_path / "killed.pt.state"
    running = start("-m", "probe", "train", *LONG, "--save-seconds", "0", "--out", str(out))
    _await(state, running[0])
    began = time.monotonic()
    running[victim].send_signal(signal.SIGKILL)
    codes, _, errors = finish(running)
    assert time.monotonic() - began < 60
    assert codes[1 - victim] == 2
    assert re.fullmatch(r"probe: One of the 2 processes was lost.*--resume\.", *_sentences(errors))
    assert 0 < checkpoints.load_state(state)["step"] < 100
    if victim == 0:
        assert main(["train", "--resume", "--threads", "1", "--out", str(out)]) == 0
    else:
        assert finish(start("-m", "probe", "train", "--resume", "--threads", "1", "--out", str(out)))[0] == [0, 0]
    assert main(["train", *LONG, "--out", str(tmp_path / "whole.pt")]) == 0
    whole = _outputs(tmp_path / "whole.pt")
    assert whole.abs().max() > 0.1
    torch.testing.assert_close(_outputs(out), whole, atol=1e-5, rtol=0)


def test_torchrun_starts_it_and_one_process_writes_and_speaks(tmp_path: Path, toys: Path) -> None:
    flags = ["--ckpt", str(toys / "t.pt"), "--task", "linear", "--prompts", "64", "--score", "40", "--batch", "16"]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "probe"]
    done = subprocess.run(
        [*command, "fit", *flags, "--out", str(tmp_path / "a")],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.json", "a.png"]
    assert done.stdout.count("wrote ") == 1
    assert '"processes": 2' in (tmp_path / "a.json").read_text()


def test_a_verb_for_one_process_is_not_refused_alone() -> None:
    only_one(ALONE, "probe compare")


def test_a_training_that_is_told_to_end_saves_first(start: Start, tmp_path: Path) -> None:
    """As Slurm and Kubernetes tell it, before they take the machine away."""
    out = tmp_path / "told.pt"
    running = start("-m", "probe", "train", *TRAIN, "--steps", "100000", "--save-seconds", "0.01", "--out", str(out))
    _await(tmp_path / "told.pt.state", running[0])
    for process in running:
        process.send_signal(signal.SIGTERM)
    codes, _, errors = finish(running)
    assert codes == [2, 2]
    assert len(_sentences(errors)) == 1
    assert 0 < checkpoints.load_state(tmp_path / "told.pt.state")["step"] < 100000
