"""Deals a loop's items to threads; compiled kernels release the interpreter lock while they run."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch

from probe.processes.side_by_side import in_one_thread


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    # decays multiply towards zero; numbers below 1e-38 would cost a hundred times a normal one, so the pool's
    # threads, and only they, take them as zero
    return ThreadPoolExecutor(threads, "probe-kernel", torch.set_flush_denormal, (True,))


def run_in_threads(kernel: Callable[[int, int], None], items: int) -> None:
    """Calls ``kernel(first, last)`` on contiguous shares of range(items), one for each of torch's threads.

    Each item must write only its own part of the output, so that the number of threads changes nothing.
    """
    if in_one_thread():
        _alone(kernel, items)
        return
    threads = max(1, min(torch.get_num_threads(), items))
    bounds = [items * share // threads for share in range(threads + 1)]
    shares = [_pool(threads).submit(kernel, bounds[i], bounds[i + 1]) for i in range(threads)]
    for share in shares:
        share.result()


def _alone(kernel: Callable[[int, int], None], items: int) -> None:
    """Calls a kernel on all items in this thread, which takes the smallest numbers as zero meanwhile."""
    torch.set_flush_denormal(True)
    try:
        kernel(0, items)
    finally:
        torch.set_flush_denormal(False)
