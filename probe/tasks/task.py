"""What every task has: the shape of what it reads and asks for, its objective, and how predictions are judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from probe.fields import Checked, Range
from probe.randomness import Source
from probe.tasks.objectives import OBJECTIVES, mean_counted
from probe.tasks.prompts import Prompts

Axis = Literal["dims", "points"]
Counts = Literal["examples", "tokens", "places"]


@dataclass(frozen=True)
class Shape:
    """What a model must read and predict for a task.

    Args:
        inputs: coordinates of a token; 0 where tokens are symbols.
        outputs: numbers predicted at every token.
        symbols: size of the vocabulary; 0 where tokens are vectors.
    """

    inputs: int
    outputs: int = 1
    symbols: int = 0

    def __str__(self) -> str:
        """Says it in words."""
        read = f"{self.symbols} symbols" if self.symbols else f"{self.inputs}-dimensional vectors"
        return f"reads {read} and predicts {self.outputs} number{'s' if self.outputs > 1 else ''} a token"


class Task(Checked):
    """A function class whose fields are its options; what is here suits pairs of a vector x and a scalar y.

    Attributes:
        objective: how predictions are trained and judged, by name in `OBJECTIVES`.
        grows: what a curriculum may let grow.
        linear: whether y is w.x, so that learners that look for w suit it.
        references: learners, by name, to lay beside a model; `probe fit` shows the first.
        appendable: whether a later x may be appended alone as the query of an earlier context.
        dim: the dimension of x; 0 where x is a symbol.
    """

    objective: ClassVar[str] = "squared"
    grows: ClassVar[tuple[Axis, ...]] = ("dims", "points")
    linear: ClassVar[bool] = False
    appendable: ClassVar[bool] = True
    references: ClassVar[tuple[str, ...]] = ()

    dim: Annotated[int, Range(0, 2**16)] = 0

    @property
    def shape(self) -> Shape:
        """What a model must read and predict."""
        return Shape(self.dim)

    @property
    def known(self) -> Float[Tensor, "function dim"] | None:
        """The w that there are, where y is w.x and they are a finite set; None elsewhere."""
        return None

    @property
    def counts(self) -> Counts:
        """What a context is: a number of examples or of tokens, or of a user's own data a token's place."""
        return "examples"

    @property
    def unit(self) -> str:
        """What an error of 1 is, in words."""
        return OBJECTIVES[self.objective].unit

    @property
    def variance(self) -> float:
        """The cost of knowing nothing: the target's expected square, or the share of wrong guesses."""
        raise NotImplementedError

    def length(self, context: int) -> int:
        """Returns the tokens of a prompt with so many examples before the last query."""
        return 2 * context + 1

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts with `context` examples before the last query; coordinates from `active` on are 0."""
        raise NotImplementedError

    def loss(self, outputs: Float[Tensor, "batch time output"], prompts: Prompts) -> Float[Tensor, ""]:
        """Returns the mean loss of the queries that count, which a training step descends."""
        asked = self.answer(outputs.index_select(1, prompts.queries.to(outputs.device)))
        return mean_counted(OBJECTIVES[self.objective].loss(asked, prompts.targets), prompts.counted)

    def answer(self, outputs: Float[Tensor, "*place output"]) -> Float[Tensor, "*place answer"]:
        """Returns, of what is read out at a query, the part that answers it."""
        return outputs

    def optimal(self, prompts: Prompts) -> Float[Tensor, "batch query answer"] | None:
        """Returns the answers that no model improves on in expectation, where the task knows them; None elsewhere."""
        return None

    def cost(
        self, answers: Float[Tensor, "*lead batch query answer"], prompts: Prompts
    ) -> Float[Tensor, "*lead batch query"]:
        """Returns each query's cost, 0 where it does not count; divided by `guess`, in sums, it is the error."""
        return OBJECTIVES[self.objective].cost(answers, prompts.targets) * prompts.counted

    def metrics(
        self, answers: Float[Tensor, "*lead batch query answer"], prompts: Prompts, logits: bool = True
    ) -> dict[str, Float[Tensor, "*lead batch query"]]:
        """Returns further measures of answers by name; signs and symbols have an accuracy.

        Args:
            logits: whether the answers are logarithms of probabilities but for a constant, as a model's symbols are and
                a linear head's are not.
        """
        objective = OBJECTIVES[self.objective]
        return {"accuracy": 1 - objective.cost(answers, prompts.targets)} if objective.accuracy else {}

    def regressors(self, x: Float[Tensor, "*place dim"]) -> Float[Tensor, "*place dim"] | None:
        """Returns the regressors, the numbers that y is a linear function of; None if it is not linear in any."""
        return x if self.linear else None

    def guess(self, prompts: Prompts) -> Float[Tensor, "batch query"]:
        """Returns the cost of knowing nothing at each query, 0 where the query does not count."""
        return OBJECTIVES[self.objective].guess(prompts.targets, self.shape.outputs) * prompts.counted

    def encoded(self, prompts: Prompts) -> Float[Tensor, "batch query answer"]:
        """Returns the targets as a linear head is fitted to them: a symbol as one of its alphabet's axes."""
        return OBJECTIVES[self.objective].encode(prompts.targets, self.shape.outputs)
