"""Floating-point operations up to each place, counted while a module runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

from probe.capture.hooks import Place, observe


@torch.no_grad()
def count_flops(run: Callable[[Tensor], object], tokens: Tensor, places: Sequence[Place]) -> list[int]:
    """Returns the operations of a pass up to each place: matrix products, convolutions and attention.

    They are counted by the formulas of `torch.utils.flop_counter`, a multiply-add as two; attention also counts what
    a causal mask hides, and a kernel from outside torch counts nothing.
    """
    counts: list[int] = []
    counter = _Counter()
    with _plain_kernels(), counter, observe(places, lambda layer, stream: counts.append(counter.total)):
        run(tokens)
    return counts


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operations; torch's own counter imports its compiler first, which takes seconds."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        from torch.utils.flop_counter import flop_registry  # here, for it takes longer than all of capture to import

        self.total = 0
        self._formulas = flop_registry

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(
        self, operation: Any, types: Any, arguments: tuple[Any, ...] = (), keywords: dict[str, Any] | None = None
    ) -> Any:
        result = operation(*arguments, **(keywords or {}))
        name = operation._overloadpacket
        if str(name) in ("aten.mkldnn_rnn_layer", "aten._cudnn_rnn"):
            self.total += _recurrent(arguments)
        elif name in self._formulas:
            self.total += self._formulas[name](*arguments, **(keywords or {}), out_val=result)
        return result


def _recurrent(arguments: tuple[Any, ...]) -> int:
    """Returns the products of a recurrent layer that runs as one operation: its tokens, then its weights."""
    tokens = arguments[0]
    given = [each for argument in arguments[1:5] for each in (argument if isinstance(argument, list) else [argument])]
    weights = [each for each in given if isinstance(each, Tensor) and each.ndim == 2]
    return int(sum(2 * weight.numel() for weight in weights) * tokens.numel() // tokens.shape[-1])


@contextmanager
def _plain_kernels() -> Iterator[None]:
    """Makes torch run attention and encoder layers as matrix products, whose operations are counted."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
