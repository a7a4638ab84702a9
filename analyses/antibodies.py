"""Layer curves of a language model that others trained: IgLM, two GPT-2s over antibody sequences.

IgLM: Shuai, Ruffolo and Gray (2023), Generative language modeling for antibody design, Cell Systems 14, 979-989.
Its weights come with the package iglm 0.1.0, under a licence for non-commercial academic use; nothing of it is
shipped here. Run as a program it writes the record and the picture of docs/somebody-elses-model.md:

    python analyses/antibodies.py
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from matplotlib.figure import Figure
from torch import Tensor

import probe
from probe.capture.huggingface import HuggingFaceModel
from probe.heads.estimator import StreamingRidge
from probe.plots import Panels, curve_panels, save_figure
from probe.records import COLUMNS, versions
from probe.statistics import LayerErrors

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
FIRST = 5  # the model's symbol of A; the others follow in order
END = 3
HUMAN, HEAVY, LIGHT = 26, 31, 32
SYMBOLS = 33
BEFORE = 2  # a sequence starts with the symbols of its chain and its species
WINDOW = 8
HYDROPATHY = {
    "A": 1.8, "C": 2.5, "D": -3.5, "E": -3.5, "F": 2.8, "G": -0.4, "H": -3.2, "I": 4.5, "K": -3.9, "L": 3.8,
    "M": 1.9, "N": -3.5, "P": -1.6, "Q": -3.5, "R": -4.5, "S": -0.8, "T": -0.7, "V": 4.2, "W": -0.9, "Y": -1.3,
}  # fmt: skip
"""Kyte and Doolittle (1982), A simple method for displaying the hydropathic character of a protein, table 2."""

Symbols = Int[Tensor, "sequence time"]


@dataclass(frozen=True)
class Budget:
    """How much is measured.

    Args:
        fit: sequences that heads are fitted on, half of them heavy chains.
        score: sequences that errors are measured on.
        longest: the most residues of a sequence.
        seed: of the sampling, of the untrained model and of the bands.
    """

    fit: int = 192
    score: int = 96
    longest: int = 140
    seed: int = 0


def installed() -> Path | None:
    """Returns the folder of IgLM's two models, IgLM and IgLM-S, or None where the package iglm is not installed."""
    found = importlib.util.find_spec("iglm")
    places = list(found.submodule_search_locations or []) if found else []
    return Path(places[0]) / "trained_models" if places else None


