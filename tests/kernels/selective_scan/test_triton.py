"""Claims on the Triton selective scan: it is the reference's function, and so are its gradients (see `interpreted`)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.util import find_spec

import pytest
import torch
from interpreted import compared, interpreted, needs_compiled, needs_gpu, needs_triton, run, too_large
from torch import Tensor

from probe.errors import ProbeError
from probe.kernels.selective_scan.reference import selective_scan as reference


@dataclass(frozen=True)
class Case:
    """One shape and what comes with it; few `programs` force wide blocks, a short `segment` saves time."""

    batch: int
    time: int
    channels: int
    states: int
    gated: bool = True
    biased: bool = True
    dtype: torch.dtype = torch.float32
    strided: bool = False
    programs: int = 512
    segment: int = 32


CASES = {
    "three segments, odd channels, odd states": Case(1, 19, 11, 5, segment=8),
    "exactly one segment": Case(1, 32, 8, 16),
    "one step, one channel, one state": Case(3, 1, 1, 1),
    "no gate": Case(1, 9, 9, 3, gated=False),
    "no bias": Case(1, 9, 9, 3, biased=False),
    "neither": Case(2, 5, 4, 2, gated=False, biased=False),
    "wide blocks": Case(1, 6, 40, 16, programs=1),
    "many states": Case(1, 5, 3, 70),
    "strided": Case(2, 5, 10, 4, strided=True),
    "bfloat16": Case(1, 35, 11, 16, dtype=torch.bfloat16, programs=1),
    "bfloat16, no gate": Case(2, 5, 9, 4, gated=False, dtype=torch.bfloat16),
    "float16": Case(1, 5, 9, 4, dtype=torch.float16),
}


def draw(case: Case, device: str) -> dict[str, Tensor]:
    """Draws tensors as a Mamba block would hand them over: float32 parameters, step sizes about 0.01."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    def activation(width: int) -> Tensor:
        extra = 3 if case.strided else 0
        x = normal(case.batch, case.time, width + extra).to(device, case.dtype)
        return x[..., :width]

    tensors = {
        "u": activation(case.channels),
        "delta": activation(case.channels),
        "A": -torch.arange(1.0, case.states + 1).repeat(case.channels, 1) * (1 + 0.1 * normal(case.channels, 1)),
        "B": activation(case.states),
        "C": activation(case.states),
        "D": normal(case.channels),
    }
    if case.gated:
        tensors["z"] = activation(case.channels)
    if case.biased:
        tensors["delta_bias"] = normal(case.channels) - 4
    return {name: tensor.to(device).detach().requires_grad_() for name, tensor in tensors.items()}


def errors(case: Case, device: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Returns how far y and each gradient are from the float64 reference, in units of the tolerance."""
    from probe.kernels.selective_scan import triton as fused

    monkeypatch.setattr(fused, "ENOUGH_PROGRAMS", case.programs)
    monkeypatch.setattr(fused, "SEGMENT", case.segment)
    # one step from an empty state has no gradient in A to compare with
    return compared(fused.selective_scan, reference, draw(case, device), like="u", least=1e-2)


@needs_triton
def test_interpreted_kernel_and_all_its_gradients_are_the_references() -> None:
    """The output and its eight gradients, over several segments, odd shapes, strides and dtypes."""
    found = interpreted(__file__)
    assert set(found) == set(CASES)
    assert not too_large(found)


@needs_triton
@needs_gpu
@pytest.mark.parametrize("name", CASES)
def test_kernel_and_all_its_gradients_are_the_references_on_a_gpu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same cases, compiled; repeated runs agree bit for bit."""
    assert not too_large({name: errors(CASES[name], "cuda", monkeypatch)})


@needs_triton
@needs_compiled
def test_cpu_tensors_are_refused_in_one_sentence() -> None:
    """Compiled kernels need a GPU, and say so."""
    from probe.kernels.selective_scan.triton import selective_scan

    with pytest.raises(ProbeError, match=r"given tensors on cpu; it needs them on a GPU\. Move them"):
        selective_scan(**draw(CASES["no gate"], "cpu"))


@needs_triton
def test_float64_is_refused_rather_than_rounded() -> None:
    """States are float32: float64 tensors would lose half their digits unnoticed."""
    from probe.kernels.selective_scan.triton import selective_scan

    with pytest.raises(ProbeError, match=r"given torch\.float64; it needs float32"):
        selective_scan(**{name: tensor.double() for name, tensor in draw(CASES["no gate"], "cpu").items()})


@needs_gpu
@pytest.mark.skipif(find_spec("mamba_ssm") is None, reason="mamba-ssm is not installed")
@pytest.mark.parametrize("name", [name for name in CASES if "16" not in name])
def test_official_kernel_and_all_its_gradients_are_the_references(name: str) -> None:
    """The transposes around the CUDA kernel put every tensor and gradient where it belongs."""
    from probe.kernels.selective_scan.mamba_ssm import selective_scan

    tensors = draw(CASES[name], "cuda")
    weights = torch.ones_like(tensors["u"])
    exact = {name: tensor.detach().double().requires_grad_() for name, tensor in tensors.items()}
    got, want = run(selective_scan, tensors, weights), run(reference, exact, weights.double())
    for tensor, exactly in want.items():
        scale = float(exactly.abs().max())
        torch.testing.assert_close(got[tensor].double(), exactly, rtol=1e-4, atol=1e-4 * scale + 1e-6)


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps({name: errors(case, "cpu", pytest.MonkeyPatch()) for name, case in CASES.items()}))
