"""Claims: pairs share their prompts, a depth is answered by the last layer no deeper, the words fit the bands."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import ttest_ind

import probe
from probe import checkpoints
from probe.cli import main
from probe.commands.compare import Measured, _layer_at, _rows
from probe.config import CompareConfig, EvaluateConfig, FitConfig, TrainConfig
from probe.errors import ProbeError
from probe.probing.plans import trainings
from probe.probing.verdicts import verdicts
from probe.records import Record, load, save
from probe.statistics import LayerErrors


@pytest.fixture
def config(toys: Path) -> CompareConfig:
    return CompareConfig(ckpt=(str(toys / "m.pt"), str(toys / "t.pt")), task="linear", prompts=128, score=64, batch=32)


@pytest.fixture
def record(config: CompareConfig) -> Record:
    return probe.compare(config)


def test_the_errors_compared_are_those_of_probe_fit(record: Record, config: CompareConfig) -> None:
    table = record.table
    fitted = probe.fit(FitConfig(ckpt=config.ckpt, task="linear", prompts=128, score=64, batch=32)).table
    own = table[table["quantity"] == "own"]
    for model, column in (("m", "error"), ("t", "other_error")):
        expected = fitted[(fitted["model"] == model) & (fitted["head"] == "model")]["error"]
        assert own[column].tolist() == pytest.approx(expected.tolist(), rel=1e-6)
    heads = fitted[(fitted["head"] == "linear") & (fitted["context"] == 4)]
    layers = table[table["quantity"] == "layer"]
    expected = heads[heads["model"] == "m"].set_index("layer")["error"]
    assert layers["error"].tolist() == pytest.approx([expected[layer] for layer in layers["layer"]], rel=1e-6)
    assert (own["ratio"] - own["error"] / own["other_error"]).abs().max() < 1e-9


def test_bands_hold_their_estimate_and_the_simultaneous_ones_are_wider(record: Record) -> None:
    rows = record.table[record.table["quantity"].isin(["own", "layer"])]
    varying = rows[rows["low"] < rows["high"]]
    assert len(varying) > 5
    assert varying["ratio"].between(varying["all_low"], varying["all_high"]).all()
    for _, of in varying.groupby("quantity"):
        width = (of["high"] / of["low"]).map(np.log)
        together = (of["all_high"] / of["all_low"]).map(np.log)
        assert (together > 1.1 * width).mean() > 0.5  # of few cells, that hang together, not all are much wider


def test_a_checkpoint_does_not_differ_from_its_copy(config: CompareConfig, tmp_path: Path, toys: Path) -> None:
    copy = tmp_path / "copy.pt"
    copy.write_bytes((toys / "m.pt").read_bytes())
    record = probe.compare(replace(config, ckpt=(str(toys / "m.pt"), str(copy))))
    rows = record.table[record.table["quantity"] != "reach"]
    assert (rows["ratio"] == 1).all()
    assert (rows["low"] == 1).all()
    assert "not told apart" in record.provenance["verdict"][0]


def test_a_depth_is_answered_by_the_last_layer_no_deeper() -> None:
    depths = [0.0, 1 / 3, 2 / 3, 1.0]
    assert [_layer_at(depths, depth) for depth in (0, 0.3, 1 / 3, 0.5, 0.99, 1)] == [0, 0, 1, 1, 2, 3]
    assert _layer_at([0.1, 0.5, 1.0], 0.0) == 0


def test_every_axis_of_depth_ends_at_one(config: CompareConfig) -> None:
    for axis in ("blocks", "parameters", "flops"):
        about = probe.compare(replace(config, depth=axis)).provenance["models"]  # type: ignore[arg-type]
        for model in about.values():
            assert model["depths"][-1] == 1
            assert model["depths"] == sorted(model["depths"])
            assert len(model["depths"]) == len(model["errors"])


def test_two_runs_of_official_code_are_compared_as_ours_are(tmp_path: Path) -> None:
    fixtures = Path(__file__).parents[1] / "checkpoints" / "official" / "fixtures"
    paths = [str(fixtures / name) for name in ("grazzi-gpt2", "grazzi-mamba")]
    out = tmp_path / "compared"
    assert (
        main(["compare", "--ckpt", *paths, "--task", "linear", "--prompts", "64", "--score", "32", "--out", str(out)])
        == 0
    )
    assert out.with_suffix(".png").stat().st_size > 0
    record = load(f"{out}.csv")
    table = record.table
    assert set(table["model"]) == {"grazzi-gpt2"}
    assert set(table["other"]) == {"grazzi-mamba"}
    assert sorted(table[table["quantity"] == "own"]["context"]) == [0, 1, 2, 3]
    # the errors are those of the models as their readers give them
    alone = probe.evaluate(EvaluateConfig(ckpt=tuple(paths), task="linear", prompts=32, learner=("none",))).table
    for name, column in (("grazzi-gpt2", "error"), ("grazzi-mamba", "other_error")):
        expected = alone[(alone["model"] == name) & (alone["head"] == "model")].set_index("context")["error"]
        own = table[table["quantity"] == "own"].set_index("context")[column]
        assert own.tolist() == pytest.approx([expected[context] for context in own.index], rel=1e-5)
    assert "grazzi-gpt2" in record.provenance["verdict"][0]


def pair(ratio: float, all_low: float, all_high: float, sooner: float, later: float, **other: float) -> pd.DataFrame:
    own = {"quantity": "own", "context": 4, "error": ratio, "other_error": 1.0, "ratio": ratio}
    depth = {"quantity": "reach", "threshold": 0.5, "depth": 0.4, "other_depth": 0.8, "low": -0.4, "high": -0.4}
    shares = {"sooner": sooner, "later": later, "spacing": 0.2, "other_spacing": 0.3}
    rows = [own | {"all_low": all_low, "all_high": all_high}, depth | shares | other]
    return pd.DataFrame([{"model": "a", "other": "b", "band": "prompts"} | row for row in rows])


NAN = float("nan")


@pytest.mark.parametrize(
    ("table", "own", "depth"),
    [
        (pair(2.0, 1.5, 2.5, 0.0, 1.0), "a errs more than b", "b sooner"),
        (pair(0.5, 0.4, 0.6, 1.0, 0.0), "a errs less than b", "a sooner"),
        (pair(1.3, 0.9, 1.9, 0.96, 0.0), "not told apart", "do not tell apart"),
        (pair(1.05, 1.02, 1.08, 0.0, 0.0), "not told apart", "do not tell apart"),
        (pair(0.0, NAN, NAN, 0.5, 0.5), "cannot be told apart", "do not tell apart"),
        (pair(1.3, 0.9, 1.9, 0.0, 0.0, depth=NAN, other_depth=NAN), "not told apart", "no depths are compared"),
        (pair(1.3, 0.9, 1.9, 1.0, 0.0, other_depth=NAN, low=NAN), "not told apart", "0.40 and never: a sooner"),
        (pair(1.3, 0.9, 1.9, 1.0, 0.0, low=NAN), "not told apart", "difference b never to -0.40"),
        (pair(1.3, 0.9, 1.9, 0.5, 0.4, high=NAN), "not told apart", "difference -0.40 to a never"),
        (pair(1.3, 0.9, 1.9, 1.0, 0.0, low=NAN, high=NAN), "not told apart", "difference b never;"),
        (pair(1.3, 0.9, 1.9, 0.5, 0.5, low=NAN, high=NAN), "not told apart", "difference b never to a never;"),
        (pair(1.3, 0.9, 1.9, 1.0, 0.0), "not told apart", "discrete, in steps of 1/5 and up to 0.30"),
    ],
)
def test_the_words_follow_the_bands_and_the_stated_factor(table: pd.DataFrame, own: str, depth: str) -> None:
    sentences = verdicts(table)
    assert own in sentences[0]
    assert depth in sentences[1]
    assert "three training seeds" in sentences[2]


def planted(name: str, last: float) -> Measured:
    """A model of four blocks whose head's error falls to some value at its last layer; every prompt alike."""
    falls = torch.tensor([1.0, 0.9, 0.8, 0.7, last])[:, None, None].expand(5, 40, 1)
    errors, own = (LayerErrors("y", of, 4, [4], 0) for of in (range(5), [4]))
    counted = torch.ones(40, 1, dtype=torch.bool)
    errors.add(range(40), falls, torch.ones(40, 1), counted)
    own.add(range(40), falls[-1:], torch.ones(40, 1), counted)
    experiment = SimpleNamespace(checkpoint=SimpleNamespace(name=name))
    return Measured(experiment, [0.0, 0.25, 0.5, 0.75, 1.0], errors, own)  # type: ignore[arg-type]


