"""The linear head behind the model's final norm, as its own read-out stands."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from probe.heads.head import Decoder, Head


class Normed(Head):
    """Ridge regression from the stream after the model's own final norm."""

    def features(
        self, model: Decoder, stream: Float[Tensor, "layer batch context width"]
    ) -> Float[Tensor, "layer batch context width"]:
        """Returns the stream after the final norm, which scales every token by its own size."""
        return model.normalise(stream)
