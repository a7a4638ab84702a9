"""Causal language models as transformers stores them: the settings of config.json, the names of their releases.

What a config.json leaves out has the value that the family's first release had, written down here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from probe.checkpoints.huggingface import folder
from probe.checkpoints.huggingface import mamba_ssm as official
from probe.recompute import mamba_ssm, rwkv4
from probe.recompute.gpt2 import gpt2_block, gptj_block
from probe.recompute.gpt_neox import neox_block, phi_block
from probe.recompute.llama import gemma_block, llama_block, one_more
from probe.recompute.mamba import mamba
from probe.recompute.mamba2 import mamba2
from probe.recompute.norms import layer_norm, rms_norm
from probe.recompute.opt import opt_block
from probe.recompute.part import Described, Part, beginning, below, count
from probe.recompute.weights import ImpossibleError, LackingError, Weights, linear, looked_up

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Family:
    """How a family stores its parts and what it computes.

    Args:
        kind: a block in words.
        outer: what stands before all names but the head's; some releases leave it out.
        blocks: the list of blocks.
        block: what leaves a block, from its weights, the stream, the settings and its place.
        embedding: the table that is read in by.
        norm: the final norm, as `normed` computes it.
        epsilon: the setting's name, and its value where none is given.
        head: the read-out's name; where `tied` says so, unless a setting does not, it may be the embedding.
        positions: a table of positions; empty where there is none.
        before: a norm behind the embedding; empty where there is none.
        harmless: a pattern of the names in a block that older releases kept and nothing reads.
        skipped: how many rows of the table of positions stand before that of the first token.
        factor: what rows of the embedding are multiplied by.
        divisor: what logits are divided by.
    """

    kind: str
    outer: str
    blocks: str
    block: Callable[[Weights, Tensor, Config, int], Tensor]
    embedding: str
    norm: str
    normed: Callable[..., Tensor]
    epsilon: tuple[str, float]
    head: str = "lm_head"
    tied: bool = False
    positions: str = ""
    before: str = ""
    harmless: str = r"(?!)"
    skipped: int = 0
    factor: Callable[[Config], float] = lambda config: 1.0
    divisor: Callable[[Config], float] = lambda config: 1.0


def describe(path: Path, weights: Mapping[str, Tensor]) -> Described:
    """Returns a folder's parts, as its config.json and its names say.

    Raises:
        ImpossibleError: if its family is none of these.
    """
    config = folder.read_config(folder.locate(path, weights=False))
    if official.fits(config):
        return mamba_ssm.describe(config, weights)
    kind = str(config.get("model_type"))
    if kind not in FAMILIES:
        raise ImpossibleError(f"{kind} blocks")
    if config.get("word_embed_proj_dim", config.get("hidden_size")) != config.get("hidden_size"):
        raise ImpossibleError(f"{kind} with embeddings of another width than the stream")
    family = FAMILIES[kind]
    outer = _outer(weights, family)
    inside = outer + family.blocks
    own = [below(weights, f"{inside}.{i}.") for i in range(count(weights, inside))]
    # a norm behind the embedding stands in the first block
    first = beginning(own[0], f"{family.before}.") if family.before and own else {}
    embedding = f"{outer}{family.embedding}."
    before = beginning(weights, embedding, *([f"{outer}{family.positions}."] if family.positions else []))
    after = beginning(weights, embedding, f"{outer}{family.norm}.", f"{family.head}.")
    return Described(
        Part("read-in", {**before, **first}, partial(_read_in, family, config, outer)),
        tuple(
            Part(
                family.kind,
                {name: tensor for name, tensor in tensors.items() if i or name not in first},
                partial(_block, family, config, i),
                family.harmless,
            )
            for i, tensors in enumerate(own)
        ),
        Part("read-out", after, partial(_read_out, family, config, outer, len(own))),
        partial(_final, family, config, outer, len(own)),
    )


def _outer(weights: Mapping[str, Tensor], family: Family) -> str:
    """Returns the prefix of a folder's names: all of the family's prefix, its end, or nothing."""
    parts = family.outer.split(".")
    endings = [".".join(parts[first:]) for first in range(len(parts))]
    return next((ending for ending in endings if beginning(weights, f"{ending}{family.blocks}.")), family.outer)


def _read_in(family: Family, config: Config, outer: str, weights: Weights, tokens: Tensor) -> Tensor:
    stream = looked_up(weights, outer + family.embedding, tokens) * family.factor(config)
    if family.positions:
        table = weights.take(f"{outer}{family.positions}.weight")
        stream = stream + table[family.skipped : family.skipped + stream.shape[1]]
    return family.normed(weights, family.before, stream, _epsilon(family, config)) if family.before else stream


def _block(family: Family, config: Config, place: int, weights: Weights, stream: Tensor) -> Tensor:
    return family.block(weights, stream, config, place)


def _final(family: Family, config: Config, outer: str, blocks: int, weights: Weights, stream: Tensor) -> Tensor:
    epsilon = _epsilon(family, config) * _rescaling(config, blocks)
    normed: Tensor = family.normed(weights, outer + family.norm, stream, epsilon)
    return normed


def _read_out(family: Family, config: Config, outer: str, blocks: int, weights: Weights, stream: Tensor) -> Tensor:
    normed = _final(family, config, outer, blocks, weights, stream)
    try:
        logits = linear(weights, family.head, normed)
    except LackingError:
        if not config.get("tie_word_embeddings", family.tied):
            raise
        logits = linear(weights, outer + family.embedding, normed)
    return logits / family.divisor(config)


def _epsilon(family: Family, config: Config) -> float:
    name, default = family.epsilon
    return float(config.get(name, default))


def _mamba_block(weights: Weights, stream: Tensor, config: Config, place: int) -> Tensor:
    read = rms_norm(weights, "norm", stream, float(config.get("layer_norm_epsilon", 1e-5)))
    inner = float(config.get("mixer_rms_eps", 1e-6)) if config["model_type"] == "falcon_mamba" else None
    _check_silu(config)
    return stream + mamba(weights.under("mixer."), read, {}, inner)


def _mamba2_block(weights: Weights, stream: Tensor, config: Config, place: int) -> Tensor:
    epsilon = float(config.get("layer_norm_epsilon", 1e-5))
    _check_silu(config)
    low, high = config.get("time_step_limit", (0.0, float("inf")))
    read, groups = rms_norm(weights, "norm", stream, epsilon), int(config.get("n_groups", 8))
    return stream + mamba2(weights.under("mixer."), read, groups, epsilon, (_number(low), _number(high)))


def _rwkv_block(weights: Weights, stream: Tensor, config: Config, place: int) -> Tensor:
    epsilon = float(config.get("layer_norm_epsilon", 1e-5)) * _rescaling(config, place)
    stream = stream + rwkv4.time_mix(weights.under("attention."), layer_norm(weights, "ln1", stream, epsilon))
    return stream + rwkv4.channel_mix(weights.under("feed_forward."), layer_norm(weights, "ln2", stream, epsilon))


def _rescaling(config: Config, blocks: int) -> int:
    """Returns the factor on the epsilon of RWKV's norms after so many blocks; 1 in every other family.

    It is run with its stream halved every few blocks, so that a norm sees a variance a quarter as large.
    """
    every = int(config.get("rescale_every", 6)) if config["model_type"] == "rwkv" else 0
    return 4 ** (blocks // every) if every > 0 else 1


def _check_silu(config: Config) -> None:
    """Raises `ImpossibleError` where Mamba's SiLU is another function."""
    if config.get("hidden_act", "silu") not in ("silu", "swish"):
        raise ImpossibleError(f"Mamba with the activation {config['hidden_act']}")


