"""The lens: the model's own decoder applied before its last layer (nostalgebraist, 2020, "the logit lens")."""

from __future__ import annotations

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from probe.heads.head import Head, Probed


class Lens(Head):
    """The model's own final norm and read-out, applied early."""

    logits: ClassVar[bool] = True

    def answer(
        self, experiment: Probed, stream: Float[Tensor, "layer batch context width"]
    ) -> Float[Tensor, "layer batch context answer"]:
        """Returns the decoder's answers from every layer."""
        return experiment.decode(stream)
