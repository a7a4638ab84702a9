"""Trainings that run side by side on this machine, as processes of their own."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import BinaryIO

from probe.processes.signals import StoppedError, ending, told

PAUSE = 0.5  # seconds between two looks at a lock
Done = Callable[["Job", int], None]
"""Called with a job that has ended and its exit code."""


@dataclass(frozen=True)
class Job:
    """One training as a command: the flags that start it, and those that resume it once there is a saved state.

    Args:
        name: what the user calls it.
        start: the flags of `probe` that start it.
        resume: the flags that continue it.
        state: the file that is there once it can be continued.
        log: where what it says is kept.
    """

    name: str
    start: tuple[str, ...]
    resume: tuple[str, ...]
    state: Path
    log: Path

    def arguments(self) -> tuple[str, ...]:
        """Returns the flags that start it, or continue it where it has begun."""
        return self.resume if self.state.is_file() else self.start

    def line(self, python: str) -> str:
        """Returns a line of shell that resumes the training if its state is there, and starts it otherwise."""
        begin, go_on = (shlex.join([python, "-m", "probe", *flags]) for flags in (self.start, self.resume))
        return f"if test -f {shlex.quote(str(self.state))}; then {go_on}; else {begin}; fi"


def run_here(jobs: Sequence[Job], at_once: int, done: Done) -> None:
    """Runs all jobs, some at a time; a signal to this process is passed on to them, so that each saves first.

    A locked log means that its job still runs, started by a sweep that was killed: that is awaited, then resumed.

    Raises:
        StoppedError: if a signal asked this process to end; it says which jobs were running.
    """
    threads = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // at_once))}
    running: dict[subprocess.Popen[bytes], Job] = {}
    stopped = Event()
    ended: list[str] = []

    def run(job: Job) -> int:
        if stopped.is_set():
            return 130
        with job.log.open("ab") as log:
            if not _locked(log, stopped):
                return 130
            process = subprocess.Popen(
                [sys.executable, "-m", "probe", *job.arguments()],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                # an interrupt from the keyboard reaches the whole group: each gets one, from us
                start_new_session=True,
                env=threads | os.environ,
            )
            running[process] = job
            if stopped.is_set():  # meanwhile
                process.terminate()
            try:
                return process.wait()
            finally:
                del running[process]

    try:
        with ending(), ThreadPoolExecutor(at_once) as pool:
            begun = {pool.submit(run, job): job for job in jobs}
            try:
                for future in as_completed(begun):
                    done(begun[future], future.result())
            except BaseException:
                stopped.set()
                for process, job in list(running.items()):
                    ended.append(job.name)
                    process.terminate()  # SIGINT is ignored by what a shell has started in the background
                raise
    except KeyboardInterrupt as stop:
        number = stop.number if isinstance(stop, StoppedError) else signal.SIGINT
        which = f"told to save: {', '.join(sorted(ended))}" if ended else "no training was running"
        raise StoppedError(f"{told(number)}; {which}", number) from stop


def _locked(log: BinaryIO, stopped: Event) -> bool:
    """Waits until no other process holds the log's lock, and takes it; returns False if stopped before.

    The job inherits the lock and holds it until it ends.
    """
    try:
        import fcntl
    except ImportError:  # where there is no such lock
        return True
    while not stopped.is_set():
        with suppress(BlockingIOError):
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        stopped.wait(PAUSE)
    return False
