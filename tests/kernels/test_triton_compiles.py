"""Claim: the Triton kernels compile to machine code for the GPUs of today, which needs none of them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")

AMPERE, HOPPER = 80, 90


@dataclass(frozen=True)
class Kernel:
    """A kernel, which of its pointers are to activations, which to float32, and its constants or their names."""

    operation: str
    name: str
    activations: str
    others: str
    constants: dict[str, int | str]


SCAN = {"STATE": 16, "BLOCK": 32, "SEGMENT": "SEGMENT"}
WKV = {"BLOCK": "BLOCK", "SEGMENT": "SEGMENT", "GROUP": "GROUP"}
KERNELS = [
    Kernel(
        "selective_scan", "_forward_kernel", "u delta B C z y", "A D bias starts", SCAN | {"GROUP": "GROUP_FORWARD"}
    ),
    Kernel(
        "selective_scan",
        "_backward_kernel",
        "d_y u delta B C z d_u d_delta d_z",
        "A D bias starts scratch d_BC d_parameters",
        SCAN | {"GROUP": "GROUP_BACKWARD"},
    ),
    Kernel("wkv4", "_forward_kernel", "key value out", "decay first starts", WKV),
    Kernel(
        "wkv4",
        "_backward_kernel",
        "d_out key value d_key d_value",
        "decay first starts scratch d_parameters",
        WKV,
    ),
]


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: f"{kernel.operation}{kernel.name}")
@pytest.mark.parametrize(("capability", "dtype"), [(AMPERE, "fp32"), (HOPPER, "fp32"), (HOPPER, "bf16")])
def test_a_kernel_compiles_to_machine_code(kernel, capability, dtype, tmp_path, monkeypatch):
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    module = import_module(f"probe.kernels.{kernel.operation}.triton")
    function = getattr(module, kernel.name)
    pointers = dict.fromkeys(kernel.activations.split(), f"*{dtype}") | dict.fromkeys(kernel.others.split(), "*fp32")
    signature = {
        name: "constexpr" if name in kernel.constants else pointers.get(name, "i32") for name in function.arg_names
    }
    assert signature.keys() >= pointers.keys() | kernel.constants.keys()
    constants = {
        (function.arg_names.index(name),): getattr(module, value) if isinstance(value, str) else value
        for name, value in kernel.constants.items()
    }
    compiled = triton.compile(
        ASTSource(fn=function, signature=signature, constexprs=constants),
        target=GPUTarget("cuda", capability, 32),
        options={"num_warps": 1, "enable_fp_fusion": True},
    )
    assert f".target sm_{capability}" in compiled.asm["ptx"]
    assert len(compiled.asm["cubin"]) > 0
