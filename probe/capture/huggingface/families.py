"""The module names of blocks, final norm and logits in each family of transformers' causal language models."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Family:
    """Where a model's stream passes, by the names of its modules.

    Args:
        blocks: the list of blocks; a block takes the stream first and returns it, alone or first of a tuple.
        norm: the final norm; empty where there is none.
        entry: the module that the stream leaves at layer 0; empty where it is what enters the first block.
        entrance: the module that this stream enters in the first block, where it is not the block itself.
        exit: what projects the normed stream to the width that symbols are read out of, where a family has that.
    """

    blocks: str
    norm: str
    entry: str = ""
    entrance: str = ""
    exit: str = ""


_GPT = Family("transformer.h", "transformer.ln_f")
_LLAMA = Family("model.layers", "model.norm")
_MAMBA = Family("backbone.layers", "backbone.norm_f")

FAMILIES: dict[str, Family] = {
    "falcon_mamba": _MAMBA,
    "gemma": _LLAMA,
    "gemma2": _LLAMA,
    "gpt2": _GPT,
    "gpt_neo": _GPT,
    "gpt_neox": Family("gpt_neox.layers", "gpt_neox.final_layer_norm"),
    "gptj": _GPT,
    "jamba": Family("model.layers", "model.final_layernorm"),
    "llama": _LLAMA,
    "mamba": _MAMBA,
    "mamba2": _MAMBA,
    "mamba_ssm": _MAMBA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    # the norm inside the first block belongs to the embedding: what the blocks add to is what leaves it
    "rwkv": Family("rwkv.blocks", "rwkv.ln_out", "rwkv.blocks.0.pre_ln", "rwkv.blocks.0.ln1"),
}

# blocks whose attention and feed-forward read the same stream and are added together
PARALLEL: dict[str, Callable[[Any], bool]] = {
    "codegen": lambda config: True,
    "cohere": lambda config: True,
    "cohere2": lambda config: True,
    "falcon": lambda config: bool(config.parallel_attn or config.new_decoder_architecture),
    "gpt_neox": lambda config: bool(config.use_parallel_residual),
    "gptj": lambda config: True,
    "phi": lambda config: True,
    "stablelm": lambda config: bool(config.use_parallel_residual),
}

# what tables of positions are called; those of distances between tokens end nowhere
TABLE = re.compile(r"^wpe$|^(?!.*relative)\w*pos(ition)?s?(_|$)")


def _cap(logits: Tensor, most: float) -> Tensor:
    return torch.tanh(logits / most) * most


# what a family does to its logits, by the setting that says how much
LOGITS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "final_logit_softcapping": _cap,
    "lm_head_multiplier": lambda logits, factor: logits * factor,
    "logit_scale": lambda logits, factor: logits * factor,
    "logits_scaling": lambda logits, divisor: logits / divisor,
    "logits_soft_cap": _cap,
    "output_logit_soft_cap": _cap,
}


def scaled(logits: Tensor, config: Any) -> Tensor:
    """Returns the logits, scaled or capped by the model's settings."""
    for setting, change in LOGITS.items():
        amount = getattr(config, setting, None)
        if amount is not None:
            logits = change(logits, amount)
    return logits


def candidates(model: nn.Module, layers: int) -> list[Family]:
    """Returns candidates for the module names of a family that is not in the table, likeliest first.

    The blocks are the list of as many modules as there are layers, the final norm one of its siblings, or none, and
    a linear map beside them may project what was normed.
    """
    found = []
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == layers:
            owner = name.rpartition(".")[0]
            siblings = dict(model.get_submodule(owner).named_children())
            norms = [sibling for sibling in reversed(siblings) if re.search(r"norm|^ln", sibling)]
            maps = [sibling for sibling, each in siblings.items() if isinstance(each, nn.Linear)]
            for norm, leaving in ((norm, leaving) for leaving in ("", *maps) for norm in (*norms, "")):
                paths = [f"{owner}.{path}".lstrip(".") if path else "" for path in (norm, leaving)]
                found.append(Family(name, paths[0], exit=paths[1]))
    return found


def positions(called: Collection[nn.Module], model: nn.Module, config: Any) -> int:
    """Returns the most tokens that a model has positions for: those of its shortest table of them; 0 without one.

    Args:
        called: the modules that symbols pass; tables of places in pictures are none of theirs.
    """
    told = getattr(config, "max_position_embeddings", None)
    found = []
    for name, module in model.named_modules():
        if module not in called:
            continue
        if isinstance(module, nn.Embedding) and TABLE.search(name.rpartition(".")[2]):
            rows = module.num_embeddings
            # some keep their first rows for padding, and some more rows than they use
            spare = isinstance(told, int) and 0 < told <= rows <= told + 8
            found.append(int(told or 0) if spare else rows - int(getattr(module, "offset", 0)))
        # sines and cosines that are computed once, as many as there are positions
        tables = (getattr(module, name, None) for name in ("embed_positions", "pos_encoding"))
        found += [len(table) for table in tables if isinstance(table, Tensor)]
    return min(found, default=0)


def text_config(config: Any) -> Any:
    """Returns the settings of the language part, which are all of them where a model reads text alone."""
    find = getattr(config, "get_text_config", None)
    return config if find is None else find()
