"""Any torch module as a stream: its places are named by path, and the rest is measured in a dry run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from jaxtyping import Float, Int
from torch import Tensor, nn

from probe.capture.description import ModelDescription, OldNames
from probe.capture.dry_run import dry_run, noise
from probe.capture.flops import count_flops
from probe.capture.hooks import Place
from probe.errors import ProbeError, suggest

Residual = Literal["pre", "post", "none", "parallel"]


class ModuleModel(OldNames):
    """Wraps any torch module whose predictions are what ``decode`` makes of the stream at its last place.

    The module is put into evaluation mode. One pass over a few tokens of noise finds the stream's width, how many
    numbers are predicted and which parameters are used up to each layer, and refuses what cannot be right.

    Args:
        module: takes vectors ``[batch, time, inputs]`` or symbols ``[batch, time]``.
        places: where the stream passes, layer 0 first: ``layers.0:input`` for what the module at that path is given,
            then ``layers.0`` for what it returns, and so on; of several things the first. Or a `Place` of one's own.
        decode: the final norm and the read-out, ``[..., width] -> [..., outputs]``.
        normalise: the final norm alone; by default there is none.
        inputs: coordinates of a token, where tokens are vectors.
        symbols: size of the vocabulary, where tokens are symbols.
        predictions: finds ``[batch, time, outputs]`` in what the module returns; by default its ``logits`` where it
            has some, or the first of several things.
        layout: the blocks as text; by default the module's class.
        letters: what kind of block each one is; by default B.
        residual: how the blocks meet the stream, as `ModelDescription` has it.
        longest: the most tokens a prompt may have; 0 where nothing limits them.
        parameters: the parameters used up to each layer. By default those of the places' modules and of every
            submodule that was called before, each with what it holds directly.
        weightless: whether the module's weights may be on the meta device, to be measured here and run elsewhere.
    """

    def __init__(
        self,
        module: nn.Module,
        places: Sequence[Place | str],
        decode: Callable[[Tensor], Tensor],
        *,
        normalise: Callable[[Tensor], Tensor] | None = None,
        inputs: int = 0,
        symbols: int = 0,
        predictions: Callable[[Any], Tensor] | None = None,
        layout: str = "",
        letters: Sequence[str] = (),
        residual: Residual = "pre",
        longest: int = 0,
        parameters: Sequence[int] = (),
        weightless: bool = False,
    ) -> None:
        if any(weight.is_meta for weight in module.parameters()) and not weightless:
            raise ProbeError(
                "The module's weights are on the meta device, but a stream needs weights that exist. Load them first."
            )
        if bool(inputs) == bool(symbols):
            raise ProbeError(
                f"inputs={inputs} and symbols={symbols} were given, but a module reads either vectors or symbols. Give "
                "inputs=5 for vectors of 5 coordinates, or symbols=50257 for so many symbols."
            )
        self.model = module.eval()
        self.places: Sequence[Place] = _checked([place_at(module, each) for each in places])
        self._decode, self._normalise, self._predictions = decode, normalise or itself, predictions or found_predictions
        self._inputs, self._symbols = inputs, symbols
        found = dry_run(module, noise(module, (2, 3), inputs, symbols), self.places, self._predictions, decode)
        self.width = found.width
        blocks = len(self.places) - 1
        self.description = ModelDescription(
            layout=layout or type(module).__name__,
            letters=tuple(letters) or ("B",) * blocks,
            residuals=(residual,) * blocks,
            inputs=inputs,
            outputs=found.outputs,
            symbols=symbols,
            longest=longest,
            parameters=tuple(parameters) or found.parameters,
        )

    def run(self, inputs: Float[Tensor, "batch time dim"] | Int[Tensor, "batch time"]) -> Tensor:
        """Returns the module's predictions at every token, ``[batch, time, outputs]``."""
        return self._predictions(self.model(inputs))

    def normalise(self, stream: Tensor) -> Tensor:
        """Returns the stream after the final norm."""
        return self._normalise(stream)

    def decode(self, stream: Tensor) -> Tensor:
        """Returns the predictions that ``decode`` makes of a stream."""
        return self._decode(stream)

    def flops(self, time: int) -> list[int]:
        """Returns the forward floating-point operations for one sequence up to each layer (see `count_flops`)."""
        return count_flops(self.model, noise(self.model, (1, time), self._inputs, self._symbols), self.places)

    def use_kernel(self, backend: str) -> None:
        """Does nothing: the module has no kernels of probe to choose from."""


def place_at(module: nn.Module, place: Place | str) -> Place:
    """Returns the place that a text names, such as ``layers.0`` or ``layers.0:input``.

    Raises:
        ProbeError: if the module has no such submodule.
    """
    if isinstance(place, Place):
        return place
    path, _, side = place.partition(":")
    if side not in ("", "input", "output"):
        raise ProbeError(
            f"The place {place} was given, but a path is followed by :input or nothing. Write {path}:input."
        )
    known = dict(module.named_modules())
    if path not in known:
        raise ProbeError(
            f"The module has no submodule {path!r}. {suggest(path, list(known))}{_near(path, list(known))}"
            "Name a path as named_modules() lists it."
        )
    return Place(place, known[path], "input" if side == "input" else "output", first)


def itself(value: Tensor) -> Tensor:
    """Returns its argument unchanged."""
    return value


def first(value: Any) -> Any:
    """Returns the first of a tuple or list, or the value itself."""
    return value[0] if isinstance(value, (tuple, list)) else value


def found_predictions(value: Any) -> Any:
    """Returns the ``logits`` of a module's output if it has them, the first of a tuple, or the output itself."""
    return value.logits if hasattr(value, "logits") else first(value)


def _near(path: str, known: Sequence[str]) -> str:
    """Returns the names of the submodules at the point where a path goes wrong."""
    parent = path
    while parent and parent not in known:
        parent = parent.rpartition(".")[0]
    below = f"{parent}." if parent else ""
    near = [name for name in known if name and name.startswith(below) and "." not in name.removeprefix(below)]
    return f"Paths {'below ' + parent if parent else 'there'}: {', '.join(near[:8])}. " if near else ""


def _checked(places: list[Place]) -> list[Place]:
    if len(places) < 2:
        raise ProbeError(
            f"{len(places)} places were given, but at least two are needed. Give layers.0:input and the blocks' paths."
        )
    sides = [place.side for place in places]
    if sides[0] != "input" or "input" in sides[1:]:
        raise ProbeError(
            f"The places {', '.join(place.name for place in places)} were given, but layer 0 is what the first block "
            "is given, and the others what blocks return. Write the first block's path with :input, then every "
            "block's path."
        )
    return places
