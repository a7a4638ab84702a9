"""What every kind of evidence on one checkpoint starts from, and what several of them need, computed once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.checkpoints import Checkpoint
from probe.evidence.answers import Asked, Change, ask
from probe.evidence.causes.exchange import Exchange, exchange
from probe.evidence.matching import Match
from probe.evidence.pushes import heads_for_w
from probe.evidence.reading import Reading, reading
from probe.heads import LinearHeads
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.randomness import Purpose
from probe.statistics import RatioBootstrap


@dataclass(frozen=True, eq=False)
class Study:
    """One checkpoint before its task, with heads fitted.

    Attributes:
        pass_: the prompts that heads are fitted and judged on.
        asked: prompts that algorithms are compared on.
        heads: refitted at every layer, for y at the one context.
        errors: of "linear" and "lens", by layer.
        control: a model that learned one fixed function, if there is one.
        settings: by head and algorithm, the setting that the matching chose on its selection prompts.
        capped: algorithms of which a layer came closest to the last step that was tried.
        closest: by head, the algorithm that came closest on the selection prompts, laid along the layers.
    """

    experiment: Experiment
    pass_: Pass
    asked: int
    heads: LinearHeads
    errors: dict[str, RatioBootstrap]
    control: Checkpoint | None
    settings: dict[str, dict[str, str]] = field(default_factory=dict)
    capped: list[str] = field(default_factory=list)
    closest: dict[str, Match] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The checkpoint's name."""
        return self.experiment.checkpoint.name

    @cached_property
    def of_w(self) -> tuple[LinearHeads, RatioBootstrap] | None:
        """Heads for w with their errors by layer; None for tasks whose answer is not w times x."""
        return heads_for_w(self.experiment, self.pass_)

    @cached_property
    def read(self) -> Reading:
        """What each layer answers, by y or by w."""
        return reading(self.experiment, self.heads, self.of_w[0] if self.of_w else None, self.pass_)

    @cached_property
    def exchange(self) -> Exchange:
        """What exchanging the whole stream at the query does.

        Raises:
            ProbeError: if the task has no query whose answer is one number.
        """
        return exchange(self.experiment, self.heads, self.pass_)

    @cached_property
    def rows_read(self) -> Float64[Tensor, "layer number width"]:
        """What heads read of the answer at the query, one row a number: y and, where there are heads for it, w."""
        both = [self.heads] if self.of_w is None else [self.heads, self.of_w[0]]
        return torch.cat([found.weight[:, -1].cpu().double().mT for found in both], dim=1)

    @cached_property
    def selected(self) -> Asked:
        """The answers that algorithms are fitted and chosen by."""
        return self.ask("select")

    @cached_property
    def scored(self) -> Asked:
        """The answers that algorithms and spectra are judged by."""
        return self.ask("score")

    def ask(self, purpose: Purpose, change: Change | None = None) -> Asked:
        """Returns the answers of every layer, by refitted heads and by the lens, to many queries a prompt.

        Args:
            change: what is done to the prompts before they are asked.
        """
        readings = {"linear": self._refitted, "lens": lambda stream: self.experiment.decode(stream)[..., 0]}
        return ask(
            self.experiment,
            readings,
            self.experiment.longest,
            2 * self.experiment.checkpoint.dim + 2,  # more than dimensions, so that being linear can fail
            self.pass_.seed,
            purpose,
            self.asked,
            change=change,
        )

    def _refitted(self, stream: Tensor) -> Tensor:
        return self.heads(stream[:, :, None])[:, :, 0, 0]
