"""The linear head: what can be read from the stream by one matrix product."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from probe.heads.head import Decoder, Head


class Linear(Head):
    """Ridge regression from the stream to the target, fitted for every layer and context."""

    def features(
        self, model: Decoder, stream: Float[Tensor, "layer batch context width"]
    ) -> Float[Tensor, "layer batch context width"]:
        """Returns the stream itself."""
        return stream
