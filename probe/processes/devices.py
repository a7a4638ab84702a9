"""The device that a flag names."""

from __future__ import annotations

import torch

from probe.errors import ProbeError


def device_named(name: str) -> torch.device:
    """Returns the device a flag names; ``auto`` is a GPU where there is one.

    Raises:
        ProbeError: if torch knows no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ProbeError(
            f"--device {name} was given, but torch finds no such device here. Use --device cpu."
        ) from error
    return device
