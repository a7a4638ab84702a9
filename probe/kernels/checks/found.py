"""Which implementations of an operation there are on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from probe.kernels.checks import own
from probe.kernels.checks.implementation import Absent, Implementation

PACKAGES = {
    "transformers": ("causal_conv1d", "selective_scan", "ssd", "delta_rule", "wkv4"),
    "mamba_ssm": ("ssd",),
    "fla": ("delta_rule", "wkv7"),
}
"""Other packages with the operations that they have; each is run by the file of its name."""
DISTRIBUTIONS = {"transformers": "transformers", "mamba_ssm": "mamba-ssm", "fla": "flash-linear-attention"}
"""What they are called where they are installed."""


def installed() -> dict[str, str]:
    """Returns the versions of the other packages that are installed."""
    found = {}
    for package, distribution in DISTRIBUTIONS.items():
        with suppress(PackageNotFoundError):
            found[package] = version(distribution)
    return found


def implementations(operation: str) -> Iterator[Implementation | Absent]:
    """Yields every implementation of an operation: ours, then other packages'."""
    yield from own.implementations(operation)
    for package, operations in PACKAGES.items():
        if operation in operations:
            yield from _of(package, operation)


def _of(package: str, operation: str) -> Iterator[Implementation | Absent]:
    if find_spec(package) is None:
        yield Absent(package, package, f"The package {package} is not installed.")
        return
    try:
        module = import_module(f"probe.kernels.checks.{package}")
    except Exception as error:  # a package of kernels asks for its compiler and its GPU as it is imported
        reason = str(error).splitlines()[0] if str(error) else "no reason given"
        yield Absent(package, package, f"The package {package} cannot be imported ({type(error).__name__}: {reason}).")
        return
    yield from module.implementations(operation)
