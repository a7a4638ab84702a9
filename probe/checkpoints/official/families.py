"""How each family of the official code bases is built as one of our models, and what every tensor is taken from.

All three code bases have GPT-2. S4 is of Grazzi et al. (2024), arXiv:2402.03170; the RNN and the stacks are of Park et
al. (2024), arXiv:2402.04248; both have a Mamba. A stack is Mamba, S4-Mamba, S4D or attention in one skeleton, under
LayerNorms; its attention has 8 heads, whatever the configuration says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import Tensor

from probe.checkpoints.official.settings import Settings
from probe.checkpoints.official.translation import Origin, Translation, pair, shell
from probe.config import ModelConfig

Origins = dict[str, Origin | None]
HEADS = 8
STATES = 16
SPACE = ("C", "log_dt", "log_A_real", "A_imag")
RECURRENT = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
OUTER = "_backbone.backbone"
# a table of word vectors that vectors never pass, and the causal masks that older versions of transformers saved
GPT2_UNUSED = (r"_backbone\.wte\.weight", r"_backbone\.h\.\d+\.attn\.(bias|masked_bias)")
POSITIONS = "_backbone.wpe.weight"
# the skeleton embeds nothing itself: what it is given has passed the read-in
STACK_UNUSED = (r"_backbone\.embedding\.weight",)


def gpt2(settings: Settings, weights: Mapping[str, Tensor]) -> Translation:
    """Returns GPT-2 as attention and feed-forward blocks, without its table of positions where that is all zeros.

    Grazzi et al. (2024) freeze it at zero; without it the model is the same, and takes prompts of any length.
    """
    layers = settings.layers
    config, origins = shell(settings, f"(AF){layers}")
    config = replace(config, attention_heads=settings.whole("n_head"))
    for layer in range(layers):
        here = f"_backbone.h.{layer}"
        attention, feed_forward = f"blocks.{2 * layer}", f"blocks.{2 * layer + 1}"
        origins |= pair(f"{attention}.norm", f"{here}.ln_1") | pair(f"{feed_forward}.norm", f"{here}.ln_2")
        for name in ("c_attn", "c_proj"):
            origins |= pair(f"{attention}.mixer.{name}", f"{here}.attn.{name}", "transposed")
        for name in ("c_fc", "c_proj"):
            origins |= pair(f"{feed_forward}.mixer.{name}", f"{here}.mlp.{name}", "transposed")
    origins |= pair("norm_f", "_backbone.ln_f")
    if POSITIONS in weights and not weights[POSITIONS].any():
        return Translation(config, "transformer", origins, (*GPT2_UNUSED, re.escape(POSITIONS)))
    origins["positions.weight"] = Origin(POSITIONS)
    # a pair takes two tokens
    config = replace(config, positions="learned", slots=2 * settings.whole("n_positions"))
    return Translation(config, "transformer", origins, GPT2_UNUSED)


def mamba(settings: Settings, weights: Mapping[str, Tensor]) -> Translation:
    """Returns the Mamba of Grazzi et al. (2024) or of Park et al. (2024), whichever the keys are of.

    Both code bases give it the family ``mamba``.
    """
    if not any(key.startswith(f"{OUTER}.") for key in weights):
        return stack(settings, weights)
    layers = settings.layers
    origins = pair("read_in", f"{OUTER}.embedding") | pair("read_out", "_backbone.lm_head")
    for layer in range(layers):
        origins |= {f"blocks.{layer}.norm.weight": Origin(f"{OUTER}.layers.{layer}.norm.weight")}
        origins |= _mamba_origins(f"blocks.{layer}.mixer", f"{OUTER}.layers.{layer}.mixer")
    origins["norm_f.weight"] = Origin(f"{OUTER}.norm_f.weight")
    config = ModelConfig(layout=f"M{layers}", dim=settings.whole("n_dims"), width=settings.whole("n_embd"), norm="rms")
    return Translation(config, "mamba", origins)


def s4(settings: Settings, weights: Mapping[str, Tensor]) -> Translation:
    """Returns the S4 of Grazzi et al. (2024): the minimal S4D in post-norm blocks.

    Its last block norms what it returns, so there is no final norm.
    """
    layers = settings.layers
    origins = pair("read_in", "encoder") | pair("read_out", "decoder")
    for layer in range(layers):
        origins |= pair(f"blocks.{layer}.norm", f"norms.{layer}")
        origins |= _s4d_origins(f"blocks.{layer}.mixer", f"s4_layers.{layer}")
    config = ModelConfig(
        layout=f"S[residual=post,dropout=0.1]{layers}",
        dim=settings.whole("n_dims"),
        width=settings.whole("n_embd"),
        norm="layer",
    )
    return Translation(config, "s4_post_norm", origins)


def rnn(settings: Settings, weights: Mapping[str, Tensor]) -> Translation:
    """Returns the ReLU RNN of Park et al. (2024): no residual, a LayerNorm behind every layer."""
    layers = settings.layers
    config, origins = shell(settings, f"N{layers}")
    for layer in range(layers):
        origins |= {f"blocks.{layer}.mixer.rnn.{name}": Origin(f"rnn_layers.{layer}.{name}") for name in RECURRENT}
        origins |= pair(f"blocks.{layer}.norm", f"ln_layers.{layer}")
    return Translation(config, "rnn", origins)


def stack(settings: Settings, weights: Mapping[str, Tensor]) -> Translation:
    """Returns a stack of the skeleton of Park et al. (2024), under LayerNorms; hybrids alternate attention with Mamba.

    A ``standard`` hybrid has learned positions, a ``mambaformer`` one Mamba block more, at the start; any other word
    for the mix is a hybrid with neither.
    """
    mix = str(settings.model.get("mixed_attn") or "") if settings.family == "tf-mamba" else ""
    letters = _letters(settings.family, settings.layers, mix)
    config, origins = shell(settings, _layout(letters))
    config = replace(config, attention_heads=HEADS, init="torch")
    for place, letter in enumerate(letters):
        here = f"_backbone.layers.{place}"
        origins |= pair(f"blocks.{place}.norm", f"{here}.norm")
        origins |= ORIGINS[letter](f"blocks.{place}.mixer", f"{here}.mixer")
    origins |= pair("norm_f", "_backbone.norm_f")
    if mix == "standard":
        origins["positions.weight"] = Origin("wpe.weight")
        config = replace(config, positions="learned", slots=settings.whole("n_positions"))
    return Translation(config, _arch(settings.family, mix), origins, STACK_UNUSED)


def _mamba_origins(ours: str, theirs: str) -> Origins:
    """Returns the origins of a Mamba mixer, whose names are the official package's."""
    names = ("in_proj.weight", "x_proj.weight", "out_proj.weight", "A_log", "D")
    plain: Origins = {f"{ours}.{name}": Origin(f"{theirs}.{name}") for name in names}
    return plain | pair(f"{ours}.conv1d", f"{theirs}.conv1d") | pair(f"{ours}.dt_proj", f"{theirs}.dt_proj")


