"""Claims: the fastest backend that can run is chosen, and one that cannot is refused in a sentence."""

import sys
from importlib.util import find_spec

import pytest
import torch

from probe.errors import ProbeError
from probe.kernels import selective_scan as room
from probe.kernels.backends import load
from probe.kernels.selective_scan import BACKENDS, choose, selective_scan


def example(dtype=torch.float32):
    one = torch.ones(1, 3, 2, dtype=dtype)
    return (one, one, -one[0, :2], one, one, one[0, 0])


@pytest.mark.parametrize(
    ("device", "dtype", "installed", "expected"),
    [
        ("cpu", torch.float32, ["triton", "mamba_ssm"], "cpu"),
        ("cpu", torch.bfloat16, [], "cpu"),
        ("cpu", torch.float64, ["triton", "mamba_ssm"], "reference"),
        ("cuda", torch.float32, ["triton", "mamba_ssm"], "mamba_ssm"),
        ("cuda", torch.float16, ["triton"], "triton"),
        ("cuda", torch.float32, [], "reference"),
        ("cuda", torch.float64, ["triton", "mamba_ssm"], "reference"),
        ("mps", torch.float32, ["triton"], "reference"),
    ],
)
def test_the_fastest_installed_backend_is_chosen(device, dtype, installed, expected, monkeypatch):
    monkeypatch.setattr(room, "find_spec", lambda name: name if name in installed else None)
    assert choose(device, dtype) == expected


def test_auto_runs_the_chosen_backend_and_a_name_overrides_it():
    """In float32 the backends differ in their last bits at most; float64 goes to the reference."""
    auto = selective_scan(*example())
    assert torch.equal(auto, selective_scan(*example(), backend="cpu"))
    torch.testing.assert_close(auto, selective_scan(*example(), backend="reference"))
    exact = selective_scan(*example(torch.float64))
    assert exact.dtype == torch.float64
    assert torch.equal(exact, selective_scan(*example(torch.float64), backend="reference"))


@pytest.mark.parametrize("name", ["reference", "cpu"])
def test_backends_that_need_nothing_load(name):
    assert load("selective_scan", BACKENDS, name).__module__ == f"probe.kernels.selective_scan.{name}"


def test_an_unknown_backend_is_named_with_the_known_ones():
    with pytest.raises(ProbeError) as raised:
        load("selective_scan", BACKENDS, "trition")
    known = "auto, reference, cpu, triton, mamba_ssm"
    assert str(raised.value) == f"No kernel is called 'trition'. Did you mean triton? Kernels: {known}."


@pytest.mark.parametrize("name", ["triton", "mamba_ssm"])
def test_a_backend_that_is_not_installed_says_what_it_needs(name, monkeypatch):
    """`None` in sys.modules makes an import fail as if the package were missing."""
    monkeypatch.delitem(sys.modules, f"probe.kernels.selective_scan.{name}", raising=False)
    for module in [loaded for loaded in sys.modules if loaded.split(".")[0] == name]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)
    # where a parent is None, Python names the module below it
    sentence = (
        rf"The {name} kernel was asked for, but it needs the package {name}(\.ops)?, which is not installed\. "
        r"Install it, or use --kernel auto\."
    )
    with pytest.raises(ProbeError, match=f"^{sentence}$"):
        load("selective_scan", BACKENDS, name)


def test_every_backend_has_its_file():
    assert all(find_spec(f"probe.kernels.selective_scan.{name}") for name in BACKENDS)
