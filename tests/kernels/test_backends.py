"""Claims: a backend is found by its name, and what is wrong with a name or an installation is said in a sentence."""

import pytest
import torch

from probe.errors import ProbeError
from probe.kernels.backends import load

KNOWN = {"reference": "", "nowhere": ""}


@pytest.mark.parametrize(
    "operation",
    [
        "selective_scan",
        "ssd",
        "delta_rule",
        "wkv4",
        "wkv7",
        "diagonal_convolution",
        "gelu",
        "causal_attention",
    ],
)
def test_every_operation_has_a_plain_reference(operation):
    function = load(operation, KNOWN, "reference", takes_half=True)
    assert function.__module__ == f"probe.kernels.{operation}.reference"


def test_an_unknown_backend_is_refused_with_the_known_ones():
    with pytest.raises(ProbeError) as raised:
        load("ssd", KNOWN, "referense", "kernel of Mamba-2")
    assert str(raised.value) == (
        "No kernel of Mamba-2 is called 'referense'. Did you mean reference? Kernels: auto, reference, nowhere."
    )


def test_a_backend_that_cannot_be_imported_names_what_it_needs():
    with pytest.raises(ProbeError, match=r"needs the package probe\.kernels\.ssd\.nowhere"):
        load("ssd", KNOWN, "nowhere")


def test_under_autocast_states_are_float32():
    x, step = torch.randn(2, 7, 3, 4, dtype=torch.bfloat16), torch.rand(2, 7, 3, dtype=torch.bfloat16)
    given = x, step, -torch.rand(3), torch.randn(2, 7, 5).bfloat16(), torch.randn(2, 7, 5).bfloat16(), torch.randn(3)
    with torch.autocast("cpu", torch.bfloat16):
        found = load("ssd", {"chunked": ""}, "chunked")(*given)
    wanted = load("ssd", {"chunked": ""}, "chunked")(*(tensor.float() for tensor in given))
    assert found.dtype == torch.float32
    assert torch.equal(found, wanted)
