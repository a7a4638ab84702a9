"""Claims: a backend is found by its name, and what is wrong with a name or an installation is said in a sentence."""

import pytest

from probe.errors import ProbeError
from probe.kernels.backends import load

KNOWN = {"reference": "", "nowhere": ""}


@pytest.mark.parametrize("operation", ["selective_scan", "ssd", "delta_rule", "wkv4", "wkv7", "diagonal_convolution"])
def test_every_operation_has_a_plain_reference(operation):
    assert load(operation, KNOWN, "reference").__module__ == f"probe.kernels.{operation}.reference"


def test_an_unknown_backend_is_refused_with_the_known_ones():
    with pytest.raises(ProbeError) as raised:
        load("ssd", KNOWN, "referense", "kernel of Mamba-2")
    assert str(raised.value) == (
        "No kernel of Mamba-2 is called 'referense'. Did you mean reference? Kernels: auto, reference, nowhere."
    )


def test_a_backend_that_cannot_be_imported_names_what_it_needs():
    with pytest.raises(ProbeError, match=r"needs the package probe\.kernels\.ssd\.nowhere"):
        load("ssd", KNOWN, "nowhere")
