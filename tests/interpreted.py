"""How a Triton kernel is set before its float64 reference: on a GPU, or in Triton's interpreter where there is none.

The interpreter must be switched on before triton is imported: a test file that uses it runs itself as a script in a
process of its own, which prints the errors of every case as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec

import pytest
import torch
from torch import Tensor

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available() or INTERPRETED, reason="there is no GPU")
needs_compiled = pytest.mark.skipif(INTERPRETED, reason="the interpreter takes CPU tensors")

# of the largest number in a tensor; for a tensor kept in 16 bits one unit in the last place, because the
# interpreter cuts where a GPU rounds
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2**-7, torch.float16: 2**-10}


def interpreted(file: str) -> dict[str, dict[str, float]]:
    """Runs a test file as a script in the interpreter and returns the errors that it prints, by case and tensor."""
    environment = os.environ | {
        "TRITON_INTERPRET": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    done = subprocess.run([sys.executable, file], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    return found


def too_large(found: Mapping[str, Mapping[str, float]]) -> dict[tuple[str, str], float]:
    """Returns the errors that are not below the tolerance, NaN among them, by case and tensor."""
    return {(case, name): error for case in found for name, error in found[case].items() if not error < 1}


def run(
    operation: Callable[..., Tensor], tensors: dict[str, Tensor], weights: Tensor, *, unused: bool = False
) -> dict[str, Tensor]:
    """Returns y and the gradient of sum(weights * y) by every tensor; `unused` ones have a gradient of 0, or raise."""
    y = operation(**tensors)
    gradients = torch.autograd.grad(y, list(tensors.values()), weights.to(y.dtype), materialize_grads=unused)
    return {"y": y.detach()} | dict(zip(tensors, gradients, strict=True))


def compared(
    kernel: Callable[..., Tensor],
    reference: Callable[..., Tensor],
    tensors: dict[str, Tensor],
    like: str,
    least: float,
) -> dict[str, float]:
    """Returns how far y and each gradient are from the float64 reference, in units of the tolerance.

    Asserts as well that y is the same without gradients, that dtypes are kept, and on a GPU that runs repeat.

    Args:
        like: the tensor whose shape and dtype y has.
        least: what a tensor's largest number counts as at least.
    """
    shape, dtype, device = tensors[like].shape, tensors[like].dtype, tensors[like].device
    weights = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(device, dtype)
    exact = {name: tensor.detach().double().requires_grad_() for name, tensor in tensors.items()}
    got, want = run(kernel, tensors, weights), run(reference, exact, weights.double(), unused=True)
    with torch.no_grad():
        assert torch.equal(kernel(**tensors), got["y"]), "y differs without gradients"
    if device.type == "cuda":
        for name, tensor in run(kernel, tensors, weights).items():
            assert torch.equal(tensor, got[name]), f"{name} differs between two runs"
    assert got["y"].dtype == dtype
    for name, tensor in tensors.items():
        assert got[name].dtype == tensor.dtype, f"the gradient of {name} is {got[name].dtype}"
    return {
        name: float((got[name].double() - exactly).abs().max() / exactly.abs().max().clamp_min(least))
        / TOLERANCE[got[name].dtype]
        for name, exactly in want.items()
    }
