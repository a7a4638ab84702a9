"""TransformerLens (version 4), both ways: its models wrapped for probe, and probe's models as its hooked modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from probe.capture.cache import Names, Stopped, block_at, chosen
from probe.capture.hooks import Place
from probe.capture.module import ModuleModel, first
from probe.capture.native import NativeModel
from probe.errors import ProbeError
from probe.models import ResidualModel

# a bridge splits such a weight into others of its own, which are counted in its place
SPLIT = {"qkv": "q", "gate_up": "gate"}


def from_transformer_lens(model: nn.Module, decode: Callable[[Tensor], Tensor] | None = None) -> ModuleModel:
    """Returns a model of TransformerLens as a stream: a bridge, or any other with ``blocks`` and ``unembed``.

    Layer 0 is ``blocks.0.hook_resid_pre``, layer i ``blocks.{i-1}.hook_resid_post``. Modes that fold weights, such as
    a bridge's compatibility mode, are to be chosen before.

    Args:
        decode: the final norm and the read-out; by default ``ln_final`` and ``unembed``, and the cap on the logits.

    Raises:
        ProbeError: if the model has no stack of blocks, or the decoder does not give its predictions.
    """
    # what a bridge lacks it looks for in the model that it wraps, so that hasattr would not do
    parts = dict(model.named_children())
    for name in ("blocks", *(() if decode else ("unembed",))):
        if name not in parts:
            raise ProbeError(
                f"The TransformerLens model has no {name}, but a stack of blocks and a read-out were needed "
                f"(it has {', '.join(parts)}). Wrap its module as a ModuleModel, with places and decode of your own."
            )
    blocks = list(parts["blocks"].children())
    settings = getattr(model, "cfg", None)
    normalise = parts.get("ln_final", nn.Identity())
    exits = [Place(f"blocks.{i}", block, "output", first) for i, block in enumerate(blocks)]
    learned = getattr(settings, "positional_embedding_type", "") == "standard"
    return ModuleModel(
        model,
        [Place("blocks.0 (input)", blocks[0], "input", first), *exits],
        decode or _decoder(normalise, parts.get("unembed", nn.Identity()), settings),
        normalise=normalise,
        symbols=int(getattr(settings, "d_vocab", 0)),
        layout=getattr(settings, "architecture", "") or type(model).__name__,
        residual="parallel" if getattr(settings, "parallel_attn_mlp", False) else "pre",
        longest=int(getattr(settings, "n_ctx", 0)) if learned else 0,
        parameters=_parameters(parts, blocks),
    )


def _decoder(normalise: nn.Module, unembed: nn.Module, settings: object) -> Callable[[Tensor], Tensor]:
    cap = getattr(settings, "output_logits_soft_cap", None) or 0.0

    def decode(stream: Tensor) -> Tensor:
        logits: Tensor = unembed(normalise(stream))
        return torch.tanh(logits / cap) * cap if cap > 0 else logits

    return decode


def _parameters(parts: Mapping[str, nn.Module], blocks: list[nn.Module]) -> list[int]:
    """Returns the parameters up to each layer; a weight that a bridge keeps both whole and split counts once."""
    totals = [sum(_size(part) for name, part in parts.items() if name not in ("blocks", "ln_final", "unembed"))]
    for block in blocks:
        totals.append(totals[-1] + _size(block))
    return totals


def _size(module: nn.Module) -> int:
    named = dict(module.named_parameters())
    total = 0
    for name, weight in named.items():
        path = name.split(".")
        split = [".".join([*path[:i], SPLIT[part], ""]) for i, part in enumerate(path) if part in SPLIT]
        if not any(other.startswith(prefix) for prefix in split for other in named):
            total += weight.numel()
    return total


@dataclass(frozen=True)
class HookedConfig:
    """The fields of a model's ``cfg`` that TransformerLens reads."""

    n_layers: int
    d_model: int
    d_vocab: int
    d_vocab_out: int
    n_ctx: int
    model_name: str
    attn_only: bool = False


def hooked(model: ResidualModel | NativeModel) -> Any:
    """Returns a model of ours as a ``HookedRootModule`` of TransformerLens.

    Its hook points are ``hook_embed``, ``blocks.{i}.hook_resid_pre`` and ``hook_resid_post``, what each block writes
    as ``hook_attn_out``, ``hook_mlp_out`` or ``hook_mixer_out``, and ``ln_final.hook_normalized``. ``run_with_cache``
    (``names_filter``, ``stop_at_layer``, ``pos_slice``, ``device``), ``run_with_hooks`` and the ``ActivationCache``
    work as they do there; what a hook returns takes the place of the activation. The model is left as it is, and
    shares its weights.

    Raises:
        ProbeError: if TransformerLens is not installed.
    """
    return _hooked_class()(model if isinstance(model, NativeModel) else NativeModel(model))


