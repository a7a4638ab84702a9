"""A site read at chosen tokens: one tensor, with what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from probe.capture.hooks import StreamModel, capture
from probe.capture.sites.listing import site_named
from probe.capture.sites.narrow import Narrow
from probe.capture.sites.site import Cell
from probe.errors import ProbeError

WIDEST = 256
"""A site of more numbers than this is read through as many random projections unless another number is given."""


@dataclass(frozen=True, eq=False)
class AtSite:
    """What stands at a site at chosen tokens.

    Attributes:
        values: cells that are narrower than the widest one end in zeros.
        output: the model's predictions there.
        cells: the layer of each, and of attention heads the head.
        numbers: how many numbers stand in each cell, before any projection.
        norms: the Euclidean norm of each cell's numbers, before any projection.
    """

    values: Float[Tensor, "cell batch token features"]
    output: Float[Tensor, "batch token outputs"]
    cells: tuple[Cell, ...]
    numbers: tuple[int, ...]
    norms: Float[Tensor, "cell batch token"]

    @property
    def layers(self) -> tuple[int, ...]:
        """The layer of each cell."""
        return tuple(cell.layer for cell in self.cells)


@torch.no_grad()
def capture_site(
    model: StreamModel,
    inputs: Float[Tensor, "batch time dim"] | Int[Tensor, "batch time"],
    tokens: Sequence[int] | Int[Tensor, " token"],
    site: str = "state",
    widest: int = WIDEST,
    seed: int = 0,
    narrow: Narrow | None = None,
) -> AtSite:
    """Runs the model and returns what stands at a site at the given tokens, of which alone anything is kept.

    Args:
        tokens: their places in the sequence.
        site: a name of `SITES`, e.g. state, attention, attention-head or module:PATH.
        widest: cells of more numbers are read through as many random projections, see `Narrow`; 0 reads them whole.
        seed: of the projections.
        narrow: projections from an earlier call, in place of such a number and seed.

    Raises:
        ProbeError: if there is no such site or the model has none, or a token lies outside the sequence.
    """
    asked = torch.as_tensor(tokens, dtype=torch.long).tolist()
    time = inputs.shape[1]
    outside = [token for token in asked if not 0 <= token < time]
    if outside or not asked:
        given = f"Token {outside[0]} was asked for" if outside else "No token was asked for"
        raise ProbeError(f"{given}, but the sequences have {time} tokens. Ask for some from 0 to {time - 1}.")
    found = site_named(site)
    if found is None:
        captured = capture(model, inputs, torch.tensor(asked, device=inputs.device))
        cells = tuple(Cell(layer) for layer in range(len(captured.stream)))
        across = captured.stream.float().norm(dim=-1)
        return AtSite(captured.stream, captured.output, cells, (model.width,) * len(cells), across)
    order = sorted(set(asked))
    narrow = narrow or Narrow(seed, widest)
    kept: dict[Cell, list[Tensor]] = {}
    norms: dict[Cell, list[Tensor]] = {}
    numbers: dict[Cell, int] = {}

    def keep(cell: Cell, place: int, values: Tensor) -> None:
        numbers[cell] = values.shape[-1]
        name = site if cell.part < 0 else f"{site} {cell.part}"
        norms.setdefault(cell, []).append(values.float().norm(dim=-1))
        kept.setdefault(cell, []).append(narrow(cell.layer, name, values.float()))

    output = found.read(model, inputs, order, keep)
    cells = tuple(sorted(kept))
    features = max(values[0].shape[-1] for values in kept.values())
    stacked = [torch.nn.functional.pad(row, (0, features - row.shape[-1])) for row in _stacked(kept, cells)]
    back = torch.tensor([order.index(token) for token in asked], device=inputs.device)
    values = torch.stack(stacked).index_select(2, back)
    lengths = torch.stack([torch.stack(norms[cell], dim=1) for cell in cells]).index_select(2, back)
    return AtSite(values, output.index_select(1, back), cells, tuple(numbers[cell] for cell in cells), lengths)


def _stacked(kept: dict[Cell, list[Tensor]], cells: Sequence[Cell]) -> list[Float[Tensor, "batch token features"]]:
    """Returns what was kept of each cell, and drops it where it was."""
    return [torch.stack(kept.pop(cell), dim=1) for cell in cells]
