"""A site read at chosen tokens: one tensor, with what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from probe.capture.asked import check_sequences, check_tokens
from probe.capture.hooks import StreamModel, capture
from probe.capture.sites.listing import site_named
from probe.capture.sites.narrow import Narrow
from probe.capture.sites.site import Cell

WIDEST = 256
"""A site of more numbers than this is read through as many random projections unless another number is given."""

WAITING = 2**21
"""Numbers that wait to be projected together."""
ROOM = 32
"""Cells that room is made for at a time; room that nothing is written to takes no memory."""


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
    check_sequences(model, inputs)
    asked_for = torch.as_tensor(tokens).cpu()
    check_tokens(asked_for, inputs.shape[1])
    asked = asked_for.tolist()
    found = site_named(site)
    if found is None:
        captured = capture(model, inputs, torch.tensor(asked, device=inputs.device))
        cells = tuple(Cell(layer) for layer in range(len(captured.stream)))
        across = captured.stream.float().norm(dim=-1)
        return AtSite(captured.stream, captured.output, cells, (model.width,) * len(cells), across)
    order = sorted(set(asked))
    rows = _Rows(narrow or Narrow(seed, widest), site, len(order))
    numbers: dict[Cell, int] = {}

    def keep(cell: Cell, place: int, values: Tensor) -> None:
        numbers[cell] = values.shape[-1]
        rows.add(cell, values.float())

    output = found.read(model, inputs, order, keep)
    cells = tuple(sorted(numbers))
    each, norms = zip(*(rows.of(cell) for cell in cells), strict=True)
    features = max(row.shape[-1] for row in each)
    stacked = [torch.nn.functional.pad(row, (0, features - row.shape[-1])) for row in each]
    back = torch.tensor([order.index(token) for token in asked], device=inputs.device)
    values = torch.stack(stacked).index_select(2, back)
    lengths = torch.stack(norms).index_select(2, back)
    return AtSite(values, output.index_select(1, back), cells, tuple(numbers[cell] for cell in cells), lengths)


class _Rows:
    """What was read of each cell, projected many tokens at a time: a large projection is drawn again each time.

    What is kept stands in tensors for many cells, each made before most of the pass. Small ones made on the way would
    outlive the large ones around them, and keep the process from giving back those ones' memory.

    Args:
        tokens: how many are read of every cell.
    """

    def __init__(self, narrow: Narrow, site: str, tokens: int) -> None:
        self._narrow, self._site, self._tokens, self._numbers = narrow, site, tokens, 0
        self._waiting: dict[Cell, list[Tensor]] = {}
        self._kept: dict[Cell, Tensor] = {}
        self._filled: dict[Cell, int] = {}
        self._free: dict[int, list[Tensor]] = {}

    def add(self, cell: Cell, values: Float[Tensor, "batch numbers"]) -> None:
        """Takes a cell's numbers at the next token."""
        self._waiting.setdefault(cell, []).append(values)
        self._numbers += values.numel()
        if self._numbers > WAITING:
            self._project()

    def of(self, cell: Cell) -> tuple[Float[Tensor, "batch token features"], Float[Tensor, "batch token"]]:
        """Returns what heads read of a cell, and the norm of what stands there."""
        self._project()
        kept = self._kept[cell]
        return kept[..., :-1], kept[..., -1]

    def _project(self) -> None:
        for cell, values in self._waiting.items():
            name = self._site if cell.part < 0 else f"{self._site} {cell.part}"
            whole = torch.stack(values, dim=1)
            found = self._narrow(cell.layer, name, whole)
            if cell not in self._kept:
                self._kept[cell] = self._room(found)
            first = self._filled.get(cell, 0)
            part = self._kept[cell][:, first : first + len(values)]
            part[..., :-1], part[..., -1] = found, whole.norm(dim=-1)
            self._filled[cell] = first + len(values)
        self._waiting, self._numbers = {}, 0

    def _room(self, found: Float[Tensor, "batch token features"]) -> Float[Tensor, "batch tokens kept"]:
        """Returns a place for all tokens of a cell, its features and behind them the norm."""
        features = found.shape[-1] + 1
        free = self._free.setdefault(features, [])
        if not free:
            free.extend(found.new_empty(ROOM, len(found), self._tokens, features).unbind(0))
        return free.pop(0)
