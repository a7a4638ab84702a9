"""Ridge solutions of ever smaller penalties, each written over whatever stood there."""

from __future__ import annotations

from jaxtyping import Float64
from torch import Tensor

from probe.models.planted.moments import moments
from probe.models.planted.open_loop import OpenLoop
from probe.models.planted.way import Seen, answered


class Overwrite(OpenLoop):
    """Reads the weights and the answer so far only to erase them, and writes the next ridge solution and its answer.

    The answer improves at every block, and a push into it is gone after the next. But nothing that was there decides
    what follows: each solution is computed from the tokens alone.
    """

    def change(self, seen: Seen) -> Float64[Tensor, "batch time dim"]:
        """Returns the solution, less what stood there."""
        return self.ridge(*moments(seen.token), self.index + 1) - seen.w

    def answer(self, seen: Seen, change: Float64[Tensor, "batch time dim"]) -> Float64[Tensor, "batch time 1"]:
        """Returns what the solution answers, less what stood there."""
        return answered(seen.w + change, seen.token) - seen.answer
