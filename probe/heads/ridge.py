"""Ridge heads for a whole grid of cells and a whole path of penalties, from one eigendecomposition a cell."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from probe.errors import ProbeError
from probe.heads.moments import Moments

PENALTIES = tuple(10.0 ** (exponent / 2) for exponent in range(-24, 3))
"""Twenty-seven penalties, two a decade from 1e-12 to 10 times the mean eigenvalue of a cell's covariance."""


@dataclass(frozen=True, eq=False)
class LinearHeads:
    """Linear maps from the stream to the targets, one a cell: ``stream @ weight + intercept``.

    Args:
        penalty: the penalty of each cell, in the unit of the path it was chosen from.
    """

    weight: Float64[Tensor, "layer context width target"]
    intercept: Float64[Tensor, "layer context target"]
    penalty: Float64[Tensor, "layer context"]

    def __call__(
        self, stream: Float[Tensor, "layer batch context width"]
    ) -> Float64[Tensor, "layer batch context target"]:
        """Predicts the targets, in float64."""
        cells = zip(stream, self.weight, self.intercept, strict=True)
        return torch.stack([_affine(rows, weight, shift).transpose(0, 1) for rows, weight, shift in cells])

    def to(self, device: torch.device | str) -> LinearHeads:
        """Returns the heads on another device."""
        return LinearHeads(self.weight.to(device), self.intercept.to(device), self.penalty.to(device))

    def save(self, stem: str | Path) -> None:
        """Writes STEM.safetensors and STEM.json, each to a temporary name and moved into place."""
        from safetensors.torch import save

        tensors = {name: tensor.cpu().contiguous() for name, tensor in vars(self).items()}
        _write(Path(f"{stem}.safetensors"), save(tensors))
        _write(Path(f"{stem}.json"), (json.dumps(_about(tensors), indent=2) + "\n").encode())

    @classmethod
    def load(cls, stem: str | Path) -> LinearHeads:
        """Reads what `save` wrote; raises `ProbeError` for a missing, damaged or foreign file."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        file = Path(f"{stem}.safetensors")
        try:
            about = json.loads(Path(f"{stem}.json").read_bytes())
            tensors = load(file.read_bytes())
        except OSError as error:
            raise ProbeError(f"{error.filename} cannot be read: {error.strerror}. Save the heads again.") from None
        except (ValueError, SafetensorError):
            raise ProbeError(f"{stem} holds no heads that can be read. Give the stem of saved heads.") from None
        if set(tensors) != {"weight", "intercept", "penalty"}:
            raise ProbeError(f"{file} holds other tensors than linear heads have. Give the stem of saved heads.")
        if about != _about(tensors):
            raise ProbeError(f"{file} is not what {stem}.json describes: one is damaged. Save the heads again.")
        return cls(**tensors)


@dataclass(frozen=True, eq=False)
class RidgePath:
    """The ridge solutions of every cell at every penalty, kept as one eigendecomposition a cell.

    Args:
        penalties: as given, ascending or not.
        strengths: what each penalty adds to a cell's eigenvalues.
        mean_x: the origin of the stream; zero where there is no intercept.
        mean_y: the origin of the targets.
        values: eigenvalues of the centred second moments.
        vectors: their eigenvectors, in columns.
        projected: cross moments in the eigenbasis.
    """

    penalties: Float64[Tensor, " penalty"]
    strengths: Float64[Tensor, "penalty layer context"]
    mean_x: Float64[Tensor, "layer context width"]
    mean_y: Float64[Tensor, "layer context target"]
    values: Float64[Tensor, "layer context width"]
    vectors: Float64[Tensor, "layer context width width"]
    projected: Float64[Tensor, "layer context width target"]

    @cached_property
    def coefficients(self) -> Float64[Tensor, "layer context width penalty target"]:
        """The weights at every penalty."""
        shrunk = self._inverses(self.strengths)[..., None] * self.projected[..., None, :]
        return (self.vectors @ shrunk.flatten(-2)).reshape(shrunk.shape)

    @cached_property
    def intercepts(self) -> Float64[Tensor, "layer context penalty target"]:
        """The intercepts at every penalty."""
        return self.mean_y[..., None, :] - torch.einsum("lcw,lcwpk->lcpk", self.mean_x, self.coefficients)

    def predict_path(
        self, stream: Float[Tensor, "layer batch context width"]
    ) -> Float64[Tensor, "penalty layer batch context target"]:
        """Predicts the targets at every penalty, by one matrix product a cell, in float64."""
        return torch.stack([rows.permute(2, 1, 0, 3) for rows in self.predict_layers(stream)], dim=1)

    def predict_layers(
        self, stream: Float[Tensor, "layer batch context width"]
    ) -> Iterator[Float64[Tensor, "context batch penalty target"]]:
        """Predicts the targets at every penalty, layer by layer, so that one layer's are held at a time."""
        for rows, weight, shift in zip(stream, self.coefficients, self.intercepts, strict=True):
            predicted = _affine(rows, weight.flatten(-2), shift.flatten(-2))
            yield predicted.reshape(*predicted.shape[:2], *shift.shape[-2:])

    def squared_errors(self, moments: Moments) -> Float64[Tensor, "penalty layer context"]:
        """Returns the sums of squared errors over the prompts of other moments, without their streams.

        Good to about 1e-12 of the targets' sum of squares; smaller errors need the prompts themselves.
        """
        weight = self.coefficients.flatten(-2)
        step_x, step_y = moments.mean_x - self.mean_x, moments.mean_y - self.mean_y
        quadratic = (weight * (moments.xx @ weight)).sum(-2).reshape(self.intercepts.shape)
        cross = (self.coefficients * moments.xy[..., None, :]).sum(-3)
        offset = step_y[..., None, :] - torch.einsum("lcw,lcwpk->lcpk", step_x, self.coefficients)
        total = moments.yy.diagonal(dim1=-2, dim2=-1)[..., None, :]
        errors = (total - 2 * cross + quadratic + moments.counts[:, None, None] * offset.square()).sum(-1)
        return errors.clamp(min=0).permute(2, 0, 1)

    def part(self, layer: int, targets: slice) -> RidgePath:
        """Returns the path of one layer and some of the targets."""
        own = slice(layer, layer + 1)
        return RidgePath(
            penalties=self.penalties,
            strengths=self.strengths[:, own],
            mean_x=self.mean_x[own],
            mean_y=self.mean_y[own, :, targets],
            values=self.values[own],
            vectors=self.vectors[own],
            projected=self.projected[own, :, :, targets],
        )

    def choose(self, index: Int64[Tensor, "layer context"]) -> LinearHeads:
        """Returns the heads at one penalty a cell, given by its place on the path."""
        strengths = self.strengths.gather(0, index[None])
        weight = self.vectors @ (self._inverses(strengths) * self.projected)
        intercept = self.mean_y - (self.mean_x[..., None, :] @ weight)[..., 0, :]
        return LinearHeads(weight, intercept, self.penalties[index])

    def _inverses(
        self, strengths: Float64[Tensor, "some layer context"]
    ) -> Float64[Tensor, "layer context width some"]:
        """Returns 1 / (eigenvalue + strength); without a penalty, the pseudo-inverse (the least norm)."""
        strength, value = strengths.permute(1, 2, 0)[..., None, :], self.values[..., None]
        rounding = self.values.shape[-1] * torch.finfo(torch.float64).eps * value.amax(-2, keepdim=True)
        floor = torch.where(strength > 0, 0.0, rounding)
        total = value + strength
        return torch.where(total > floor, 1 / total, 0.0)