def _number(value: Any) -> float:
    """Returns a number that JSON may spell out, because it is infinite."""
    return float(next(iter(value.values()))) if isinstance(value, dict) else float(value)


_LLAMA = Family(
    "LLaMA", "model.", "layers", llama_block, "embed_tokens", "norm", rms_norm, ("rms_norm_eps", 1e-6),
    harmless=r"self_attn\.rotary_emb\.inv_freq",
)  # fmt: skip
_MAMBA = Family(
    "Mamba", "backbone.", "layers", _mamba_block, "embeddings", "norm_f", rms_norm, ("layer_norm_epsilon", 1e-5),
    tied=True,
)  # fmt: skip
FAMILIES: dict[str, Family] = {
    "falcon_mamba": _MAMBA,
    "gemma": replace(
        _LLAMA, kind="Gemma", block=gemma_block, normed=one_more, tied=True,
        factor=lambda config: float(config["hidden_size"]) ** 0.5,
    ),
    "gpt2": Family(
        "GPT-2", "transformer.", "h", gpt2_block, "wte", "ln_f", layer_norm, ("layer_norm_epsilon", 1e-5),
        tied=True, positions="wpe", harmless=r"attn\.(bias|masked_bias)",
    ),
    "gpt_neox": Family(
        "GPT-NeoX", "gpt_neox.", "layers", neox_block, "embed_in", "final_layer_norm", layer_norm,
        ("layer_norm_eps", 1e-5), head="embed_out", harmless=r"attention\.(bias|masked_bias|rotary_emb\.inv_freq)",
    ),
    "gptj": Family(
        "GPT-J", "transformer.", "h", gptj_block, "wte", "ln_f", layer_norm, ("layer_norm_epsilon", 1e-5),
        harmless=r"attn\.(bias|masked_bias)",
    ),
    "granite": replace(
        _LLAMA, kind="Granite",
        factor=lambda config: float(config.get("embedding_multiplier", 1.0)),
        divisor=lambda config: float(config.get("logits_scaling", 1.0)),
    ),
    "llama": _LLAMA,
    "mamba": _MAMBA,
    "mamba2": Family(
        "Mamba-2", "backbone.", "layers", _mamba2_block, "embeddings", "norm_f", rms_norm,
        ("layer_norm_epsilon", 1e-5),
    ),
    "mistral": _LLAMA,
    "opt": Family(
        "OPT", "model.decoder.", "layers", opt_block, "embed_tokens", "final_layer_norm", layer_norm, ("", 1e-5),
        tied=True, positions="embed_positions", skipped=2,
    ),
    "phi": Family(
        "Phi", "model.", "layers", phi_block, "embed_tokens", "final_layernorm", layer_norm, ("layer_norm_eps", 1e-5),
        harmless=r"self_attn\.rotary_emb\.inv_freq",
    ),
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "rwkv": Family(
        "RWKV-4", "rwkv.", "blocks", _rwkv_block, "embeddings", "ln_out", layer_norm, ("layer_norm_epsilon", 1e-5),
        head="head", before="pre_ln",
    ),
}  # fmt: skip
"""The families whose equations are written here, by their model_type."""
