"""Whether answers depend on the order of the examples, and weigh late ones more, as those of online learners do.

The examples of every prompt are shown in random orders, each also reversed; the query stays last. What a batch
algorithm answers is the same in all of them. Of an online learner, the difference between an order and its reverse is
known, and is laid beside that of the model, read at every layer and of its own answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from probe.capture import capture
from probe.errors import ProbeError
from probe.evidence.online_learners import KINDS, held
from probe.evidence.reading import READABLE, Reading, asked
from probe.evidence.rows import row
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.probing.twins import each
from probe.randomness import KeyedGenerator, PromptSource, Purpose, key
from probe.statistics import RatioBootstrap, band_of
from probe.tasks import Prompts

DRAWN = 2
"""Random orders of a prompt's examples; with each goes its reverse."""
STILL = 1e-8
"""A response to the order below this share of the answers' squares is rounding."""


@dataclass(frozen=True, eq=False)
class Order:
    """What the order of the examples does, one cell an answer: each layer's, the model's own, then the learners'.

    Attributes:
        names: of the answers; layers are numbers, None the model itself.
        readable: which answers there are.
        over_size: their variance over orders, against their mean square.
        over_error: likewise against their mean squared error.
        weight: the mean weight of an example, as a slope of the answers on the sum of y x.x_q.
        late: half of what late examples weigh more than early ones, as a slope on the difference of both halves' sums.
        places: by how much an example in each place weighs more than the mean, [answer, place].
        left: the share of the answers' response to a reversal that a learner leaves, [layers and model, learner].
        best: by answer, the place, among the learners, of the online one that left least on the selection prompts.
    """

    names: tuple[int | str | None, ...]
    readable: tuple[bool, ...]
    over_size: RatioBootstrap
    over_error: RatioBootstrap
    weight: RatioBootstrap
    late: RatioBootstrap
    places: RatioBootstrap
    left: RatioBootstrap
    best: tuple[int, ...]

    def rows(self, model: str) -> list[dict[str, Any]]:
        """Returns a record's rows: answers of layers have the head ``read``, the model's own ``model``."""
        recency = self.late.draws() / self.weight.draws()
        bands = {
            "order over size": band_of(self.over_size.draws()),
            "order over error": band_of(self.over_error.draws()),
            "recency": band_of(recency),
        }
        places = 1 + self.places.draws() / self.weight.draws()[..., None]
        rows = []
        for cell, name in enumerate(self.names):
            if not self.readable[cell]:
                continue
            about: dict[str, Any] = {"site": "order", "prompts": self.over_size.prompts}
            about["head"] = "model" if name is None else "read" if isinstance(name, int) else name
            about["layer"] = name if isinstance(name, int) else None
            for metric, band in bands.items():
                ends = (each[cell].item() for each in (band.value, band.low, band.high))
                rows.append(row(model, "online", metric, *ends, **about))
            of_places = band_of(places[:, cell])
            if not isinstance(name, int):
                rows += [
                    row(
                        model,
                        "online",
                        "weight of a place",
                        *(each[place].item() for each in (of_places.value, of_places.low, of_places.high)),
                        step=place + 1,
                        **about,
                    )
                    for place in range(places.shape[2])
                ]
        return rows + self._response_rows(model)

    def _response_rows(self, model: str) -> list[dict[str, Any]]:
        explained = 1 - self.left.draws()
        rows = []
        for cell, name in enumerate(self.names[: explained.shape[1]]):
            if not self.readable[cell] or explained[0, cell, 0].isnan():
                continue
            about: dict[str, Any] = {"layer": name, "prompts": self.left.prompts}
            about["site"] = "order, model" if name is None else "order, read"
            found = band_of(explained[:, cell])
            for at, learner in enumerate(KINDS):
                ends = [each[at].item() for each in (found.value, found.low, found.high)]
                rows.append(row(model, "online", "order r2", *ends, head=learner, **about))
                if at == self.best[cell]:
                    rows.append(row(model, "online", "order r2 of the best online", *ends, head=learner, **about))
        return rows