def test_an_error_that_only_one_head_reaches_is_reached_sooner_by_it() -> None:
    """A head of one model that is right from some block on, beside one that never is: the second is no unknown."""
    sooner = _rows(planted("right", 0.05), planted("other", 0.6))
    reach = {row["threshold"]: row for row in sooner if row["quantity"] == "reach"}
    assert (reach[0.1]["depth"], reach[0.1]["sooner"], reach[0.1]["other_never"]) == (1.0, 1.0, 1.0)
    assert np.isnan(reach[0.1]["other_depth"])
    sentence = verdicts(pd.DataFrame(sooner))[1]
    assert (
        "an error of 0.1 at depths 1.00 and never: right sooner (95 % band of the difference other never;" in sentence
    )


def test_a_model_that_errs_on_no_prompt_has_no_ratio_and_is_told_apart_from_none(tmp_path: Path) -> None:
    rows = pd.DataFrame(_rows(planted("right", 0.0), planted("other", 0.6)))
    own = rows[rows["quantity"] == "own"].iloc[-1]
    assert own[["low", "high", "all_low", "all_high"]].isna().all()
    assert "cannot be told apart by their own error: at 4 examples 0 and 0.6" in verdicts(rows)[0]
    save(Record(rows, {"kind": "compare"}), tmp_path / "a")  # which takes no infinity


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"ckpt": None}, "a comparison needs two"),
        ({"task": "linaer"}, "Did you mean linear"),
        ({"score": 4}, "--score 4"),
        ({"context": 9}, "learned positions"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(config: CompareConfig, change: dict, sentence: str) -> None:
    change = {"ckpt": config.ckpt[:1]} if "ckpt" in change else change
    with pytest.raises(ProbeError, match=sentence):
        probe.compare(replace(config, **change))


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three short trainings a side, alike but for the layout, and one more that had one step more."""
    folder = tmp_path_factory.mktemp("seeds")
    plain = TrainConfig(out="", task="linear", dim=2, context=4, width=8, attention_heads=2, batch=4)
    alike = replace(plain, lr=1e-3, curriculum=False)
    names = []
    for arch, steps, seed in [*product(("M1", "AF"), (2,), (0, 1, 2)), ("M1", 3, 3)]:
        names.append(str(folder / f"{arch}-{seed}.pt"))
        probe.train(replace(alike, layout=arch, steps=steps, seed=seed, out=names[-1]))
    return names


@pytest.fixture(scope="module")
def faster(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three trainings of the second side with another rate, more prompts a step, and wider."""
    folder = tmp_path_factory.mktemp("faster")
    plain = TrainConfig(out="", task="linear", dim=2, context=4, width=16, attention_heads=2, batch=8, steps=2)
    names = [str(folder / f"fast-{seed}.pt") for seed in (0, 1, 2)]
    for seed, name in enumerate(names):
        probe.train(replace(plain, layout="AF", lr=2e-3, curriculum=False, seed=seed, out=name))
    return names


def test_sides_of_three_seeds_are_compared_over_their_seeds(seeds: list[str]) -> None:
    record = probe.compare(CompareConfig(ckpt=tuple(seeds), task="linear", prompts=128, score=64, batch=64))
    over = record.table[record.table["band"] == "seeds"]
    assert {*zip(over["model"], over["other"], strict=True)} == {("mamba (3 seeds)", "transformer (3 seeds)")}
    errors = {name: about["errors"] for name, about in record.provenance["models"].items()}
    first, second = (np.log([errors[f"{arch}-{seed}"][-1] for seed in (0, 1, 2)]) for arch in ("M1", "AF"))
    last = over[over["quantity"] == "layer"].iloc[-1]
    band = ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    assert last["ratio"] == pytest.approx(np.exp(first.mean() - second.mean()))
    assert (last["low"], last["high"]) == pytest.approx((np.exp(band.low), np.exp(band.high)))
    assert over[over["quantity"] == "own"]["context"].tolist() == [0, 1, 2, 3, 4]
    assert record.provenance["verdict"][-1].startswith("The architectures mamba (3 seeds) and transformer (3 seeds) ")


def test_sides_that_were_trained_otherwise_are_no_architectures(seeds: list[str], faster: list[str]) -> None:
    """Neither two architectures, nor one of them in two trainings."""
    for others, sides in (
        (seeds[:3], "mamba (3 seeds) and transformer (3 seeds)"),
        (seeds[3:6], "transformer (3 seeds) and transformer (3 seeds) [2]"),
    ):
        record = probe.compare(CompareConfig(ckpt=(*others, *faster), task="linear", prompts=64, score=32, batch=32))
        told, unlike, observed = record.provenance["verdict"][-3:]
        assert told.startswith(f"The checkpoints of {sides} ")
        respects = "rate (0.001 and 0.002), prompts a step (4 and 8), width (8 and 16)"
        assert unlike == f"The two sides differ in training as well: {respects}."
        assert "observation on these checkpoints" in observed
        over = record.table[record.table["band"] == "seeds"]
        assert (over["model"] != over["other"]).all()


def test_checkpoints_that_differ_in_more_than_their_seed_are_no_group(seeds: list[str]) -> None:
    few = [*seeds[:2], seeds[-1], *seeds[3:6]]
    record = probe.compare(CompareConfig(ckpt=tuple(few), task="linear", prompts=64, score=32, batch=32))
    assert (record.table["band"] == "prompts").all()
    assert "three training seeds" in record.provenance["verdict"][-1]
    told = [said for said in record.provenance["verdict"] if "training as well" in said]
    assert told[0] == "The checkpoints M1-0 and M1-3 differ in training as well: steps (2 and 3)."
    assert not any("M1-0 and M1-1 " in said for said in told)


def test_of_a_checkpoint_without_a_plan_the_training_is_not_known(seeds: list[str]) -> None:
    model, known = (checkpoints.load(seeds[place]) for place in (0, 3))
    unknown = replace(model, name="found", description={})
    found = trainings(known, unknown)
    assert (found.unlike, found.unknown, found.alike) == ({}, ("found",), False)
    assert found.sentences("Both") == ["How found was trained is not recorded."]
    assert trainings(model, known).alike


def test_a_rate_that_one_search_chose_is_no_difference_and_is_told(seeds: list[str], faster: list[str]) -> None:
    """It alone: what else the trainings differ in keeps the sides from being architectures."""
    config = CompareConfig(ckpt=(*seeds[:3], *faster), task="linear", prompts=64, score=32, batch=32, tuned="rate")
    said, unlike, tuned, observed = probe.compare(config).provenance["verdict"][-4:]
    assert said.startswith("The checkpoints of mamba (3 seeds) and transformer (3 seeds) ")
    assert unlike == "The two sides differ in training as well: prompts a step (4 and 8), width (8 and 16)."
    assert tuned == "Told to have been chosen for both by the same search: rate (0.001 and 0.002)."
    assert "observation on these checkpoints" in observed
    known = checkpoints.load(seeds[0])
    plan = {**known.description["plan"], "lr": 2e-3}
    other = replace(known, description={**known.description, "plan": plan})
    assert not trainings(known, other).alike
    alike = trainings(known, other, tuned="rate")
    assert alike.alike
    assert alike.sentences("The two sides") == [tuned]
    assert trainings(known, known, tuned="rate").sentences("The two sides") == []
