"""The stacks of krafton-ai/mambaformer-icl: Mamba, S4-Mamba, S4D and attention in one skeleton, under LayerNorms.

Park et al. (2024), arXiv:2402.04248. Attention has 8 heads there, whatever the configuration says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import Tensor

from probe.checkpoints.official.settings import Settings
from probe.checkpoints.official.translation import Origin, Translation, pair, shell

Origins = dict[str, Origin | None]
HEADS = 8
STATES = 16
SPACE = ("C", "log_dt", "log_A_real", "A_imag")
# the skeleton embeds nothing itself: what it is given has passed the read-in
UNUSED = (r"_backbone\.embedding\.weight",)


def translate(settings: Settings, weights: Mapping[str, Tensor]) -> Translation:
    """Returns a stack of the released skeleton; hybrids alternate attention with Mamba.

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
    return Translation(config, _arch(settings.family, mix), origins, UNUSED)


def mamba(ours: str, theirs: str) -> Origins:
    """Returns the origins of a Mamba mixer, whose names are the official package's."""
    names = ("in_proj.weight", "x_proj.weight", "out_proj.weight", "A_log", "D")
    plain: Origins = {f"{ours}.{name}": Origin(f"{theirs}.{name}") for name in names}
    return plain | pair(f"{ours}.conv1d", f"{theirs}.conv1d") | pair(f"{ours}.dt_proj", f"{theirs}.dt_proj")


def state_space(ours: str, theirs: str) -> Origins:
    """Returns the origins of a diagonal state space with its skip D, which stands beside it in the released code."""
    plain: Origins = {f"{ours}.{name}": Origin(f"{theirs}.kernel.{name}") for name in SPACE}
    return plain | {f"{ours}.D": Origin(f"{theirs}.D")}


def s4d(ours: str, theirs: str) -> Origins:
    """Returns the origins of an S4D mixer."""
    mixing = pair(f"{ours}.output_linear", f"{theirs}.output_linear.0", "squeezed")
    return state_space(f"{ours}.kernel", theirs) | mixing


def _wrapped_s4d(ours: str, theirs: str) -> Origins:
    return s4d(ours, f"{theirs}.s4")


def _s4_mamba(ours: str, theirs: str) -> Origins:
    linear: Origins = {f"{ours}.{name}": Origin(f"{theirs}.{name}") for name in ("in_proj.weight", "out_proj.weight")}
    space = state_space(f"{ours}.kernel", f"{theirs}.S4DMamba")
    return linear | pair(f"{ours}.conv1d", f"{theirs}.conv1d") | space


def _attention(ours: str, theirs: str) -> Origins:
    return pair(f"{ours}.c_attn", f"{theirs}.c_attn") | pair(f"{ours}.c_proj", f"{theirs}.c_proj")


ORIGINS: dict[str, Callable[[str, str], Origins]] = {
    "A": _attention,
    "M": mamba,
    "S": _wrapped_s4d,
    "T": _s4_mamba,
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