def sampled(model: torch.nn.Module, count: int, longest: int, seed: int) -> Symbols:
    """Returns sequences that a model writes by itself, heavy chains first, with zeros after their end."""
    chains = torch.tensor([HEAVY] * (count // 2) + [LIGHT] * (count - count // 2))
    start = torch.stack([chains, torch.full_like(chains, HUMAN)], 1)
    written = [END, *range(FIRST, FIRST + len(RESIDUES))]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found: Tensor = model.generate(  # type: ignore[operator]
            start,
            attention_mask=torch.ones_like(start),
            max_new_tokens=longest,
            do_sample=True,
            top_k=0,
            pad_token_id=0,
            eos_token_id=END,
            bad_words_ids=[[symbol] for symbol in range(SYMBOLS) if symbol not in written],
        )
    return found


def is_residue(symbols: Symbols) -> Bool[Tensor, "sequence time"]:
    """Returns where a symbol is one of the twenty residues."""
    return (symbols >= FIRST) & (symbols < FIRST + len(RESIDUES))


def mean_hydropathy(symbols: Symbols) -> tuple[Float[Tensor, "sequence time"], Bool[Tensor, "sequence time"]]:
    """Returns the mean hydropathy of the last eight residues at every token, and where there are as many."""
    values = torch.zeros(SYMBOLS, dtype=torch.float64)
    values[FIRST : FIRST + len(RESIDUES)] = torch.tensor([HYDROPATHY[one] for one in RESIDUES], dtype=torch.float64)
    total = values[symbols].cumsum(1)
    mean = (total - torch.nn.functional.pad(total, (WINDOW, 0))[:, :-WINDOW]) / WINDOW
    enough = torch.arange(symbols.shape[1]) >= BEFORE + WINDOW - 1
    return mean, is_residue(symbols) & enough


def next_residue(symbols: Symbols) -> tuple[Int[Tensor, "sequence time"], Bool[Tensor, "sequence time"]]:
    """Returns which residue follows at every token, as 0 to 19, and where one follows."""
    following = torch.nn.functional.pad(symbols[:, 1:], (0, 1))
    counted = is_residue(following) & (torch.arange(symbols.shape[1]) >= BEFORE - 1)
    return (following - FIRST).clamp(0, len(RESIDUES) - 1), counted


def curves(found: probe.Checkpoint, name: str, fit: Symbols, score: Symbols, seed: int) -> Iterator[dict[str, Any]]:
    """Yields a row for every layer, target and head, with bands by sequence.

    The error of the next residue is the cross-entropy over that of the residues' frequencies for the lens, and the
    squared error of twenty indicators over that of the frequencies for the linear head; `accuracy` is the share of
    right residues for both. The error of the hydropathy is the squared error over that of its mean.
    """
    fitted, scored = captured(found, fit), captured(found, score)
    (answer, answers), (value, values) = next_residue(fit), mean_hydropathy(fit)
    (truth, known), (level, levels) = next_residue(score), mean_hydropathy(score)
    indicators = torch.eye(len(RESIDUES), dtype=torch.float64)
    frequencies = indicators[answer[answers]].mean(0)
    layers = list(range(len(fitted)))
    gathered = {
        (target, head): LayerErrors(target, layers, len(layers) - 1, [0], seed)
        for target, head in (("next residue", "lens"), ("next residue", "linear"), ("hydropathy", "linear"))
    }
    cost = {key: torch.zeros(len(layers), *score.shape, dtype=torch.float64) for key in gathered}
    right = {key: torch.zeros(len(layers), *score.shape, dtype=torch.float64) for key in gathered}
    for layer in layers:
        lens = found.stream.decode(scored[layer])[..., FIRST : FIRST + len(RESIDUES)].double()
        rows = scored[layer].flatten(0, 1).numpy()
        residues = StreamingRidge().fit(fitted[layer][answers].numpy(), indicators[answer[answers]].numpy())
        linear = torch.from_numpy(residues.predict(rows)).unflatten(0, score.shape)
        waters = StreamingRidge().fit(fitted[layer][values].numpy(), value[values].numpy())
        guessed = torch.from_numpy(waters.predict(rows)).unflatten(0, score.shape)
        cost["next residue", "lens"][layer] = -lens.log_softmax(-1).gather(-1, truth[..., None])[..., 0]
        cost["next residue", "linear"][layer] = (linear - indicators[truth]).square().sum(-1)
        cost["hydropathy", "linear"][layer] = (guessed - level).square()
        right["next residue", "lens"][layer] = (lens.argmax(-1) == truth).double()
        right["next residue", "linear"][layer] = (linear.argmax(-1) == truth).double()
    nothing = {
        ("next residue", "lens"): -frequencies.log()[truth],
        ("next residue", "linear"): (frequencies - indicators[truth]).square().sum(-1),
        ("hydropathy", "linear"): (value[values].mean() - level).square(),
    }
    for (target, head), errors in gathered.items():
        counted = levels if target == "hydropathy" else known
        tokens = counted.double().sum(1, keepdim=True)

        def by_sequence(
            each: Float[Tensor, "... sequence time"], counted: Tensor = counted, tokens: Tensor = tokens
        ) -> Float[Tensor, "... sequence one"]:
            return each.where(counted, 0.0).sum(-1, keepdim=True) / tokens

        every = torch.ones(len(score), 1, dtype=torch.bool)
        errors.add(range(len(score)), by_sequence(cost[target, head]), by_sequence(nothing[target, head]), every)
        if target == "next residue":
            errors.add_metrics(range(len(score)), {"accuracy": by_sequence(right[target, head])}, every)
        yield from errors.rows(name, head)


@torch.no_grad()
def captured(found: probe.Checkpoint, symbols: Symbols) -> Float[Tensor, "layer sequence time width"]:
    """Returns the stream at every token of every layer."""
    return probe.capture_stream(found.stream, symbols, torch.arange(symbols.shape[1])).stream


def untrained(found: probe.Checkpoint, seed: int) -> probe.Checkpoint:
    """Returns a model of the same settings whose weights are drawn anew."""
    trained = found.stream.model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        drawn = type(trained)(trained.config).eval().requires_grad_(False)
    return probe.from_model(HuggingFaceModel(drawn, "untrained"), "untrained", context=0)


def measured(folder: Path, budget: Budget) -> probe.Record:
    """Returns the layer curves of IgLM, of IgLM-S and of an untrained IgLM on sequences that IgLM wrote."""
    models = {name: probe.load_checkpoint(str(folder / name)) for name in ("IgLM", "IgLM-S")}
    models["untrained"] = untrained(models["IgLM"], budget.seed)
    writer = models["IgLM"].stream.model
    fit = sampled(writer, budget.fit, budget.longest, budget.seed)
    score = sampled(writer, budget.score, budget.longest, budget.seed + 1)
    rows = [row for name, found in models.items() for row in curves(found, name, fit, score, budget.seed)]
    provenance = {
        "kind": "antibodies",
        "command": "python analyses/antibodies.py",
        "config": asdict(budget),
        "versions": versions(),
        "package": "iglm 0.1.0",
        "licence": "JHU Academic Software License Agreement: non-commercial use",
        "models": {
            name: {"layout": found.stream.description.layout, "width": found.stream.width, "digest": found.digest}
            for name, found in models.items()
        },
        "sequences": {
            name: {"residues": int(is_residue(each).sum()), "longest": int(is_residue(each).sum(1).max())}
            for name, each in (("fit", fit), ("score", score))
        },
    }
    accuracies = [f"accuracy{end}" for end in ("", "_low", "_high")]
    return probe.Record(pd.DataFrame(rows)[[*COLUMNS, *accuracies]], provenance)


def panels(record: probe.Record) -> pd.DataFrame:
    """Returns the record as curves: right residues by lens and head, and the error of the hydropathy."""
    table = record.table.assign(
        source="measured", run=1, x=record.table["depth"], task="antibody sequences written by IgLM"
    )
    residues = table[table["target"] == "next residue"]
    residues = residues[(residues["model"] != "untrained") | (residues["head"] != "lens")]
    residues = residues.assign(
        panel="residue",
        series=residues["model"] + ", " + residues["head"].map({"lens": "lens", "linear": "linear head"}),
        value=residues["accuracy"],
        low=residues["accuracy_low"],
        high=residues["accuracy_high"],
    )
    waters = table[table["target"] == "hydropathy"]
    waters = waters.assign(
        panel="hydropathy",
        series=waters["model"] + ", linear head",
        value=waters["error"],
    )
    return pd.concat([residues, waters])


def picture(record: probe.Record) -> Figure:
    """Returns the record's two panels."""
    return curve_panels(
        panels(record),
        Panels(
            titles={"residue": "next residue", "hydropathy": f"mean hydropathy of the last {WINDOW} residues"},
            x_label="depth (share of blocks)",
            y_label={"residue": "share of right residues", "hydropathy": "normalised error (1 = predicting the mean)"},
            colours={
                "IgLM, lens": 0,
                "IgLM, linear head": 1,
                "IgLM-S, lens": 2,
                "IgLM-S, linear head": 3,
                "untrained, linear head": 4,
            },
            levels={"hydropathy": 1.0},
            level_name="predicting the mean",
            band_name="95 % band, by sequence",
            y_scale="linear",
            limits={"residue": (0.0, 1.0), "hydropathy": (0.0, 1.05)},
            height=2.4,
            title="IgLM: a language model of antibodies. IgLM-S: its smaller version.",
        ),
    )


def main() -> None:
    """Writes figures/antibodies.csv, .json and .png."""
    folder = installed()
    if folder is None:
        raise SystemExit("The package iglm is not installed, but its models are needed. See the page of the docs.")
    stem = Path(__file__).parent.parent / "figures" / "antibodies"
    probe.save_record(measured(folder, Budget()), stem)
    save_figure(picture(probe.load_record(stem)), stem.with_suffix(".png"))


if __name__ == "__main__":
    main()
