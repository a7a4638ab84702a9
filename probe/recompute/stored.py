"""The tensors of a checkpoint as its files hold them, by the files' own names: no reader has touched them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from probe.checkpoints import huggingface, official
from probe.checkpoints.huggingface import folder as folders
from probe.checkpoints.official.folder import locate, read_weights
from probe.checkpoints.saved import read_saved
from probe.checkpoints.shards import is_sharded, read_shards
from probe.checkpoints.weights import AGAIN, read_stored
from probe.recompute.weights import ImpossibleError


def stored_weights(path: Path) -> Mapping[str, Tensor]:
    """Returns every tensor that a checkpoint of any readable kind stores.

    Raises:
        ImpossibleError: if they are not stored as plain tensors.
        ProbeError: if a file cannot be read.
    """
    if is_sharded(path):
        found: Mapping[str, Tensor] = read_shards(path)["weights"]
    elif official.recognises(path):
        found = read_weights(locate(path))[0]
    elif huggingface.recognises(path):
        found = _of_folder(folders.locate(path))
    else:
        found = read_saved(path, AGAIN)["weights"]
    return found


def _of_folder(folder: Path) -> Mapping[str, Tensor]:
    """Returns the tensors of a language model's folder, from one file of weights or from all that an index names."""
    if folder.is_file() or not (folder / "config.json").is_file():
        raise ImpossibleError("the packed weights of a GGUF file")
    return read_stored(folder).tensors
