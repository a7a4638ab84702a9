"""Several processes, by torch.distributed: gloo between CPUs, NCCL between GPUs."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from probe.errors import ProbeError
from probe.processes.shutdown import Shutdown

TIMEOUT = timedelta(minutes=30)  # a peer that is silent but not gone; one may solve large heads while the others wait

T = TypeVar("T")
Part = TypeVar("Part")
Whole = TypeVar("Whole")


class Group:
    """The processes that torchrun has started, as its environment variables describe them.

    Each process takes the GPU of its local rank. If a machine has fewer GPUs than processes, NCCL cannot be used, and
    tensors on a GPU are exchanged by way of the CPU.
    """

    def __init__(self) -> None:
        try:
            store, rank, count = next(dist.rendezvous("env://", timeout=TIMEOUT))  # type: ignore[attr-defined]
        except (RuntimeError, ValueError) as error:
            place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
            raise ProbeError(
                f"The other processes cannot be met at {place}, where the environment says they are. Start them by "
                "torchrun, or unset WORLD_SIZE to run alone."
            ) from error
        self._rank, self._count = int(rank), int(count)
        # a connection of its own, since the main one may be blocked
        self.shutdown = Shutdown(store.clone() if hasattr(store, "clone") else store, self._count)
        backend, self._direct = "gloo", False
        if torch.cuda.is_available():
            gpus = torch.cuda.device_count()
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % gpus)
            self._direct = int(os.environ.get("LOCAL_WORLD_SIZE", "1")) <= gpus
            backend = "cpu:gloo,cuda:nccl" if self._direct else "gloo"
        with self._together():
            dist.init_process_group(
                backend,
                store=dist.PrefixStore("probe", store),  # type: ignore[attr-defined]
                rank=self._rank,
                world_size=self._count,
                timeout=TIMEOUT,
            )

    @property
    def rank(self) -> int:
        """The number of this process, from 0."""
        return self._rank

    @property
    def count(self) -> int:
        """How many there are."""
        return self._count

    @property
    def writes(self) -> bool:
        """Whether this is the one that prints and writes."""
        return self._rank == 0

    def check(self) -> None:
        """Raises `EndedError` where this process was told to end."""
        self.shutdown.check()

    def deal(self, parts: Sequence[T]) -> Iterator[T]:
        """Yields this process's parts: those whose place is its number, modulo how many processes there are."""
        for part in parts[self._rank :: self._count]:
            self.check()
            yield part

    def merged(self, part: Part, merge: Callable[[Part, Part], Part], finish: Callable[[Part], Whole]) -> Whole:
        """Returns, in every process, the parts merged pairwise (0 with 1, 2 with 3, then 0 with 2) and finished."""
        distance, whole = 1, part
        while distance < self._count and self._rank % (2 * distance) == 0:
            if self._rank + distance < self._count:
                whole = merge(whole, self._receive(self._rank + distance))
            distance *= 2
        if self._rank > 0:
            self._send(whole, self._rank - distance)
        return self.shared(lambda: finish(whole))

    def shared(self, make: Callable[[], Whole]) -> Whole:
        """Returns, in every process, the result of ``make`` in process 0."""
        if self._rank > 0:
            size = torch.empty(1, dtype=torch.int64)
            with self._together():
                dist.broadcast(size, 0)
                content = torch.empty(int(size), dtype=torch.uint8)
                dist.broadcast(content, 0)
            return _unpacked(content)  # type: ignore[no-any-return]
        made = make()
        content = _packed(made)
        with self._together():
            dist.broadcast(torch.tensor([len(content)]), 0)
            dist.broadcast(content, 0)
        return made

    def add(self, tensor: Tensor) -> None:
        """Adds the tensors of all processes, in place; the sum is the same in each, to the bit."""
        direct = tensor.device.type == "cpu" or (tensor.device.type == "cuda" and self._direct)
        near = tensor if direct else tensor.cpu()
        with self._together():
            dist.all_reduce(near)
        if not direct:
            tensor.copy_(near)

    def share(self, prompts: int) -> slice:
        """Returns this process's contiguous share of a batch."""
        return slice(prompts * self._rank // self._count, prompts * (self._rank + 1) // self._count)

    def leave(self) -> None:
        """Ends the group, once all are done."""
        dist.destroy_process_group()
        self.shutdown.close()

    def abandon(self) -> None:
        """Ends this process's threads of the group after a failure, and does nothing after `leave`.

        Gloo's threads that still run when the interpreter ends abort the process now and then (SIGABRT for exit code
        2). NCCL's group is left as it is: to destroy it would wait for work that a lost process never ends.
        """
        if dist.is_initialized() and not self._direct:
            dist.destroy_process_group()

    def _send(self, value: object, to: int) -> None:
        content = _packed(value)
        with self._together():
            dist.send(torch.tensor([len(content)]), to)
            dist.send(content, to)

    def _receive(self, sender: int) -> Any:
        size = torch.empty(1, dtype=torch.int64)
        with self._together():
            dist.recv(size, sender)
            content = torch.empty(int(size), dtype=torch.uint8)
            dist.recv(content, sender)
        return _unpacked(content)

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Turns the error of a closed connection into one that says why the other process ended."""
        try:
            yield
        except RuntimeError as error:
            raise self.shutdown.found() from error


def _packed(value: object) -> Tensor:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return torch.frombuffer(buffer.getbuffer(), dtype=torch.uint8)


def _unpacked(content: Tensor) -> Any:
    """Returns a value that another process has packed; tensors that were on a GPU come to this process's own."""
    buffer = io.BytesIO(content.numpy().tobytes())
    return torch.load(buffer, map_location=_here, weights_only=False)


def _here(storage: Any, place: str) -> Any:
    return storage.cuda() if place.startswith("cuda") else storage
