"""Starts processes as torchrun does, without the seconds that torchrun itself takes to start."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch.distributed as dist

ROOT = Path(__file__).parents[2]
LONGEST = 240  # seconds; two processes that import torch beside other tests

Start = Callable[..., list[subprocess.Popen[str]]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts ``python ARGUMENTS`` in two processes with a store that outlives both, in the test's folder."""
    running: list[subprocess.Popen[str]] = []
    stores = []

    def begin(*arguments: str) -> list[subprocess.Popen[str]]:
        store = dist.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
        stores.append(store)
        known = {
            "MASTER_ADDR": "localhost",
            "MASTER_PORT": str(store.port),
            "WORLD_SIZE": "2",
            "LOCAL_WORLD_SIZE": "2",
            "TORCHELASTIC_USE_AGENT_STORE": "True",
            "TORCHELASTIC_RESTART_COUNT": "0",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
        }
        for rank in ("0", "1"):
            began = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=tmp_path,
                env=os.environ | known | {"RANK": rank, "LOCAL_RANK": rank},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            running.append(began)
        return running[-2:]

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def finish(processes: list[subprocess.Popen[str]]) -> tuple[list[int], list[str], list[str]]:
    """Waits for processes and returns their exit codes and what they said to stdout and to stderr."""
    said = [process.communicate(timeout=LONGEST) for process in processes]
    return [process.returncode for process in processes], [out for out, _ in said], [err for _, err in said]
