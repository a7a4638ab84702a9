"""Claims: every backend that runs here agrees with its reference; a wrong one, forward or backward, is named."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

import probe.kernels
from probe.kernels import agreement
from probe.kernels.agreement import OPERATIONS, agreements


def found() -> dict[str, agreement.Agreement]:
    return {f"{each.operation} {each.backend}": each for each in agreements()}


def test_every_operation_with_backends_is_among_them() -> None:
    folders = {path.parent.name for path in Path(probe.kernels.__path__[0]).glob("*/reference.py")}
    assert set(OPERATIONS) == folders


def test_backends_agree_or_are_said_not_to_run() -> None:
    seen = found()
    assert not [name for name, each in seen.items() if each.held is False]
    here = {name for name, each in seen.items() if each.held}
    assert {"selective_scan cpu", "wkv4 cpu", "wkv4 parallel", "ssd chunked", "causal_conv1d cpu"} <= here
    if not torch.cuda.is_available():
        assert seen["selective_scan mamba_ssm"].held is None
        assert seen["selective_scan mamba_ssm"].seen.endswith(".")


def spoiled(monkeypatch: pytest.MonkeyPatch, operation: str, backend: str, change: type) -> None:
    """Has a backend's output pass through a function of ours."""
    from importlib import import_module

    module = import_module(f"probe.kernels.{operation}.{backend}")
    own = getattr(module, operation)
    monkeypatch.setattr(module, operation, lambda *given: change.apply(own(*given)))


class Shifted(torch.autograd.Function):
    """A thousandth too much, and no change backward."""

    @staticmethod
    def forward(context: object, x: Tensor) -> Tensor:
        return x * 1.001

    @staticmethod
    def backward(context: object, gradient: Tensor) -> Tensor:
        return gradient


class Weakened(torch.autograd.Function):
    """No change forward, and a thousandth too little backward."""

    @staticmethod
    def forward(context: object, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(context: object, gradient: Tensor) -> Tensor:
        return gradient * 0.999


@pytest.mark.parametrize(("change", "said"), [(Shifted, "the output"), (Weakened, "the gradient by ")])
def test_a_wrong_backend_is_named_with_what_differs(monkeypatch: pytest.MonkeyPatch, change: type, said: str) -> None:
    monkeypatch.setattr(agreement, "OPERATIONS", {"ssd": OPERATIONS["ssd"]})
    spoiled(monkeypatch, "ssd", "chunked", change)
    (wrong,) = agreements()
    assert wrong.held is False
    assert wrong.seen.startswith(said)
    assert wrong.gap == pytest.approx(1e-3, rel=0.1)


def test_a_backend_that_is_wrong_only_on_long_sequences_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "OPERATIONS", {"wkv7": OPERATIONS["wkv7"]})
    from probe.kernels.wkv7 import chunked

    own = chunked.wkv7
    monkeypatch.setattr(chunked, "wkv7", lambda *given: own(*given) * (1.1 if given[0].shape[1] > 100 else 1.0))
    (wrong,) = agreements()
    assert wrong.held is False


def test_a_backend_of_nan_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "OPERATIONS", {"delta_rule": OPERATIONS["delta_rule"]})
    from probe.kernels.delta_rule import chunked

    own = chunked.delta_rule
    monkeypatch.setattr(chunked, "delta_rule", lambda *given: own(*given) * torch.nan)
    (wrong,) = agreements()
    assert wrong.held is False