def order(experiment: Experiment, read: Reading, pass_: Pass) -> Order:
    """Shows the examples in several orders and returns what the answers make of it, on the score prompts.

    Raises:
        ProbeError: if examples do not stand one after another, each of as many tokens.
    """
    layers = experiment.layers
    chosen = _choose(experiment, read, pass_)
    names = (*range(layers), None, *KINDS)
    readable = (*(read.errors(pass_).estimate() < READABLE).tolist(), *([True] * (1 + len(KINDS))))
    answers = len(names)
    examples = experiment.longest

    def empty(*shape: int) -> RatioBootstrap:
        return RatioBootstrap(shape, seed=pass_.seed)

    found = Order(
        names,
        readable,
        empty(answers),
        empty(answers),
        empty(answers),
        empty(answers),
        empty(answers, examples),
        empty(layers + 1, len(KINDS)),
        chosen.best,
    )
    for shown in _shown(experiment, read, pass_, "score"):
        learners = _answers(shown)
        _add_order(found, shown, torch.cat([shown.answers, learners[chosen.near]]))
        _add_response(found, shown, learners, chosen)
    return found


@dataclass(frozen=True, eq=False)
class _Shown:
    """Prompts whose examples were shown in several orders, each order's reverse right after it.

    Attributes:
        answers: of every layer and of the model itself.
        x: of the examples, in the orders shown.
    """

    numbers: range
    answers: Float64[Tensor, "answer prompt order"]
    x: Float64[Tensor, "prompt order example dim"]
    y: Float64[Tensor, "prompt order example"]
    query: Float64[Tensor, "prompt dim"]
    target: Float64[Tensor, " prompt"]
    size: float


def _shown(experiment: Experiment, read: Reading, pass_: Pass, purpose: Purpose) -> Iterator[_Shown]:
    examples, size = experiment.longest, 0.0

    def answers_of(twin: Experiment, numbers: range) -> tuple[Prompts, Tensor, Tensor]:
        prompts = twin.task.draw(PromptSource(pass_.seed, purpose, numbers), examples)
        orders, query, answers = _orders(pass_.seed, numbers, examples), asked(twin, prompts.x[:, -1]), []
        for one in orders.unbind(1):
            inputs = _reordered(prompts.inputs, prompts.queries, one).to(twin.device)
            found = capture(twin.model, inputs, prompts.queries[-1:].to(twin.device))
            own = twin.task.answer(found.output[:, 0])[:, 0].cpu().double()
            answers.append(torch.cat([read.of(found.stream[:, :, 0].cpu(), query), own[None]]))
        return prompts, orders, torch.stack(answers, dim=2)

    batches = each(experiment, pass_.batches(purpose), answers_of, experiment.at_a_time(pass_))
    for numbers, (prompts, orders, answers) in batches:
        query = asked(experiment, prompts.x[:, -1])
        x = asked(experiment, prompts.x[:, :examples].flatten(0, 1)).double().reshape(len(query), examples, -1)
        y = prompts.y[:, :examples].double()
        size = size or x.square().sum(-1).mean().item()
        yield _Shown(
            numbers,
            answers,
            torch.stack([x.gather(1, one[..., None].expand_as(x)) for one in orders.unbind(1)], dim=1),
            torch.stack([y.gather(1, one) for one in orders.unbind(1)], dim=1),
            query.double(),
            prompts.targets[:, -1, 0].double(),
            size,
        )


def _orders(seed: int, numbers: range, examples: int) -> Int[Tensor, "prompt order example"]:
    keyed, found = KeyedGenerator(), []
    for number in numbers:
        drawn = keyed.at(key(seed, "order", number))
        several = [drawn.permutation(examples) for _ in range(DRAWN)]
        found.append(np.stack([one for each in several for one in (each, each[::-1])]))
    return torch.from_numpy(np.stack(found))


def _reordered(
    inputs: Float[Tensor, "prompt time dim"], queries: Int[Tensor, " query"], order_: Int[Tensor, "prompt example"]
) -> Float[Tensor, "prompt time dim"]:
    """Returns the tokens with each prompt's examples in its order."""
    lengths = set(queries.diff().tolist())
    if len(lengths) != 1:
        raise ProbeError(
            "Examples of several lengths were given, but they are shown in other orders where all have as many tokens. "
            "Examine another task."
        )
    length, start = lengths.pop(), int(queries[0])
    places = start + order_[..., None] * length + torch.arange(length)
    found = inputs.clone()
    moved = inputs.gather(1, places.flatten(1)[..., None].expand(-1, -1, inputs.shape[-1]))
    found[:, start : start + moved.shape[1]] = moved
    return found


def _answers(shown: _Shown) -> Float64[Tensor, "learner prompt order"]:
    """Returns what every learner under every setting answers after the examples in every order."""
    x, y = shown.x.flatten(0, 1), shown.y.flatten(0, 1)
    last = [one.weights[:, -1].reshape(shown.x[:, :, 0].shape) for one in held(x, y, shown.size)]
    answers: Tensor = torch.einsum("lpod,pd->lpo", torch.stack(last), shown.query)
    return answers


