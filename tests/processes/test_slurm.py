"""Claims: on a real Slurm a sweep ends at a local one's weights, though a job is cancelled or the sweep itself stopped.

They run where Debian's slurm-wlm and munge, Parsl and root are there; slurm.sh starts a Slurm of one node.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import probe
from probe import checkpoints
from probe.config import SweepConfig
from probe.processes import cluster

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).parent / "slurm.sh"
HEAD = "layout,task,dim,width,context,steps,batch,lr,seed,curriculum,save_seconds\n"
TABLE = HEAD + "AF,linear,2,8,3,1500,4,1e-3,0|1|2|3,false,0.2\n"
SETTINGS = ("partition=probe", "walltime=00:10:00")
LONGEST = 240.0

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def slurm() -> Iterator[None]:
    """A Slurm that sbatch speaks to."""
    missing = [name for name in ("slurmctld", "slurmd", "munged", "sbatch") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: Debian's slurm-wlm and munge bring them")
    if os.geteuid() != 0:
        pytest.skip("slurmd starts jobs, for which it must be root")
    pytest.importorskip("parsl", reason="Parsl, the extra cluster, drives Slurm")
    # paths of sockets are short
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    try:
        subprocess.run(["bash", str(SCRIPT), "up", str(folder), str(port)], check=True, timeout=60)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
            patch.setenv("PYTHONPATH", str(ROOT))
            yield
    finally:
        subprocess.run(["bash", str(SCRIPT), "down", str(folder)], check=False)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sweeps") / "table.csv"
    path.write_text(TABLE)
    return path


@pytest.fixture(scope="module")
def local(slurm: None, table: Path) -> Path:
    """The same sweep without a cluster."""
    folder = table.parent / "local"
    probe.sweep(SweepConfig(str(table), str(folder), jobs=2))
    return folder


def jobs() -> list[str]:
    return subprocess.run(["squeue", "--noheader", "--format=%i"], capture_output=True, text=True).stdout.split()


def begun(folder: Path) -> list[Path]:
    """Waits until a training has saved its state."""
    until = time.monotonic() + LONGEST
    while time.monotonic() < until:
        if found := list(folder.glob("*.pt.state")):
            return found
        time.sleep(0.1)
    raise AssertionError("no training has begun")


def same(folder: Path, other: Path) -> None:
    """Checks that all four trainings have ended at the same weights, to the bit."""
    names = sorted(path.name for path in other.glob("*.pt"))
    assert len(names) == 4
    for name in names:
        weights, right = (checkpoints.load(str(each / name)).model.state_dict() for each in (folder, other))
        for key, tensor in right.items():
            assert torch.equal(weights[key], tensor), (name, key)


def cancel(folder: Path) -> None:
    """Takes a block away, its worker and its training at once."""
    subprocess.run(["scancel", jobs()[0]], check=True)


def end(folder: Path) -> None:
    """Asks one training alone to end, as a cancelled block does whose worker outlives it for a moment."""
    import psutil

    trainings = [each for each in psutil.process_iter(["cmdline"]) if _trains(each.info["cmdline"] or [], folder)]
    trainings[0].terminate()


def _trains(words: list[str], folder: Path) -> bool:
    return words[1:4] == ["-m", "probe", "train"] and any(str(folder) in word for word in words)


@pytest.mark.parametrize("stop", [cancel, end])
def test_a_job_that_is_cancelled_saves_and_goes_on_in_another(
    table: Path, local: Path, monkeypatch: pytest.MonkeyPatch, stop: Callable[[Path], None]
) -> None:
    monkeypatch.setattr(cluster, "BEAT", 1)
    monkeypatch.setattr(cluster, "LOST", 8)
    folder = table.parent / stop.__name__
    stopped: list[bool] = []

    def wait() -> None:
        begun(folder)
        stop(folder)
        stopped.append(True)

    thread = threading.Thread(target=wait)
    thread.start()
    result = probe.sweep(SweepConfig(str(table), str(folder), jobs=2, engine="slurm", setting=SETTINGS))
    thread.join()
    assert stopped == [True]
    assert result.table["outcome"].tolist() == ["done"] * 4
    said = [path.read_text() for path in folder.glob("*.log")]
    assert sum("ended by SIGTERM; saved at step" in words for words in said) == 1
    same(folder, local)


def test_a_sweep_that_is_stopped_leaves_no_job_and_goes_on_when_it_is_run_again(table: Path, local: Path) -> None:
    folder = table.parent / "stopped"
    flags = ["sweep", str(table), "--out", str(folder), "--jobs", "2", "--engine", "slurm", "--setting", *SETTINGS]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-m", "probe", *flags], text=True, stderr=subprocess.PIPE)

    first = start()
    begun(folder)
    first.send_signal(signal.SIGTERM)
    _, said = first.communicate(timeout=LONGEST)
    assert first.returncode == 143, said
    assert "go on with: probe sweep" in said
    until = time.monotonic() + 30
    while jobs() and time.monotonic() < until:
        time.sleep(0.5)
    assert jobs() == []
    assert len(list(folder.glob("*-training.json"))) < 4
    second = start()
    _, said = second.communicate(timeout=LONGEST)
    assert second.returncode == 0, said
    assert any("saved at step" in path.read_text() for path in folder.glob("*.log"))
    same(folder, local)
