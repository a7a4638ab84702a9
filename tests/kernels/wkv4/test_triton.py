"""Claims on the Triton WKV: it is the reference's function, and so are its gradients.

Without a GPU the kernels run in Triton's interpreter, which must be switched on before triton is imported:
this file runs itself as a script in a process of its own, which prints the errors of every case as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec

import pytest
import torch
from torch import Tensor

from probe.errors import ProbeError
from probe.kernels.wkv4.reference import wkv4 as reference

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available() or INTERPRETED, reason="there is no GPU")

# of the largest number in a tensor; for a tensor kept in 16 bits one unit in the last place, because the
# interpreter cuts where a GPU rounds
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2**-7, torch.float16: 2**-10}


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


def run(operation: object, tensors: dict[str, Tensor], weights: Tensor) -> dict[str, Tensor]:
    """Returns y and the gradient of sum(weights * y) by every tensor."""
    assert callable(operation)
    y = operation(**tensors)
    gradients = torch.autograd.grad(y, list(tensors.values()), weights.to(y.dtype), materialize_grads=True)
    return {"y": y.detach()} | dict(zip(tensors, gradients, strict=True))


def errors(case: Case, device: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Returns how far y and each gradient are from the float64 reference, in units of the tolerance."""
    from probe.kernels.wkv4 import triton as fused

    monkeypatch.setattr(fused, "SEGMENT", case.segment)
    tensors = draw(case, device)
    weights = torch.randn(tensors["key"].shape, generator=torch.Generator().manual_seed(1)).to(device, case.dtype)
    exact = {name: tensor.detach().double().requires_grad_() for name, tensor in tensors.items()}
    got, want = run(fused.wkv4, tensors, weights), run(reference, exact, weights.double())
    with torch.no_grad():
        assert torch.equal(fused.wkv4(**tensors), got["y"]), "y differs without gradients"
    if device == "cuda":
        for name, tensor in run(fused.wkv4, tensors, weights).items():
            assert torch.equal(tensor, got[name]), f"{name} differs between two runs"
    assert got["y"].dtype == case.dtype
    for name, tensor in tensors.items():
        assert got[name].dtype == tensor.dtype, f"the gradient of {name} is {got[name].dtype}"
    # of large keys differences are taken: what their own rounding is worth counts as none of the kernel's
    allowed = max(1.0, case.scale / 10)
    return {
        # the first token's mean is its value: then the weights' gradients are 0
        name: float((got[name].double() - exactly).abs().max() / exactly.abs().max().clamp_min(0.1))
        / (TOLERANCE[got[name].dtype] * allowed)
        for name, exactly in want.items()
    }


@needs_triton
def test_interpreted_kernel_and_all_its_gradients_are_the_references() -> None:
    """The output and its four gradients, over several segments, odd shapes, strides and dtypes."""
    environment = os.environ | {
        "TRITON_INTERPRET": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    done = subprocess.run([sys.executable, __file__], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == set(CASES)
    wrong = {(case, name): error for case in found for name, error in found[case].items() if not error < 1}
    assert not wrong


@needs_triton
@needs_gpu
@pytest.mark.parametrize("name", CASES)
def test_kernel_and_all_its_gradients_are_the_references_on_a_gpu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same cases, compiled; repeated runs agree bit for bit."""
    wrong = {tensor: error for tensor, error in errors(CASES[name], "cuda", monkeypatch).items() if not error < 1}
    assert not wrong


@needs_triton
@pytest.mark.skipif(INTERPRETED, reason="the interpreter takes CPU tensors")
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
