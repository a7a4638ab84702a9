"""Capture by nnsight (0.8): any module by path, here or, with its remote option, on the machine that holds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from jaxtyping import Float, Int
from torch import Tensor, nn

from probe.capture.description import OldNames
from probe.capture.hooks import Place
from probe.capture.module import ModuleModel, Residual, itself, place_at
from probe.errors import ProbeError


def capture_by_path(
    model: Any,
    inputs: Float[Tensor, "batch time dim"] | Int[Tensor, "batch time"],
    paths: Sequence[str],
    *,
    remote: bool | str = False,
) -> dict[str, Tensor]:
    """Returns copies of modules' outputs or inputs, by path: ``layers.0``, or ``layers.0:input``.

    Of a tuple the first tensor is taken.

    Args:
        model: a torch module, or a model of nnsight's.
        paths: in the order in which the modules run.
        remote: handed to nnsight's trace: False runs here, True on its servers, ``local`` rehearses that here.

    Raises:
        ProbeError: if nnsight is not installed, there is no such path, the order is another, or a plain module was
            to run elsewhere.
    """
    saved = _trace(_wrapped(model, remote), inputs, paths, None, remote)
    return dict(zip(paths, saved, strict=False))  # the module's own output comes last


class NnsightModel(OldNames):
    """Captures a model by nnsight's traces, and is otherwise as the `ModuleModel` of the same places.

    Args:
        model: a torch module, or a model of nnsight's.
        places: module paths, as for `ModuleModel`.
        decode: the final norm and the read-out.
        remote: handed to nnsight's trace: False runs here, True on its servers, ``local`` rehearses that here.
        normalise: the final norm alone, as the arguments after it as for `ModuleModel`.
        predictions: if given, it is run inside the trace.

    Raises:
        ProbeError: as for `capture_by_path` and `ModuleModel`.
    """

    def __init__(
        self,
        model: Any,
        places: Sequence[str],
        decode: Callable[[Tensor], Tensor],
        *,
        remote: bool | str = False,
        normalise: Callable[[Tensor], Tensor] | None = None,
        inputs: int = 0,
        symbols: int = 0,
        predictions: Callable[[Any], Tensor] | None = None,
        layout: str = "",
        letters: Sequence[str] = (),
        residual: Residual = "pre",
        longest: int = 0,
    ) -> None:
        self.traced = _wrapped(model, remote)
        self.remote = remote
        # runs the module itself once, without nnsight, and where it has no weights on shapes alone
        self.described = ModuleModel(
            self.traced._module,
            places,
            decode,
            normalise=normalise,
            inputs=inputs,
            symbols=symbols,
            predictions=predictions,
            layout=layout,
            letters=letters,
            residual=residual,
            longest=longest,
            weightless=True,
        )
        self.description, self.width = self.described.description, self.described.width
        self._paths, self._predictions = list(places), predictions
        self._passed = nn.ModuleList(_Passed() for _ in places)
        sides: list[Literal["input", "output"]] = [place.side for place in self.described.places]
        self.places = [
            Place(path, passed, side, itself) for path, passed, side in zip(places, self._passed, sides, strict=True)
        ]

    @property
    def model(self) -> nn.Module:
        """The module that runs or, if it runs elsewhere, a stand-in for it."""
        module: nn.Module = self._passed if self.remote is True else self.traced._module
        return module

    def run(self, inputs: Float[Tensor, "batch time dim"] | Int[Tensor, "batch time"]) -> Tensor:
        """Returns the predictions, and passes the traced streams through the places, where hooks observe them."""
        paths = [self._paths[0]]
        for path, passed in zip(self._paths[1:], self._passed[1:], strict=True):
            paths += [f"{path.removesuffix(':output')}:input"] * bool(passed._forward_pre_hooks) + [path]
        *traced, output = _trace(self.traced, inputs, paths, self._predictions, self.remote)
        found = iter(zip(paths, traced, strict=True))
        self._passed[0](next(found)[1], None)
        for path, passed in zip(self._paths[1:], self._passed[1:], strict=True):
            place, value = next(found)
            passed(value, next(found)[1]) if place != path else passed(value, value)
        return output

    def normalise(self, stream: Tensor) -> Tensor:
        """Returns the stream after the final norm."""
        return self.described.normalise(stream)

    def decode(self, stream: Tensor) -> Tensor:
        """Returns the predictions that ``decode`` makes of a stream."""
        return self.described.decode(stream)

    def flops(self, time: int) -> list[int]:
        """Returns the forward floating-point operations for one sequence up to each layer (see `count_flops`)."""
        return self.described.flops(time)

    def use_kernel(self, backend: str) -> None:
        """Does nothing: the module has no kernels of probe to choose from."""


class _Passed(nn.Module):
    """A stand-in for a traced module: hooks on it observe the input and output that nnsight has saved."""

    def forward(self, entering: Tensor, leaving: Tensor | None) -> Tensor | None:
        return leaving


def _wrapped(model: Any, remote: bool | str) -> Any:
    try:
        from nnsight import NNsight
    except ImportError as error:
        raise ProbeError(
            'nnsight needs the extra nnsight. Install it with pip install "layerprobe[nnsight]".'
        ) from error
    traced = NNsight(model) if isinstance(model, nn.Module) else model
    if remote and not hasattr(type(traced), "_remote_backend"):
        raise ProbeError(
            f"remote={remote} was given, but a plain {type(traced).__name__} runs only here. Give a model that "
            "nnsight can run elsewhere, such as its TransformersModel."
        )
    return traced


def _trace(
    traced: Any, inputs: Tensor, paths: Sequence[str], predictions: Callable[[Any], Tensor] | None, remote: bool | str
) -> list[Tensor]:
    """Returns copies of the tensors at each path, and the predictions after them."""
    import nnsight
    from nnsight.intervention.interleaver import OutOfOrderError

    sides = [place_at(traced._module, path).side for path in paths]
    where = [(traced.get(path.partition(":")[0]), side) for path, side in zip(paths, sides, strict=True)]
    options = {"remote": remote} if remote else {}
    try:
        # nothing of ours may be named inside: the trace may run where probe is not installed
        with traced.trace(inputs, **options):
            found = nnsight.save([])
            for module, side in where:
                value = module.input if side == "input" else module.output
                value = value[0] if isinstance(value, (tuple, list)) else value
                found.append(value.detach().clone())
            value = traced.output
            if predictions is not None:
                value = predictions(value)
            elif hasattr(value, "logits"):
                value = value.logits
            elif isinstance(value, (tuple, list)):
                value = value[0]
            found.append(value.detach().clone())
    except OutOfOrderError as error:
        raise ProbeError(
            f"The paths {', '.join(paths)} were given, but a trace meets them in another order. Give them in the order "
            "in which the modules run."
        ) from error
    result: list[Tensor] = found
    return result