@cache
def _hooked_class() -> type:
    try:
        from transformer_lens import ActivationCache
        from transformer_lens.hook_points import HookPoint
        from transformer_lens.HookedRootModule import HookedRootModule
    except ImportError as error:
        raise ProbeError(
            "TransformerLens needs the extra transformer-lens. Install it with "
            'pip install "layerprobe[transformer-lens]".'
        ) from error

    class HookedModel(HookedRootModule):  # type: ignore[misc,unused-ignore]
        """A model of probe whose activations pass hook points while it runs."""

        def __init__(self, stream: NativeModel) -> None:
            super().__init__()
            self.stream = stream
            self.places = stream.hook_points
            for name in self.places:
                _nest(self, name, HookPoint())
            self.setup()  # before the model joins, for it writes a name into every module it finds
            self.model = stream.model
            self.cfg = _config(stream)

        def forward(self, inputs: Tensor, stop_at_layer: int | None = None) -> Tensor:
            """Returns the predictions, or the stream after so many blocks."""
            try:
                with _passing(self.places, self.hook_dict), _stopping(self.stream, stop_at_layer):
                    return self.stream.run(inputs)
            except Stopped as stopped:
                return stopped.stream

        def run_with_cache(
            self,
            inputs: Tensor,
            return_cache_object: bool = True,
            remove_batch_dim: bool = False,
            names_filter: Names = None,
            stop_at_layer: int | None = None,
            pos_slice: Any = None,
            device: torch.device | str | None = None,
            incl_bwd: bool = False,
            reset_hooks_end: bool = True,
            clear_contexts: bool = False,
        ) -> tuple[Tensor, Any]:
            """Returns the predictions and an ``ActivationCache``, or a dictionary."""
            output, found = super().run_with_cache(
                inputs,
                names_filter=chosen(names_filter, list(self.hook_dict)),
                device=device,
                remove_batch_dim=remove_batch_dim,
                incl_bwd=incl_bwd,
                reset_hooks_end=reset_hooks_end,
                clear_contexts=clear_contexts,
                pos_slice=pos_slice,
                stop_at_layer=stop_at_layer,
            )
            if not return_cache_object:
                return output, found
            return output, ActivationCache(found, self, has_batch_dim=not remove_batch_dim)

    return HookedModel


def _config(stream: NativeModel) -> HookedConfig:
    described = stream.description
    return HookedConfig(
        len(described.letters), stream.width, described.symbols, described.outputs, described.longest, described.layout
    )


def _nest(root: nn.Module, name: str, point: nn.Module) -> None:
    """Adds a module under a dotted name, with an empty module for every part before the last."""
    *parents, last = name.split(".")
    for parent in parents:
        if parent not in root._modules:
            root.add_module(parent, nn.ModuleList() if parent == "blocks" else nn.Module())
        root = root.get_submodule(parent)
    root.add_module(last, point)


@contextmanager
def _passing(points: Mapping[str, Place], through: Mapping[str, nn.Module]) -> Iterator[None]:
    """Passes activations through the hook points of their names while the body runs, and goes on with the outputs."""
    handles = []
    try:
        for name, place in points.items():
            point = through[name]
            if place.side == "input":
                hook = place.module.register_forward_pre_hook
                handles.append(hook(lambda _, given, point=point: (point(given[0]), *given[1:])))
            else:
                handles.append(place.module.register_forward_hook(lambda _, given, result, point=point: point(result)))
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _stopping(stream: NativeModel, stop_at_layer: int | None) -> Iterator[None]:
    """Ends the pass after a number of blocks and their hook points."""
    if stop_at_layer is None:
        yield
        return
    place = stream.places[block_at(stop_at_layer, len(stream.places) - 1)]

    def stop(_: nn.Module, given: Any, result: Any = None) -> None:
        raise Stopped(given[0] if place.side == "input" else result)

    on_input = place.side == "input"
    handle = place.module.register_forward_pre_hook(stop) if on_input else place.module.register_forward_hook(stop)
    try:
        yield
    finally:
        handle.remove()
