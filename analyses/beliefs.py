"""Where models of a hidden Markov source hold its belief states, and where they do not: for belief_states.ipynb.

One linear head a layer for all positions, as in Shai et al. (2024), arXiv:2405.15943, section 3.2, fitted and scored on
different prompts.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

import probe
from probe.checkpoints import load
from probe.heads.estimator import StreamingRidge
from probe.heads.path import PrecisionWarning
from probe.randomness import PromptSource, Purpose, generator
from probe.records import COLUMNS, versions
from probe.statistics import LayerErrors
from probe.tasks.hidden_markov import HiddenMarkov

Shown = Literal["as drawn", "shuffled"]


@dataclass(frozen=True)
class BeliefConfig:
    """What is measured.

    Args:
        ckpt: checkpoints trained on the task.
        task: a hidden Markov source.
        context: tokens before the last.
        prompts: prompts that heads are fitted on.
        score: prompts that R² is measured on.
        shown: score prompts that the simplex shows.
        longest: the most of the last symbols that a head without a model reads.
        seed: of every prompt.
    """

    ckpt: tuple[str, ...]
    task: str = "hidden_markov"
    context: int = 15
    prompts: int = 4096
    score: int = 1024
    shown: int = 100
    longest: int = 4
    seed: int = 0


@dataclass(frozen=True)
class Sample:
    """Prompts of a purpose, in three ways.

    Attributes:
        tokens: as the source showed them.
        shuffled: each prompt's tokens in random order.
        beliefs: over hidden states after each token, in the order drawn.
        following: the probabilities of the next symbol.
    """

    tokens: Int[Tensor, "prompt time"]
    shuffled: Int[Tensor, "prompt time"]
    beliefs: Float[Tensor, "prompt time state"]
    following: Float[Tensor, "prompt time symbol"]

    def shown(self, how: Shown) -> Int[Tensor, "prompt time"]:
        """Returns what a model reads."""
        return self.tokens if how == "as drawn" else self.shuffled


def sample(config: BeliefConfig, purpose: Purpose) -> Sample:
    """Returns the prompts that heads are fitted or scored on."""
    count = config.prompts if purpose == "fit" else config.score
    task = probe.make_task(config.task, 1)
    prompts = task.draw(PromptSource(config.seed, purpose, range(count)), config.context)
    drawn = generator("shuffled", config.seed, purpose).random(prompts.inputs.shape)
    order = torch.from_numpy(drawn).argsort(1)
    drawn_beside = prompts.parameters
    return Sample(prompts.inputs, prompts.inputs.gather(1, order), drawn_beside["belief"], drawn_beside["next"])


def beliefs(config: BeliefConfig) -> probe.Record:
    """Returns R² of the belief by model, layer and null; the column `shown` says what a model read.

    The head `all layers` reads the streams of all layers side by side. The heads `last n tokens` read no model but the
    last n tokens, one number a combination of them; a prompt's first tokens have fewer before them, which are
    combinations of their own. The head `next symbol` reads the true probabilities of the next symbol: of the belief, it
    has what prediction alone needs.
    """
    fit, score = sample(config, "fit"), sample(config, "score")
    rows = list(_grams(config, fit, score))
    trained = [load(path) for path in config.ckpt]
    models: list[tuple[probe.Checkpoint, Shown]] = [(found, "as drawn") for found in trained]
    models += [(found, "shuffled") for found in trained]
    models += [(untrained(found), "as drawn") for found in trained]
    for found, shown in models:
        streams = [stream(found, one.shown(shown)) for one in (fit, score)]
        predicted = torch.stack([_linear(a, fit.beliefs, b) for a, b in zip(*streams, strict=True)])
        rows += _rows(config, found.name, "linear", shown, predicted, score.beliefs, range(len(predicted)))
        beside = [torch.cat(list(one), dim=-1) for one in streams]
        every = _linear(beside[0], fit.beliefs, beside[1])[None]
        rows += _rows(config, found.name, "all layers", shown, every, score.beliefs, None)
    table = pd.DataFrame(rows)
    table["target"] = "belief"
    further = [name for name in table.columns if name not in COLUMNS]
    return probe.Record(table[[*COLUMNS, *further]], _provenance(config, "belief-r2"))


def positions(config: BeliefConfig) -> probe.Record:
    """Returns true and predicted beliefs of some score prompts at every model's last layer, for the simplex."""
    fit, score = sample(config, "fit"), sample(config, "score")
    count = config.shown
    truth = score.beliefs[:count]
    tables = []
    for path in config.ckpt:
        found = load(path)
        streams = [stream(found, one.tokens)[-1:] for one in (fit, score)]
        predicted = _linear(streams[0][0], fit.beliefs, streams[1][0])[:count]
        prompt = torch.arange(count)[:, None].expand(truth.shape[:2])
        context = torch.arange(truth.shape[1]).expand(truth.shape[:2])
        columns: dict[str, Any] = {"model": found.name, "layer": len(found.stream.places) - 1}
        columns |= {"prompt": prompt.flatten().tolist(), "context": context.flatten().tolist()}
        for state in range(truth.shape[2]):
            columns[f"true_{state}"] = truth[..., state].flatten().double().numpy().round(4)
        for state in range(truth.shape[2]):
            columns[f"predicted_{state}"] = predicted[..., state].flatten().double().numpy().round(4)
        tables.append(pd.DataFrame(columns))
    return probe.Record(pd.concat(tables, ignore_index=True), _provenance(config, "beliefs"))


@torch.no_grad()
def stream(found: probe.Checkpoint, tokens: Int[Tensor, "prompt time"]) -> Float[Tensor, "layer prompt time width"]:
    """Returns the stream at every token of every prompt."""
    everywhere = torch.arange(tokens.shape[1])
    parts = [probe.capture_stream(found.stream, some, everywhere).stream for some in tokens.split(256)]
    return torch.cat(parts, dim=1)


