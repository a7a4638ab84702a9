"""Claims: every kind of wrong kernel is found by the check that is named for it, and sound ones pass all of them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import Tensor

import probe.kernels
from probe.kernels import checks
from probe.kernels.checks import CHECKS, OPERATIONS, Row, check_operations
from probe.progress import silent

Kernel = Callable[..., Tensor]
BORDER = 64


def rows(*operations: str, lengths: tuple[int, ...] = (1, 65)) -> list[Row]:
    return check_operations(operations, silent, lengths)


def failed(found: list[Row], implementation: str = "chunked") -> set[str]:
    return {row.check for row in found if row.held is False and row.implementation == implementation}


def planted(monkeypatch: pytest.MonkeyPatch, change: Callable[[Kernel], Kernel], operation: str = "ssd") -> list[Row]:
    """Returns what is found where a backend is changed."""
    module = import_module(f"probe.kernels.{operation}.chunked")
    monkeypatch.setattr(module, operation, change(getattr(module, operation)))
    return [row for row in rows(operation) if row.package == "probe"]


def test_every_operation_that_has_a_reference_is_checked() -> None:
    folders = {path.parent.name for path in Path(probe.kernels.__path__[0]).glob("*/reference.py")}
    assert set(OPERATIONS) == folders


@pytest.mark.parametrize("operation", list(OPERATIONS))
def test_every_implementation_here_passes_or_is_said_not_to_run(operation: str) -> None:
    found = rows(operation, lengths=(1, 2, 65))
    assert [row for row in found if row.held is False] == []
    ran = {row.implementation for row in found if row.held}
    assert "reference" in ran
    assert len(ran) > 1
    assert {row.check for row in found if row.held} >= set(CHECKS) - {"pieces"}
    for row in found:
        assert (row.held is None) == (row.check == ""), row
        assert row.held or row.seen.endswith("."), row


def test_only_what_is_longer_than_a_backend_is_made_for_is_left_out() -> None:
    found = rows("wkv4", lengths=(2, 300))
    assert {row.tokens for row in found if row.implementation == "parallel"} == {2}
    assert {row.tokens for row in found if row.implementation == "cpu"} == {2, 300}


def test_a_kernel_that_is_wrong_at_the_border_of_chunks_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is right on sequences that end before the border, where each dtype must be wrong only at 65 tokens."""

    def change(kernel: Kernel) -> Kernel:
        def wrong(*given: Tensor) -> Tensor:
            output = kernel(*given)
            later = torch.arange(output.shape[1]) >= BORDER
            return output + 0.2 * output.roll(1, 1) * later[:, None, None]

        return wrong

    found = planted(monkeypatch, change)
    assert "output" in failed(found)
    assert {row.tokens for row in found if row.held is False} == {65}
    assert {row.dtype for row in found if row.held is False and row.check == "output"} == set(checks.ALLOWED)


