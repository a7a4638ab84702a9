"""Checks of weights that transformers has loaded: none missing, none unused, none that should be tied and differ."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from probe.capture.huggingface.families import text_config
from probe.checkpoints.whole import is_buffer, two_tensors, unused
from probe.errors import ProbeError

TABLES = re.compile(r"rope_freqs|rope_factors|inv_freq")
"""Tables of angles by the names that GGUF files have for them."""
BLOCK = re.compile(r"(?:^|\.)(?:layers?|h|blocks)\.(\d+)\.")
HEADS = re.compile(
    r"^(model\.)?(score|classifier|cls|qa_outputs|pooler|v_head|value_head|reward_head|multiple_choice_head|mc_head|mtp)\b"
)
"""What reads the last layer for other purposes than the next symbol: heads of classifiers, rewards, further symbols."""


def check_loaded(place: Path, report: Mapping[str, Any], model: Any, given: Mapping[str, Tensor]) -> None:
    """Raises `ProbeError` if a loaded model differs from the stored one.

    Args:
        report: the library's own, which leaves out what its families are told to ignore.
        given: the weights that the library was given; empty where it has read them itself.
    """
    for name, found, needed in sorted(report["mismatched_keys"]):
        raise ProbeError(
            f"{place} holds a weight of shape {list(found)} ({name}), but its config.json needs {list(needed)}. Copy "
            "the whole folder."
        )
    missing = sorted({*report["missing_keys"], *_made_up(model, given)})
    if missing:
        raise ProbeError(
            f"{place} lacks {len(missing)} of the model's weights ({missing[0]}), which would be random. Copy the "
            "whole folder, or give one of a causal language model."
        )
    layers = int(text_config(model.config).num_hidden_layers)
    start, own = f"{getattr(model, 'base_model_prefix', '')}.", model.state_dict().keys()
    others = (name for name in given if name not in own and start + name not in own)
    ignored = {name for name in others if _matches(name, model, "_keys_to_ignore_on_load_unexpected")}
    for name in sorted({*report["unexpected_keys"], *ignored}):
        _check_unused(place, name, given.get(name), layers, name in ignored)
    for one, other in _ties(model):
        if model.get_parameter(one) is not model.get_parameter(other):
            raise two_tensors(place, one, other)


def _check_unused(place: Path, name: str, tensor: Tensor | None, layers: int, ignored: bool) -> None:
    if is_buffer(name, tensor) if tensor is not None else TABLES.search(name):
        return
    block = BLOCK.search(name)
    if block and int(block[1]) >= layers and not ignored:
        raise ProbeError(
            f"{place} holds weights of block {block[1]} ({name}), but its config.json has {layers} blocks. Copy "
            "the whole folder."
        )
    # ignored blocks after the last one predict further symbols
    further = ignored and (block is None or int(block[1]) >= layers)
    if not further and not HEADS.search(name):
        raise unused(place, name)


def _made_up(model: Any, given: Mapping[str, Tensor]) -> Iterator[str]:
    """Yields the parameters that no file holds and whose absence transformers ignores for this family."""
    start = f"{getattr(model, 'base_model_prefix', '')}."
    tied = {name for pair in _ties(model) for name in pair}
    for name, _ in model.named_parameters() if given else ():
        held = name in tied or name in given or name.removeprefix(start) in given
        if not held and _matches(name, model, "_keys_to_ignore_on_load_missing"):
            yield name


def _matches(name: str, model: Any, patterns: str) -> bool:
    return any(re.search(pattern, name) for pattern in getattr(model, patterns, None) or ())


def _ties(model: Any) -> list[tuple[str, str]]:
    """Returns the pairs of parameters that a model's settings tie, whether or not they are one tensor here."""
    find = getattr(model, "get_expanded_tied_weights_keys", None)
    return [] if find is None else list(find(all_submodels=True).items())