class SelectionErrors:
    """Sums, over selection prompts, the squared errors of every penalty, cell by cell.

    Args:
        path: the solutions to choose among; the sums over targets are compared.
    """

    def __init__(self, path: RidgePath) -> None:
        self.path = path
        self.count = 0
        self.errors = torch.zeros_like(path.strengths)

    @torch.no_grad()
    def update(
        self,
        stream: Float[Tensor, "layer batch context width"],
        target: Float[Tensor, "batch context target"],
        counted: Bool[Tensor, "batch context"] | None = None,
    ) -> None:
        """Adds a batch of selection prompts, each at the contexts at which it counts, or at all."""
        truth = target.to(self.errors).transpose(0, 1)[:, :, None]
        for layer, predicted in enumerate(self.path.predict_layers(stream)):
            squared = predicted.sub_(truth).square_()
            if counted is not None:
                squared.mul_(counted.T[..., None, None].to(squared))
            self.errors[:, layer] += squared.sum(dim=(1, 3)).T
        self.count += stream.shape[1]

    def merge(self, other: SelectionErrors) -> SelectionErrors:
        """Returns the sums over both sets of prompts; both must judge the same path."""
        assert torch.equal(self.path.strengths, other.path.strengths), "errors of different paths do not add"
        merged = SelectionErrors(self.path)
        merged.count = self.count + other.count
        merged.errors = self.errors + other.errors
        return merged

    def best(self) -> Int64[Tensor, "layer context"]:
        """Returns each cell's best place on the path, the first of equals."""
        if self.count == 0:
            raise ProbeError("No selection prompts were given, but a penalty needs some. Give at least one.")
        return best_penalty(self.errors)


def best_penalty(errors: Float64[Tensor, "penalty layer context"]) -> Int64[Tensor, "layer context"]:
    """Returns each cell's place of the smallest error, the first of equals."""
    _refuse_not_finite("stream or the targets of the selection prompts", errors.sum(0))
    return errors.argmin(0)


