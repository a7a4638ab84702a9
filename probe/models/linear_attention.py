"""Linear attention: a matrix to which every token's value is added under its key."""

from __future__ import annotations

from typing import ClassVar, Literal

from probe.models.fast_weights import FastWeights, Feature, Switch


class LinearAttention(FastWeights):
    """Mixes tokens by S_t = S_{t-1} + v_t k_t^T and o_t = S_t q_t, unnormalised linear attention.

    Katharopoulos et al. (2020), arXiv:2006.16236, without their normaliser (as Schlag et al., 2021, arXiv:2102.11174,
    advise). By default the layer around it is DeltaNet's, so that the two differ in the update alone;
    `conv=off,feature=none,norm=off` is the plain layer, whose output is linear in each of q, k and v, of which the
    theory of in-context learning by gradient descent speaks (von Oswald et al., 2023, arXiv:2212.07677).

    Args:
        blocks: the model's number of blocks, by whose square root the output weights are divided.
        heads: the number of heads; it must divide the width.
        conv: whether there is a short convolution of four tokens.
        feature: whether q, k and v pass through SiLU and q and k are brought to norm 1; none needs `conv` off.
        norm: whether each head's output is normed before the last projection.
    """

    title: ClassVar[str] = "linear attention"
    model_norm: ClassVar[Literal["rms", "layer"]] = "rms"
    recipe: ClassVar[str] = "linear_attention"

    NAME: ClassVar[str] = "Linear attention"

    def __init__(
        self,
        width: int,
        blocks: int,
        heads: int = 4,
        conv: Switch = "on",
        feature: Feature = "silu",
        norm: Switch = "on",
    ) -> None:
        super().__init__(width, blocks, heads, conv, feature=feature, norm=norm)
