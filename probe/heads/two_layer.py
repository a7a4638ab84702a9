"""A head with one hidden layer beside the linear one, to see what is there but not linearly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from probe.errors import ProbeError
from probe.heads.fitted import LinearHeads
from probe.heads.moments import Moments
from probe.heads.ridge import SelectionErrors, solve_path
from probe.randomness import key


@dataclass(frozen=True)
class TwoLayer:
    """Settings of the head and of its training.

    Args:
        hidden: units of the hidden layer.
        epochs: passes over the prompts at most.
        patience: passes without a better error on the selection prompts after which a layer's best weights stand.
        rate: Adam's step size, which falls to zero by a half cosine.
        batch: prompts a step.
        seed: of the first weights and of the order of prompts.
    """

    hidden: int = 64
    epochs: int = 60
    patience: int = 10
    rate: float = 3e-3
    batch: int = 256
    seed: int = 0


USUAL = TwoLayer()


@dataclass(frozen=True, eq=False)
class TwoLayerHeads:
    """Maps from the stream to the targets, one a layer: a linear head plus GELU units of the standardised stream.

    Args:
        linear: the ridge heads that the units correct.
        mean: of the stream, by which it is centred before the units.
        scale: by which it is divided then.
        inner: weights into the units, their bias last.
        outer: weights out of them, the bias last; zero where nothing helped on the selection prompts.
        epochs: after how many passes each layer's weights were taken; 0 leaves the linear head as it is.
    """

    linear: LinearHeads
    mean: Float32[Tensor, "layer 1 width"]
    scale: Float32[Tensor, "layer 1 width"]
    inner: Float32[Tensor, "layer width_and_one hidden"]
    outer: Float32[Tensor, "layer hidden_and_one target"]
    epochs: tuple[int, ...]

    def __call__(self, stream: Float[Tensor, "layer batch width"]) -> Float64[Tensor, "layer batch target"]:
        """Predicts the targets, in float64."""
        correction = _units((stream.float() - self.mean) / self.scale, self.inner, self.outer)
        predicted: Tensor = self.linear(stream[:, :, None])[:, :, 0] + correction.double()
        return predicted


def fit_two_layer(
    stream: Float[Tensor, "layer prompts width"],
    target: Float[Tensor, "prompts target"],
    select_stream: Float[Tensor, "layer selected width"],
    select_target: Float[Tensor, "selected target"],
    settings: TwoLayer = USUAL,
) -> TwoLayerHeads:
    """Fits a ridge head a layer, then units to what it leaves, all layers side by side on prompts held in memory.

    Adam (Kingma & Ba, 2015, arXiv:1412.6980) on batches in an order that the seed gives. The penalty and the pass
    whose weights are kept are chosen on the selection prompts, layer by layer, the linear head alone being the first
    choice: what is linear is therefore found as exactly as by the linear head.
    """
    if len(select_target) == 0 or len(target) == 0:
        raise ProbeError(
            "No prompts were given, but a two-layer head needs some to fit and some to stop by. Give both."
        )
    linear = _ridge(stream, target, select_stream, select_target)
    mean = stream.float().mean(1, keepdim=True)
    spread = stream.float().std(1, keepdim=True)
    # what varies by the rounding of its own mean is constant; another feature's size has no say
    scale = spread.where(spread > 1e-6 * mean.abs(), torch.ones_like(spread))
    left = target.double() - linear(stream[:, :, None])[:, :, 0]
    select_left = select_target.double() - linear(select_stream[:, :, None])[:, :, 0]
    # the units see targets of order one, whatever their unit
    unit = left.square().mean((1, 2), keepdim=True).sqrt().clamp(min=torch.finfo(torch.float32).tiny)
    inner, outer, epochs = _train(
        (stream.float() - mean) / scale,
        (left / unit).float(),
        (select_stream.float() - mean) / scale,
        (select_left / unit).float(),
        settings,
    )
    return TwoLayerHeads(linear, mean, scale, inner, outer * unit.float(), epochs)


def _ridge(stream: Tensor, target: Tensor, select_stream: Tensor, select_target: Tensor) -> LinearHeads:
    moments = Moments((len(stream), 1), stream.shape[-1], target.shape[-1], stream.device)
    moments.update(stream[:, :, None], target[:, None])
    errors = SelectionErrors(solve_path(moments))
    errors.update(select_stream[:, :, None], select_target[:, None])
    return errors.path.choose(errors.best())


def _train(
    rows: Float32[Tensor, "layer prompts width"],
    left: Float32[Tensor, "layer prompts target"],
    select_rows: Float32[Tensor, "layer selected width"],
    select_left: Float32[Tensor, "layer selected target"],
    settings: TwoLayer,
) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """Returns each layer's best weights into and out of the units, and after how many passes they were met."""
    layers, count, width = rows.shape
    generator = torch.Generator().manual_seed(key(settings.seed, "two layers") % 2**63)
    drawn = torch.randn(1, width, settings.hidden, generator=generator) / math.sqrt(width)
    inner = torch.cat([drawn, torch.zeros(1, 1, settings.hidden)], dim=1).repeat(layers, 1, 1).to(rows.device)
    outer = rows.new_zeros(layers, settings.hidden + 1, left.shape[-1])
    best_inner, best_outer, epochs = inner.clone(), outer.clone(), [0] * layers
    lowest = select_left.square().mean((1, 2))
    inner.requires_grad_()
    outer.requires_grad_()
    optimizer = torch.optim.Adam([inner, outer], lr=settings.rate)
    steps = settings.epochs * -(-count // settings.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    with torch.enable_grad():
        for epoch in range(1, settings.epochs + 1):
            for chosen in torch.split(torch.randperm(count, generator=generator), settings.batch):
                optimizer.zero_grad()
                chosen = chosen.to(rows.device)
                predicted = _units(rows[:, chosen], inner, outer)
                # a sum over layers: none of them feels another
                loss = (predicted - left[:, chosen]).square().mean((1, 2)).sum()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
            with torch.no_grad():
                errors = (_units(select_rows, inner, outer) - select_left).square().mean((1, 2))
            better = errors < lowest
            lowest = torch.where(better, errors, lowest)
            best_inner[better], best_outer[better] = inner.detach()[better], outer.detach()[better]
            epochs = [epoch if found else before for found, before in zip(better.tolist(), epochs, strict=True)]
            if epoch - max(epochs) >= settings.patience:
                break
    return best_inner, best_outer, tuple(epochs)


def _units(
    rows: Float32[Tensor, "layer batch width"],
    inner: Float32[Tensor, "layer width_and_one hidden"],
    outer: Float32[Tensor, "layer hidden_and_one target"],
) -> Float32[Tensor, "layer batch target"]:
    hidden = F.gelu(torch.baddbmm(inner[:, -1:], rows, inner[:, :-1]))
    return torch.baddbmm(outer[:, -1:], hidden, outer[:, :-1])