@dataclass(frozen=True, eq=False)
class _Chosen:
    """The settings of learners, by their places among all, one a learner.

    Attributes:
        near: those that come nearest to the model's own answers.
        following: by answer, those that leave least of its response to a reversal.
        scales: of the responses of the latter.
        best: by answer, the place, among the learners, of the online one that leaves least.
    """

    near: list[int]
    following: Int[Tensor, "answer learner"]
    scales: Float64[Tensor, "answer learner"]
    best: tuple[int, ...]


def _choose(experiment: Experiment, read: Reading, pass_: Pass) -> _Chosen:
    """Returns what the selection prompts choose."""
    answers, of_learners, names = [], [], [""]
    for shown in _shown(experiment, read, pass_, "select"):
        names = [one.learner for one in held(shown.x[:1, 0], shown.y[:1, 0], shown.size)]
        answers.append(shown.answers)
        of_learners.append(_answers(shown))
    own, found = torch.cat(answers, dim=1), torch.cat(of_learners, dim=1)
    _, distance = _scaled(own.flatten(1), found.flatten(1))
    scales, left = _scaled(_response(own).flatten(1), _response(found).flatten(1))

    def least(of: list[float]) -> list[int]:
        return [min((cell for cell, its in enumerate(names) if its == name), key=of.__getitem__) for name in KINDS]

    following = [least(each) for each in left]
    online = [place for place, kind in enumerate(KINDS.values()) if kind == "online"]
    best = (min(online, key=lambda place: each[its[place]]) for each, its in zip(left, following, strict=True))
    cells = torch.tensor(following)
    return _Chosen(least(distance[-1]), cells, scales.gather(1, cells), tuple(best))


def _scaled(
    own: Float64[Tensor, "answer cell"], found: Float64[Tensor, "learner cell"]
) -> tuple[Float64[Tensor, "answer learner"], list[list[float]]]:
    """Returns the best scales of learners for every answer, and what each then leaves of it."""
    both, squares = own @ found.T, found.square().sum(-1)
    scales = both / squares.clamp(min=STILL)
    left = own.square().sum(-1, keepdim=True) - 2 * scales * both + scales.square() * squares
    return scales, left.tolist()


def _response(answers: Float64[Tensor, "answer prompt order"]) -> Float64[Tensor, "answer prompt pair"]:
    """Returns the difference between each order and its reverse."""
    difference: Tensor = answers[..., 0::2] - answers[..., 1::2]
    return difference


def _add_order(found: Order, shown: _Shown, answers: Float64[Tensor, "answer prompt order"]) -> None:
    numbers, count = shown.numbers, len(answers)
    variance = answers.var(dim=-1).T
    found.over_size.update(numbers, variance, answers.square().mean(-1).T)
    found.over_error.update(numbers, variance, (answers - shown.target[:, None]).square().mean(-1).T)
    products = shown.y * torch.einsum("poed,pd->poe", shown.x, shown.query)
    examples = products.shape[-1]
    half = examples // 2
    late = products[..., examples - half :].sum(-1) - products[..., :half].sum(-1)
    for one, along in ((found.weight, products.sum(-1)), (found.late, late)):
        one.update(numbers, (answers * along).sum(-1).T, along.square().sum(-1)[:, None].expand(-1, count))
    # within a prompt, where every example has had several places
    apart, moved = (each - each.mean(dim, keepdim=True) for each, dim in ((products, 1), (answers, 2)))
    size = apart.square().sum((1, 2))[:, None, None] / max(examples - 1, 1)
    found.places.update(numbers, torch.einsum("apo,poe->pae", moved, apart), size.expand(-1, count, examples))


def _add_response(
    found: Order,
    shown: _Shown,
    learners: Float64[Tensor, "learner prompt order"],
    chosen: _Chosen,
) -> None:
    own = _response(shown.answers)
    fitted = chosen.scales[..., None, None] * _response(learners)[chosen.following]
    wrong = (own[:, None] - fitted).square().sum(-1).permute(2, 0, 1)
    moved = own.square().sum(-1).T
    rounding = STILL * shown.answers.square().sum(-1).T
    found.left.update(shown.numbers, wrong, torch.where(moved > rounding, moved, 0.0)[..., None].expand_as(wrong))
