"""Random draws without global state: a prompt is a function of (seed, purpose, number) alone.

A *source* hands out draws for a batch of prompts, ``[prompts, *shape]`` a call. `PromptSource` keys a
counter-based generator (Philox, Salmon et al. 2011) by each prompt's number, so that prompt n is the same
whatever batch, device or process it is drawn in; `BatchSource` draws a training batch at once, keyed by its step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from math import prod
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

Purpose = Literal["select", "fit", "score"]
WORDS = slice(3, 3 + 624)  # of the Mersenne Twister, in the 64-bit numbers of the state of torch's generator


def key(*parts: object) -> int:
    """Returns a 128-bit integer that depends on every part and on their order; parts hold no slash."""
    text = "/".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "little")


def generator(*parts: object) -> np.random.Generator:
    """Returns a counter-based generator keyed by the parts."""
    return np.random.Generator(np.random.Philox(key=key(*parts)))


def pool(functions: int, dim: int) -> Tensor:
    """Returns the standard normal weights, ``[functions, dim]``, of a fixed pool: the same for every seed."""
    drawn = generator("functions", functions, dim).standard_normal((functions, dim), dtype=np.float32)
    return torch.from_numpy(drawn)


class KeyedGenerator:
    """One counter-based generator that is put to any key, a quarter of the time that making a new one takes.

    `at(key(*parts))` draws what ``generator(*parts)`` draws.
    """

    def __init__(self) -> None:
        self._philox = np.random.Philox(key=0)
        self._generator = np.random.Generator(self._philox)
        self._state = self._philox.state

    def at(self, key: int, draw: int = 0) -> np.random.Generator:
        """Returns the generator, put to the start of a key's n-th stream; streams are 2**128 numbers apart."""
        self._state["state"]["key"][:] = (key % 2**64, key // 2**64)
        self._state["state"]["counter"][:] = (0, 0, draw, 0)
        self._philox.state = self._state
        return self._generator


@runtime_checkable
class Source(Protocol):
    """Hands out random draws for a batch of prompts; successive calls are independent."""

    @property
    def prompts(self) -> int:
        """The number of prompts in the batch."""

    def normal(self, *shape: int) -> Tensor:
        """Returns standard normal draws, float32 ``[prompts, *shape]``."""

    def uniform(self, *shape: int) -> Tensor:
        """Returns draws from [0, 1), float32 ``[prompts, *shape]``."""

    def grouped(self, size: int) -> Source:
        """Returns a source whose draws are shared by the prompts of a group, number // size."""

    def completed(self, size: int) -> tuple[Source, Tensor]:
        """Returns a source over every member of the groups touched, and where this batch's prompts stand in it."""


class _Streams:
    """Draws for several keys at once; the n-th draw of a key is its n-th stream."""

    def __init__(self, keys: list[int]) -> None:
        self._keys = keys
        self._draws = 0
        self._keyed = KeyedGenerator()

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        """Returns standard normal draws, float32 ``[keys, *shape]``."""
        drawn = np.empty((len(self._keys), prod(shape)), dtype=np.float32)
        for row, each in zip(drawn, self._keys, strict=True):
            self._keyed.at(each, self._draws).standard_normal(out=row, dtype=np.float32)
        self._draws += 1
        return torch.from_numpy(drawn.reshape(len(self._keys), *shape))

    def uniform(self, shape: tuple[int, ...]) -> Tensor:
        """Returns draws from [0, 1), float32 ``[keys, *shape]``."""
        drawn = np.empty((len(self._keys), prod(shape)), dtype=np.float32)
        for row, each in zip(drawn, self._keys, strict=True):
            self._keyed.at(each, self._draws).random(out=row, dtype=np.float32)
        self._draws += 1
        return torch.from_numpy(drawn.reshape(len(self._keys), *shape))


class PromptSource:
    """Draws prompts by their numbers, on the CPU.

    Args:
        seed: any integer.
        purpose: what the prompts are for; different purposes never share a prompt.
        numbers: the prompts' numbers, from 0.

    Attributes:
        purpose: what the prompts are for.
        numbers: the prompts' numbers.
    """

    def __init__(self, seed: int, purpose: Purpose, numbers: Sequence[int]) -> None:
        self._identity = (seed, purpose)
        self.purpose = purpose
        self.numbers = list(numbers)
        self._stream = _Streams([key(seed, purpose, number) for number in self.numbers])

    @property
    def prompts(self) -> int:
        """The number of prompts in the batch."""
        return len(self.numbers)

    def normal(self, *shape: int) -> Tensor:
        """Returns standard normal draws, float32 ``[prompts, *shape]``."""
        return self._stream.normal(shape)

    def uniform(self, *shape: int) -> Tensor:
        """Returns draws from [0, 1), float32 ``[prompts, *shape]``."""
        return self._stream.uniform(shape)

    def grouped(self, size: int) -> Source:
        """Returns a source whose draws are shared by the prompts of a group, number // size."""
        groups = [number // size for number in self.numbers]
        distinct = sorted(set(groups))
        streams = _Streams([key(*self._identity, "group", size, group) for group in distinct])
        member = torch.tensor([distinct.index(group) for group in groups], dtype=torch.long)
        return _GroupedSource(streams, member)

    def completed(self, size: int) -> tuple[Source, Tensor]:
        """Returns a source over every member of the groups touched, and where this batch's prompts stand in it."""
        groups = sorted({number // size for number in self.numbers})
        everyone = [group * size + offset for group in groups for offset in range(size)]
        place = {number: index for index, number in enumerate(everyone)}
        index = torch.tensor([place[number] for number in self.numbers], dtype=torch.long)
        seed, purpose = self._identity
        return PromptSource(seed, purpose, everyone), index


class _GroupedSource:
    """Draws once per group and repeats the draw for the group's prompts."""

    def __init__(self, streams: _Streams, member: Tensor) -> None:
        self._streams = streams
        self._member = member

    @property
    def prompts(self) -> int:
        return len(self._member)

    def normal(self, *shape: int) -> Tensor:
        return self._streams.normal(shape)[self._member]

    def uniform(self, *shape: int) -> Tensor:
        return self._streams.uniform(shape)[self._member]

    def grouped(self, size: int) -> Source:
        raise AssertionError("a source is grouped once, from the prompts' own source")

    def completed(self, size: int) -> tuple[Source, Tensor]:
        raise AssertionError("groups are completed from the prompts' own source")


def torch_generator(number: int, device: torch.device) -> torch.Generator:
    """Returns a generator that depends on every bit of a 128-bit integer on a CPU, and on 64 elsewhere.

    A seed sets 32 bits of the generator of CPUs, the Mersenne Twister; so its state is written, as its authors set it
    from an array (Matsumoto and Nishimura, 1998, doi:10.1145/272991.272995, in the version of 2002). A GPU's, Philox
    (Salmon et al., 2011), has a key of 64 bits.
    """
    made = torch.Generator(device)
    if device.type != "cpu":
        return made.manual_seed(number % 2**64)
    words = [(number >> low) % 2**32 for low in range(0, 128, 32)]
    twister = np.random.RandomState(words).get_state(legacy=False)
    state = made.manual_seed(0).get_state()
    state.numpy().view(np.uint64)[WORDS] = twister["state"]["key"]
    made.set_state(state)
    return made


class BatchSource:
    """Draws one training batch, keyed by (seed, step), on any device; the batch's prompts are numbered from 0.

    Args:
        seed: any integer.
        step: the training step, from 0.
        prompts: the batch size.
        device: where the draws are made; CPU and GPU draws differ.
        whole: draw from the whole key, or as trainings did before there was a choice: on a CPU by 32 bits of it, which
            29 pairs of 500,001 steps share on average.
    """

    def __init__(
        self, seed: int, step: int, prompts: int, device: torch.device | str = "cpu", whole: bool = True
    ) -> None:
        self._prompts = prompts
        self._device = torch.device(device)
        number = key(seed, "train", step)
        if whole:
            self._generator = torch_generator(number, self._device)
        else:
            self._generator = torch.Generator(self._device).manual_seed(number % 2**63)

    @property
    def prompts(self) -> int:
        """The number of prompts in the batch."""
        return self._prompts

    def normal(self, *shape: int) -> Tensor:
        """Returns standard normal draws, float32 ``[prompts, *shape]``."""
        return torch.randn(self._prompts, *shape, generator=self._generator, device=self._device)

    def uniform(self, *shape: int) -> Tensor:
        """Returns draws from [0, 1), float32 ``[prompts, *shape]``."""
        return torch.rand(self._prompts, *shape, generator=self._generator, device=self._device)

    def grouped(self, size: int) -> Source:
        """Returns a source whose draws are shared by the prompts of a group, number // size."""
        return _GroupedBatchSource(self, size)

    def completed(self, size: int) -> tuple[Source, Tensor]:
        """Returns a source over every member of the groups touched, and where this batch's prompts stand in it."""
        return self, torch.arange(self._prompts, device=self._device)

    def drawn_for(self, size: int, shape: tuple[int, ...], law: Callable[..., Tensor]) -> Tensor:
        """Returns draws made once per group of ``size`` prompts, repeated for its members."""
        drawn = law(-(-self._prompts // size), *shape, generator=self._generator, device=self._device)
        return drawn.repeat_interleave(min(size, self._prompts), dim=0)[: self._prompts]


class _GroupedBatchSource:
    """Draws once per group within a training batch."""

    def __init__(self, batch: BatchSource, size: int) -> None:
        self._batch = batch
        self._size = size

    @property
    def prompts(self) -> int:
        return self._batch.prompts

    def normal(self, *shape: int) -> Tensor:
        return self._batch.drawn_for(self._size, shape, torch.randn)

    def uniform(self, *shape: int) -> Tensor:
        return self._batch.drawn_for(self._size, shape, torch.rand)

    def grouped(self, size: int) -> Source:
        raise AssertionError("a source is grouped once, from the batch's own source")

    def completed(self, size: int) -> tuple[Source, Tensor]:
        return self._batch, torch.arange(self.prompts)
