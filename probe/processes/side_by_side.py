"""Computes the parts of a sequence side by side, each in one thread, and gives what they return in the parts' order.

At the sizes of most models here an operation is too short to be divided: two threads that take a batch each do more
than two that share every operation.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Part = TypeVar("Part")
Result = TypeVar("Result")

_worker = threading.local()


def in_one_thread() -> bool:
    """Whether the caller is one of several threads that compute side by side, and so must not start further ones."""
    return getattr(_worker, "here", False)


def side_by_side(compute: Callable[[Part], Result], parts: Iterable[Part], threads: int) -> Iterator[Result]:
    """Yields what ``compute`` returns of every part, in the parts' order.

    Until the last is taken, torch computes in one thread within ``compute``, and in the caller's as well, which works
    on what it was given beside the others. Parts are taken in the caller's thread; at most one more than there are
    threads is begun before it is asked for.

    Args:
        threads: how many parts are computed at a time; with one, each is computed when it is asked for.
    """
    if threads < 2:
        yield from map(compute, parts)
        return
    begun: deque[Future[Result]] = deque()
    with torch_threads(1), workers(threads) as pool:
        for part in parts:
            begun.append(pool.submit(compute, part))
            if len(begun) > threads:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()


@contextmanager
def workers(threads: int) -> Iterator[Executor]:
    """Gives threads in each of which torch computes in one thread; what they have not begun at the end is left out."""
    pool = ThreadPoolExecutor(threads, "probe-batch", _begin)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Has torch compute in so many threads in this one, and afterwards in as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _begin() -> None:
    _worker.here = True
    torch.set_num_threads(1)
