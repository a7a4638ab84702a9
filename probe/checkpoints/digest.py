"""The digest by which a changed tensor or description is found."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor


def digest_of(weights: Mapping[str, Tensor], text: str) -> str:
    """Returns the SHA-256 of a description and of every tensor's name, type, shape and bytes, hexadecimal."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(weights):
        tensor = weights[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.view(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return digest.hexdigest()
