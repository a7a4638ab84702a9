"""Ends all processes of a run when one of them fails or is lost: within seconds, and with a single message.

A process that fails writes its reason into the store that all processes share, and exits. The others notice because it
closes its connections, or because torchrun sends them SIGTERM; they read the reason from the store and exit too. A
process that was killed has written no reason: the others then report that it was lost. Only the first process that asks
(`Shutdown.speaks`) prints the message.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from probe.errors import ProbeError

if TYPE_CHECKING:
    from torch.distributed import Store  # type: ignore[attr-defined]

GRACE = 20.0  # seconds; torchrun kills 30 seconds after its SIGTERM
REASON, TOLD = "probe/ended", "probe/told"


class EndedError(ProbeError):
    """Raised in a process that must end because another process of the run has ended."""


class ToldError(ProbeError):
    """Ends a process without a message, because another process has printed it.

    Attributes:
        code: the exit code.
    """

    def __init__(self, sentence: str, code: int = 2) -> None:
        super().__init__(sentence)
        self.code = code


class Shutdown:
    """Tells the other processes why this one ends, and finds out why another one has ended.

    SIGTERM only sets a flag, since a training may be in the middle of a step. A process that never checks the flag,
    because it waits for a GPU whose peers are gone, is ended by a thread after `GRACE` seconds.

    Args:
        store: what all processes share; it must outlive each of them, as torchrun's does.
        count: how many processes there are.
    """

    def __init__(self, store: Store, count: int) -> None:
        self._store, self._count = store, count
        self._terminated = False
        self._before = signal.signal(signal.SIGTERM, self._note)
        reads, self._writes = os.pipe()
        os.set_blocking(self._writes, False)
        self._woken_before = signal.set_wakeup_fd(self._writes, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(reads,), daemon=True).start()

    def check(self) -> None:
        """Raises `EndedError` where this process was told to end."""
        if self._terminated:
            raise self.found()

    def found(self) -> EndedError:
        """Returns the error with the reason in the store, or one that says that a process was lost if there is none."""
        with suppress(RuntimeError):
            if self._store.check([REASON]):
                return EndedError(self._store.get(REASON).decode())
        return EndedError(
            f"One of the {self._count} processes was lost, or all were told to end, so the run ends here. Start it "
            "again; a training goes on from its last saved state with --resume."
        )

    def post(self, sentence: str) -> None:
        """Writes into the store why this process ends."""
        with suppress(RuntimeError):
            self._store.set(REASON, sentence)

    def speaks(self) -> bool:
        """Returns whether this process is the first of all to ask, and so the one that prints the message."""
        try:
            return bool(self._store.add(TOLD, 1) == 1)
        except RuntimeError:  # the store is gone, and with it every process that could print
            return True

    def close(self) -> None:
        """Restores the signal handlers that were there before."""
        signal.set_wakeup_fd(self._woken_before)
        signal.signal(signal.SIGTERM, self._before)
        os.close(self._writes)

    def _note(self, *_: object) -> None:
        self._terminated = True

    def _watch(self, reads: int) -> None:
        while content := os.read(reads, 64):
            if signal.SIGTERM in content:
                time.sleep(GRACE)
                self._leave()
        os.close(reads)

    def _leave(self) -> NoReturn:
        if self.speaks():
            sys.stderr.write(f"probe: {self.found()}\n")
            sys.stderr.flush()
        os._exit(2)
