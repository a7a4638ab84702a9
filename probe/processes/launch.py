"""Connects the processes that torchrun has started, and ends them together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from probe.errors import ProbeError
from probe.processes.shutdown import EndedError, ToldError
from probe.processes.single import ALONE, Processes

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # what torchrun, and others like it, set


@contextmanager
def joined() -> Iterator[Processes]:
    """Yields the processes that run this command together; `ALONE` unless torchrun has started several.

    If one fails, all end, and its message is printed once.

    Raises:
        EndedError: if another process has failed or was lost.
        ToldError: likewise, or for an error of this process, where another one tells the user.
    """
    if not set(VARIABLES) <= os.environ.keys() or os.environ["WORLD_SIZE"] == "1":
        yield ALONE
        return
    from probe.processes.group import Group

    group = Group()
    try:
        yield group
        group.shared(lambda: None)
        group.leave()
    except KeyboardInterrupt as error:
        if not group.shutdown.speaks():
            raise ToldError("interrupted", code=130) from error
        raise
    except ProbeError as error:
        if not isinstance(error, EndedError):
            group.shutdown.post(str(error))
        if not group.shutdown.speaks():
            raise ToldError(str(error)) from error
        raise
    except Exception as error:
        group.shutdown.post(f"Process {group.rank} of {group.count} failed ({type(error).__name__}), so all end.")
        group.shutdown.speaks()  # its traceback follows
        raise
    finally:
        group.abandon()
