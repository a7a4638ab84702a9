"""Claims on the Triton selective scan: it is the reference's function, and so are its gradients.

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
from probe.kernels.selective_scan.reference import selective_scan as reference

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available() or INTERPRETED, reason="there is no GPU")

# of the largest number in a tensor; for a tensor kept in 16 bits one unit in the last place, because the
# interpreter cuts where a GPU rounds
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2**-7, torch.float16: 2**-10}


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


def run(scan: object, tensors: dict[str, Tensor], weights: Tensor) -> dict[str, Tensor]:
    """Returns y and the gradient of sum(weights * y) by every tensor."""
    assert callable(scan)
    y = scan(**tensors)
    gradients = torch.autograd.grad(y, list(tensors.values()), weights.to(y.dtype))
    return {"y": y.detach()} | dict(zip(tensors, gradients, strict=True))


def errors(case: Case, device: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Returns how far y and each gradient are from the float64 reference, in units of the tolerance."""
    from probe.kernels.selective_scan import triton as fused

    monkeypatch.setattr(fused, "ENOUGH_PROGRAMS", case.programs)
    monkeypatch.setattr(fused, "SEGMENT", case.segment)
    tensors = draw(case, device)
    weights = torch.randn(tensors["u"].shape, generator=torch.Generator().manual_seed(1)).to(device, case.dtype)
    exact = {name: tensor.detach().double().requires_grad_() for name, tensor in tensors.items()}
    got, want = run(fused.selective_scan, tensors, weights), run(reference, exact, weights.double())
    with torch.no_grad():
        assert torch.equal(fused.selective_scan(**tensors), got["y"]), "y differs without gradients"
    if device == "cuda":
        for name, tensor in run(fused.selective_scan, tensors, weights).items():
            assert torch.equal(tensor, got[name]), f"{name} differs between two runs"
    assert got["y"].dtype == case.dtype
    for name, tensor in tensors.items():
        assert got[name].dtype == tensor.dtype, f"the gradient of {name} is {got[name].dtype}"
    return {
        # one step from an empty state has no gradient in A to compare with
        name: float((got[name].double() - exactly).abs().max() / exactly.abs().max().clamp_min(1e-2))
        / TOLERANCE[got[name].dtype]
        for name, exactly in want.items()
    }


@needs_triton
def test_interpreted_kernel_and_all_its_gradients_are_the_references() -> None:
    """The output and its eight gradients, over several segments, odd shapes, strides and dtypes."""
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