def test_a_kernel_that_keeps_a_state_from_one_call_to_the_next_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept is so small that every gap from the reference is within rounding."""

    def change(kernel: Kernel) -> Kernel:
        kept = [0.0]

        def wrong(*given: Tensor) -> Tensor:
            output = kernel(*given)
            before, kept[0] = kept[0], float(given[0].detach()[0, 0].sum())
            return output * (1 + 1e-6 * before)

        return wrong

    found = planted(monkeypatch, change)
    assert {row.check for row in found if row.held is False and row.dtype == "float32"} == {"prompts"}


def test_a_kernel_that_mixes_the_prompts_of_a_batch_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = planted(monkeypatch, lambda kernel: lambda *given: kernel(*given) + 0.1 * kernel(*given).roll(1, 0))
    assert "batch" in failed(found)


def test_a_kernel_that_looks_ahead_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = planted(monkeypatch, lambda kernel: lambda *given: kernel(*given) + 0.1 * given[0].mean(1, keepdim=True))
    assert "prefixes" in failed(found)


class Weakened(torch.autograd.Function):
    """No change forward, and a tenth too little backward."""

    @staticmethod
    def forward(context: object, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(context: object, gradient: Tensor) -> Tensor:
        return gradient * 0.9


def test_a_wrong_gradient_is_found_where_all_outputs_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    found = planted(monkeypatch, lambda kernel: lambda *given: Weakened.apply(kernel(*given)))
    assert failed(found) == {"gradient"}
    row = next(row for row in found if row.held is False)
    assert row.seen.startswith("gradient by ")
    assert row.gap == pytest.approx(0.1, rel=0.2)


def test_an_operand_without_its_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = planted(monkeypatch, lambda kernel: lambda x, step, *rest: kernel(x, step.detach(), *rest))
    assert failed(found) == {"gradient"}
    assert {row.seen for row in found if row.held is False} == {"gradient by step"}


def test_a_kernel_that_differs_from_run_to_run_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It differs by less than rounding does, so that every gap from the reference is allowed."""

    def change(kernel: Kernel) -> Kernel:
        drawn = torch.Generator().manual_seed(0)
        return lambda *given: kernel(*given) * (1 + 1e-12 * torch.randn((), generator=drawn, dtype=torch.float64))

    found = planted(monkeypatch, change)
    assert failed([row for row in found if row.dtype == "float64"]) <= {"repeats", "prompts"}
    assert "repeats" in failed(found)


def test_a_kernel_that_writes_into_its_operands_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in state-spaces/mamba#1024, where a kernel that steps writes past its state and into parameters."""

    def change(kernel: Kernel) -> Kernel:
        def wrong(*given: Tensor) -> Tensor:
            output = kernel(*given)
            given[5].data[0] *= 1 + 1e-6
            return output

        return wrong

    assert "operands" in failed(planted(monkeypatch, change))


def test_a_step_that_is_not_the_whole_sequences_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from probe.kernels.checks import own

    right = own.STEPS["ssd"]
    forgets = {**own.STEPS, "ssd": lambda given, state: right(given, None if state is None else 0.9 * state)}
    monkeypatch.setattr(own, "STEPS", forgets)
    found = rows("ssd")
    assert failed(found, "reference") == {"steps"}
    assert {row.tokens for row in found if row.held is False} == {65}


def test_pieces_that_do_not_hand_on_their_state_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in state-spaces/mamba#641, where a sequence in segments differs from the whole from the second one on."""
    mamba2 = pytest.importorskip(
        "transformers.models.mamba2.modeling_mamba2", reason="transformers has kernels that run in pieces"
    )
    if not hasattr(mamba2, "mamba2_chunk_scan"):
        pytest.skip("this version of transformers has them inside its modules")
    right = mamba2.mamba2_chunk_scan
    wrong = lambda *given, initial_states, **named: right(*given, **named)  # noqa: E731
    monkeypatch.setattr(mamba2, "mamba2_chunk_scan", wrong)
    assert failed(rows("ssd"), "mamba2") == {"pieces"}


def test_what_is_not_a_number_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    found = planted(monkeypatch, lambda kernel: lambda *given: kernel(*given) * torch.nan)
    assert {"output", "gradient"} <= failed(found)


def test_a_kernel_that_raises_fails_with_what_it_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: Tensor) -> Tensor:
        raise IndexError("out of bounds")

    found = planted(monkeypatch, lambda kernel: broken)
    assert {row.seen for row in found if row.held is False} == {"it raised IndexError: out of bounds"}


def test_every_dtype_sees_numbers_that_bfloat16_has() -> None:
    for operation in OPERATIONS.values():
        drawn = operation.drawn(3)
        for tensor in operation.typed(drawn, torch.bfloat16, "cpu").values():
            assert tensor.dtype in (torch.bfloat16, torch.float32, torch.complex64)
        for name, tensor in drawn.items():
            real = torch.view_as_real(tensor) if tensor.is_complex() else tensor
            assert torch.equal(real.bfloat16().double(), real), name
