"""The base class of every mixer, which is what a block computes."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar, Literal, get_type_hints

from jaxtyping import Float
from torch import Tensor, nn

Residual = Literal["pre", "post", "none"]
# what a constructor is given, rather than the user's to set in brackets
GIVEN = ("self", "width", "blocks", "index")


class Mixer(nn.Module):
    """Reads the normed stream of a block and returns what the block writes.

    A subclass is built as ``Subclass(width, blocks, ...)``: the width of the stream, the model's number of blocks, the
    block's place from 0 where the constructor asks for ``index``, and its settings, the constructor's other arguments,
    which stand in the layout's brackets, as in ``M[delta=constant]``. Settings called ``heads``, ``dropout`` and
    ``init`` are the model's unless they are given there. A letter of `probe.models.LETTERS` names the class.

    Attributes:
        title: what it is called in words.
        residual: how the block treats the stream unless the layout says ``residual=`` (see `probe.models.Block`).
        model_norm: the norm of models that hold such a block and are of no named architecture: none where one asks for
            none, and otherwise RMS norms where one asks for them.
        ordered: whether the block itself can tell the order of tokens; where none of a model's can, positions are
            learned.
        recipe: the architecture whose sizes and rate suit models that begin with such a block and are of no named
            architecture; none where that is for the blocks behind it to say.
    """

    title: ClassVar[str]
    residual: ClassVar[Residual] = "pre"
    model_norm: ClassVar[Literal["rms", "layer", "none"]] = "layer"
    ordered: ClassVar[bool] = True
    recipe: ClassVar[str] = "mamba"

    def forward(self, hidden: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Returns the mixer's output; a token's row depends on it and earlier ones alone."""
        raise NotImplementedError

    def flops(self, time: int) -> int:
        """Returns the forward floating-point operations for one sequence of so many tokens."""
        raise NotImplementedError

    @classmethod
    def settings(cls) -> dict[str, Any]:
        """Returns the names and types of what the layout may set in brackets."""
        hints = get_type_hints(cls.__init__)
        return {name: hints[name] for name in inspect.signature(cls.__init__).parameters if name not in GIVEN}
