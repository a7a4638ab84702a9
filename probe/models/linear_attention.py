"""Linear attention: a matrix to which every token's value is added under its key."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from probe.errors import ProbeError
from probe.models.fast_weights import FastWeights, Switch
from probe.models.short_convolution import NoConvolution


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

    def __init__(
        self,
        width: int,
        blocks: int,
        heads: int = 4,
        conv: Switch = "on",
        feature: Literal["silu", "none"] = "silu",
        norm: Switch = "on",
    ) -> None:
        if feature == "none" and conv == "on":
            raise ProbeError(
                "Linear attention was given feature=none with a short convolution, which contains a SiLU. "
                "Switch it off too, by conv=off."
            )
        super().__init__(width, blocks, heads, conv)
        self.feature = feature
        if feature == "none":
            self.q_conv1d, self.k_conv1d, self.v_conv1d = (NoConvolution(width, silu=False) for _ in range(3))
        if norm == "off":
            self.o_norm = nn.Identity()

    def _scaled(self, x: Float[Tensor, "*place head size"]) -> Float[Tensor, "*place head size"]:
        return x if self.feature == "none" else super()._scaled(x)