def untrained(found: probe.Checkpoint) -> probe.Checkpoint:
    """Returns a model of the same settings and seed with its first weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(found.description["seed"]))
        model = probe.ResidualModel(probe.ModelConfig(**found.description["plan"]["model"]))
    return probe.from_model(probe.NativeModel(model), f"{found.name} untrained", found.task, context=found.context)


def _grams(config: BeliefConfig, fit: Sample, score: Sample) -> Iterator[dict[str, Any]]:
    """Yields the rows of heads that read the last tokens alone, or what is true of the next."""
    task = probe.make_task(config.task, 1)
    assert isinstance(task, HiddenMarkov), "a hidden Markov source"
    for length in range(1, config.longest + 1):
        codes = [grams(one.tokens, length, task.shape.symbols) for one in (fit, score)]
        most = (task.shape.symbols + 1) ** length
        read = [torch.nn.functional.one_hot(code, most).float() for code in codes]
        name = f"last {length} tokens" if length > 1 else "last token"
        predicted = _linear(read[0], fit.beliefs, read[1])
        yield from _rows(config, "no model", name, "as drawn", predicted[None], score.beliefs, None)
    predicted = _linear(fit.following, fit.beliefs, score.following)
    yield from _rows(config, "no model", "next symbol", "as drawn", predicted[None], score.beliefs, None)


def grams(tokens: Int[Tensor, "prompt time"], length: int, symbols: int) -> Int[Tensor, "prompt time"]:
    """Returns the last tokens at every position as one number; before the first stand symbols of their own."""
    padded = torch.nn.functional.pad(tokens, (length - 1, 0), value=symbols)
    found = torch.zeros_like(tokens)
    for back in range(length):
        found = found * (symbols + 1) + padded[:, back : back + tokens.shape[1]]
    return found


def _linear(
    fitted: Float[Tensor, "prompt time width"],
    truth: Float[Tensor, "prompt time state"],
    scored: Float[Tensor, "score time width"],
) -> Float[Tensor, "score time state"]:
    """Returns what a linear head that was fitted on all positions predicts of other prompts."""
    with warnings.catch_warnings():
        # one-hot features and the read-in depend on one another exactly, which loses no prediction
        warnings.simplefilter("ignore", PrecisionWarning)
        head = StreamingRidge().fit(fitted.flatten(0, 1).numpy(), truth.flatten(0, 1).numpy())
    predicted = torch.from_numpy(head.predict(scored.flatten(0, 1).numpy()))
    return predicted.unflatten(0, scored.shape[:2])


def _rows(
    config: BeliefConfig,
    model: str,
    head: str,
    shown: Shown,
    predicted: Float[Tensor, "layer prompt time state"],
    truth: Float[Tensor, "prompt time state"],
    layers: Sequence[int] | None,
) -> Iterator[dict[str, Any]]:
    """Yields a row a layer, with errors summed over the positions of a prompt and bands by prompt."""
    blocks = len(predicted) - 1
    errors = LayerErrors("belief", layers, max(blocks, 1), [config.context], config.seed)
    numbers = range(len(truth))
    wide = truth.flatten(1)[:, None]
    errors.update(numbers, predicted.flatten(2)[:, :, None], wide)
    errors.add_moments(numbers, wide)
    for row in errors.rows(model, head):
        yield row | {"shown": shown}


def _provenance(config: BeliefConfig, kind: str) -> dict[str, Any]:
    found = {one.name: {"digest": one.digest, "task": one.task} for one in map(load, config.ckpt)}
    about = {"kind": kind, "command": "analyses/belief_states.ipynb", "config": asdict(config)}
    return about | {"versions": versions(), "task": config.task, "models": found}


def curves(record: probe.Record, names: Mapping[str, str]) -> pd.DataFrame:
    """Returns 1 - R² by layer as curves, a line a seed: one panel for what was trained, one each for the nulls.

    Args:
        names: what to call each model.
    """
    table = record.table
    table = table[table["head"] == "linear"]
    plain = table["model"].str.removesuffix(" untrained")
    first = table["model"] != plain
    panel = table["shown"].map({"as drawn": "trained", "shuffled": "shuffled"}).mask(first, "untrained")
    found = table.assign(panel=panel, series=plain.map(names), source="measured", run=plain)
    found = found.assign(model=plain, x=table["depth"], task=record.provenance["task"])
    grams = record.table[record.table["model"] == "no model"].assign(model=None)
    lines = [
        grams.assign(panel=panel, series=grams["head"], source="exact", run="1", x=x)
        for panel in ("trained", "untrained", "shuffled")
        for x in (0.0, 1.0)
    ]
    both = pd.concat([found, *lines], ignore_index=True)
    return both.assign(value=1 - both["r2"], low=None, high=None, task=record.provenance["task"])


def by_seed(record: probe.Record, names: Mapping[str, str]) -> pd.DataFrame:
    """Returns R² at the last layer and of all layers side by side, a column a seed.

    Args:
        names: what to call each model.
    """
    table = record.table[record.table["model"] != "no model"]
    plain = table["model"].str.removesuffix(" untrained")
    first = table["model"] != plain
    last = table["layer"].eq(table.groupby("model")["layer"].transform("max")) | table["layer"].isna()
    seed = plain.str.extract(r"-seed(\d+)$")[0].fillna("0")
    told = table.assign(architecture=plain.map(names), seed=seed, read=table["shown"].mask(first, "before training"))
    heads = {"linear": "last layer", "all layers": "all layers"}
    rows = told[last].assign(head=told["head"].map(heads))
    return rows.pivot(index=["head", "read", "architecture"], columns="seed", values="r2")
