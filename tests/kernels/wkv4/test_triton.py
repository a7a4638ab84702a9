"""Claims on the Triton WKV: it is the reference's function, and so are its gradients (see `interpreted`)."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
import torch
from interpreted import compared, interpreted, needs_compiled, needs_gpu, needs_triton, too_large
from torch import Tensor

from probe.errors import ProbeError
from probe.kernels.wkv4.reference import wkv4 as reference


@dataclass(frozen=True)
class Case:
    """One shape and what comes with it; a short `segment` saves time."""

    batch: int
    time: int
    channels: int
    scale: float = 2.0
    dtype: torch.dtype = torch.float32
    strided: bool = False
    segment: int = 32


CASES = {
    "three segments, two blocks of channels": Case(1, 19, 35, segment=8),
    "exactly one segment": Case(2, 32, 5),
    "one token more than a segment": Case(1, 33, 3),
    "one token, one channel": Case(3, 1, 1),
    "keys beyond the exponentials' range": Case(1, 30, 7, scale=100.0),
    "strided": Case(2, 5, 10, strided=True),
    "bfloat16": Case(1, 35, 11, dtype=torch.bfloat16),
    "float16": Case(1, 5, 9, dtype=torch.float16),
}


def draw(case: Case, device: str) -> dict[str, Tensor]:
    """Draws keys and values of the case's dtype, and float32 parameters."""
    generator = torch.Generator().manual_seed(0)

    def activation() -> Tensor:
        extra = 3 if case.strided else 0
        x = torch.randn(case.batch, case.time, case.channels + extra, generator=generator).to(device, case.dtype)
        return x[..., : case.channels]

    tensors = {"key": activation() * case.scale, "value": activation()}
    tensors["decay"] = torch.randn(case.channels, generator=generator).to(device)
    tensors["first"] = torch.randn(case.channels, generator=generator).to(device)
    return {name: tensor.detach().requires_grad_() for name, tensor in tensors.items()}


def errors(case: Case, device: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Returns how far y and each gradient are from the float64 reference, in units of the tolerance."""
    from probe.kernels.wkv4 import triton as fused

    monkeypatch.setattr(fused, "SEGMENT", case.segment)
    # the first token's mean is its value: then the weights' gradients are 0
    found = compared(fused.wkv4, reference, draw(case, device), like="value", least=0.1)
    # of large keys differences are taken: what their own rounding is worth counts as none of the kernel's
    return {name: error / max(1.0, case.scale / 10) for name, error in found.items()}


@needs_triton
def test_interpreted_kernel_and_all_its_gradients_are_the_references() -> None:
    """The output and its four gradients, over several segments, odd shapes, strides and dtypes."""
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
def test_cpu_tensors_and_float64_are_refused_in_one_sentence() -> None:
    """Compiled kernels need a GPU, and sums are float32: float64 tensors would lose half their digits unnoticed."""
    from probe.kernels.wkv4.triton import wkv4

    tensors = draw(CASES["strided"], "cpu")
    with pytest.raises(ProbeError, match=r"given tensors on cpu; it needs them on a GPU\. Move them"):
        wkv4(**tensors)
    with pytest.raises(ProbeError, match=r"given torch\.float64; it needs float32"):
        wkv4(**{name: tensor.double() for name, tensor in tensors.items()})


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps({name: errors(case, "cpu", pytest.MonkeyPatch()) for name, case in CASES.items()}))