def _state_space_origins(ours: str, theirs: str) -> Origins:
    """Returns the origins of a diagonal state space with its skip D, which stands beside it in the released code."""
    plain: Origins = {f"{ours}.{name}": Origin(f"{theirs}.kernel.{name}") for name in SPACE}
    return plain | {f"{ours}.D": Origin(f"{theirs}.D")}


def _s4d_origins(ours: str, theirs: str) -> Origins:
    """Returns the origins of an S4D mixer."""
    mixing = pair(f"{ours}.output_linear", f"{theirs}.output_linear.0", "squeezed")
    return _state_space_origins(f"{ours}.kernel", theirs) | mixing


def _wrapped_s4d_origins(ours: str, theirs: str) -> Origins:
    return _s4d_origins(ours, f"{theirs}.s4")


def _s4_mamba_origins(ours: str, theirs: str) -> Origins:
    linear: Origins = {f"{ours}.{name}": Origin(f"{theirs}.{name}") for name in ("in_proj.weight", "out_proj.weight")}
    space = _state_space_origins(f"{ours}.kernel", f"{theirs}.S4DMamba")
    return linear | pair(f"{ours}.conv1d", f"{theirs}.conv1d") | space


def _attention_origins(ours: str, theirs: str) -> Origins:
    return pair(f"{ours}.c_attn", f"{theirs}.c_attn") | pair(f"{ours}.c_proj", f"{theirs}.c_proj")


ORIGINS: dict[str, Callable[[str, str], Origins]] = {
    "A": _attention_origins,
    "M": _mamba_origins,
    "S": _wrapped_s4d_origins,
    "T": _s4_mamba_origins,
}
SETTINGS = {"S": f"[states={STATES}]", "T": f"[states={STATES},gate=linear,dropout=0.1,skip=normal]"}


def _letters(family: str, layers: int, mix: str) -> str:
    if family in ("s4d", "s4-mamba"):
        return layers * ("S" if family == "s4d" else "T")
    if not mix:
        return layers * "M"
    return ("M" if mix == "mambaformer" else "") + "".join("AM"[layer % 2] for layer in range(layers))


def _layout(letters: str) -> str:
    """Returns the layout text of a stack of one kind, or of attention and Mamba in turns."""
    if len(set(letters)) == 1:
        return f"{letters[0]}{SETTINGS.get(letters[0], '')}{len(letters)}"
    first = letters[: letters.index("A")]
    pairs, odd = divmod(len(letters) - len(first), 2)
    return first + (f"(AM){pairs}" if pairs else "") + "A" * odd


def _arch(family: str, mix: str) -> str:
    if family == "tf-mamba" and mix:
        return {"standard": "standard_hybrid", "mambaformer": "mambaformer"}.get(mix, "hybrid")
    return {"s4d": "s4", "s4-mamba": "s4_mamba"}.get(family, "mamba")


FAMILIES: dict[str, Callable[[Settings, Mapping[str, Tensor]], Translation]] = {
    "gpt2": gpt2,
    "mamba": mamba,
    "s4": s4,
    "tf-mamba": stack,
    "s4-mamba": stack,
    "s4d": stack,
    "rnn": rnn,
}
"""What translates each family, by the name that config.yaml gives it."""