def solve_path(
    moments: Moments,
    penalties: Sequence[float] | None = None,
    *,
    intercept: bool = True,
    absolute: bool = False,
) -> RidgePath:
    """Solves ridge regression (Hoerl & Kennard 1970) for every cell and penalty, the intercept unpenalised.

    Args:
        moments: of the prompts to fit on.
        penalties: relative to the mean eigenvalue of a cell's second moments; `PENALTIES` unless given.
        intercept: whether to fit one; without it, moments about zero are used.
        absolute: takes the penalties as what is added to the second moments (scikit-learn's alpha).
    """
    if moments.count == 0:
        raise ProbeError("No prompts were given, but heads need some to be fitted on. Give at least one.")
    grid = PENALTIES if penalties is None else penalties
    mean_x, mean_y, xx, xy = moments.mean_x.clone(), moments.mean_y.clone(), moments.xx, moments.xy
    _refuse_not_finite("stream", mean_x.sum(-1) + xx.sum((-1, -2)))
    if not (mean_y.isfinite().all() and xy.isfinite().all()):
        raise ProbeError("The targets hold NaN or infinite values, but heads need finite ones. Check the task.")
    if not intercept:
        counts = moments.counts[:, None, None]
        xx = xx + counts * mean_x[..., :, None] * mean_x[..., None, :]
        xy = xy + counts * mean_x[..., :, None] * mean_y[..., None, :]
        mean_x, mean_y = torch.zeros_like(mean_x), torch.zeros_like(mean_y)
    values, vectors = _eigh(xx)
    values = values.clamp(min=0)
    chosen = torch.tensor(list(grid), dtype=torch.float64, device=xx.device)
    unit = torch.ones_like(values[..., 0]) if absolute else values.mean(-1)
    strengths = chosen[:, None, None] * unit
    return RidgePath(chosen, strengths, mean_x, mean_y, values, vectors, vectors.mT @ xy)


def fold_errors(
    folds: Sequence[Moments],
    penalties: Sequence[float] | None = None,
    *,
    intercept: bool = True,
    absolute: bool = False,
) -> Float64[Tensor, "penalty layer context"]:
    """Returns cross-validated sums of squared errors: each fold is judged by a path fitted on the others.

    Args:
        folds: moments of disjoint sets of prompts; empty ones are passed over.
        penalties: as for `solve_path`, like the other two.
    """
    filled = [fold for fold in folds if fold.count]
    if len(filled) < 2:
        raise ProbeError(f"Cross-validation was given {len(filled)} folds with prompts, but it needs two. Give more.")
    errors = []
    for held, rest in zip(filled, _others(filled), strict=True):
        path = solve_path(rest, penalties, intercept=intercept, absolute=absolute)
        errors.append(path.squared_errors(held))
    return torch.stack(errors).sum(0)


def _others(folds: Sequence[Moments]) -> Iterator[Moments]:
    """Yields, for each fold, all others merged, by three merges a fold."""
    after = list(accumulate(reversed(folds[1:]), Moments.merge))
    before = folds[0]
    yield after.pop()
    for fold in folds[1:-1]:
        yield before.merge(after.pop())
        before = before.merge(fold)
    yield before


def _affine(
    rows: Float[Tensor, "batch context width"],
    weight: Float64[Tensor, "context width some"],
    shift: Float64[Tensor, "context some"],
) -> Float64[Tensor, "context batch some"]:
    return torch.baddbmm(shift[:, None], rows.transpose(0, 1).to(weight), weight)


def _eigh(
    matrices: Float64[Tensor, "layer context width width"],
) -> tuple[Float64[Tensor, "layer context width"], Float64[Tensor, "layer context width width"]]:
    """Decomposes symmetric matrices, on the CPU side by side: one so small gains nothing from threads."""
    threads = torch.get_num_threads()
    if matrices.device.type != "cpu" or not 1 < threads <= matrices.shape[:2].numel():
        values, vectors = torch.linalg.eigh(matrices)
        return values, vectors
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            parts = list(pool.map(torch.linalg.eigh, matrices.flatten(0, 1).chunk(threads)))
    finally:
        torch.set_num_threads(threads)  # a worker's setting is also the default of threads yet to come
    values, vectors = (torch.cat([part[place] for part in parts]) for place in (0, 1))
    return values.reshape(matrices.shape[:3]), vectors.reshape(matrices.shape)


def _refuse_not_finite(what: str, cells: Float64[Tensor, "layer context"]) -> None:
    bad = (~cells.isfinite()).any(-1).nonzero()[:, 0].tolist()
    if bad:
        raise ProbeError(
            f"NaN or infinite values were met in the {what} at layer {', '.join(map(str, bad))}, "
            "but heads need finite ones. Check the weights and the inputs."
        )


def _about(tensors: dict[str, Tensor]) -> dict[str, object]:
    """Describes heads: their shape, and a digest of names, types, shapes and values."""
    state = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        state.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        state.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    axes = ("layers", "contexts", "width", "targets")
    shape = dict(zip(axes, tensors["weight"].shape, strict=False))
    return {"kind": "probe linear heads", "digest": state.hexdigest(), "shape": shape}


def _write(file: Path, content: bytes) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        try:
            temporary.write_bytes(content)
            os.replace(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ProbeError(f"{file} cannot be written: {error.strerror}. Choose another place.") from None
