"""Fitting finds what is planted, and the record says what was measured."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import probe
from probe import checkpoints
from probe.config import FitConfig
from probe.errors import ProbeError
from probe.probing.experiment import Experiment
from probe.probing.prepare import choose_contexts, parse_contexts, prepare
from probe.randomness import PromptSource
from probe.records import COLUMNS, Record
from probe.tasks import Prompts


@pytest.fixture
def config(toys: Path) -> FitConfig:
    return FitConfig(ckpt=(str(toys / "m.pt"),), task="linear", prompts=128, score=64, batch=32)


@pytest.fixture(scope="session")
def record(toys: Path) -> Record:
    names = (str(toys / "m.pt"), str(toys / "t.pt"))
    return probe.fit(
        FitConfig(ckpt=names, task="linear", head=("linear", "lens", "calibrated"), prompts=256, score=128, batch=64)
    )


def test_the_record_has_a_row_for_every_model_layer_context_and_head(record: Record) -> None:
    table = record.table
    assert list(table.columns[: len(COLUMNS)]) == COLUMNS
    for model, blocks in (("m", 2), ("t", 2)):
        rows = table[table["model"] == model]
        for head in ("linear", "lens"):
            places = rows[rows["head"] == head][["layer", "context"]].to_numpy().tolist()
            assert places == [[layer, context] for layer in range(blocks + 1) for context in range(5)]
        assert rows[rows["head"] == "model"]["layer"].unique().tolist() == [blocks]
        for reference in ("least_squares", "chance", "chance_calibrated"):
            assert rows[rows["head"] == reference]["layer"].isna().all()
    assert table[table["head"] == "linear"]["penalty"].gt(0).all()
    assert (table["low"] <= table["error"]).all()
    assert (table["error"] <= table["high"]).all()
    assert record.provenance["models"]["t"]["letters"] == "AF"
    assert len(record.provenance["models"]["m"]["cumulative_flops"]) == 3


def test_the_lens_at_the_last_layer_is_the_model_itself(record: Record) -> None:
    table = record.table
    lens = table[(table["head"] == "lens") & (table["layer"] == 2)]
    own = table[table["head"] == "model"]
    assert lens["error"].tolist() == pytest.approx(own["error"].tolist(), rel=1e-6)


def test_the_models_error_is_what_a_plain_loop_computes(config: FitConfig) -> None:
    table = probe.fit(config).table
    found = checkpoints.load(config.ckpt[0])
    from probe.tasks import make

    prompts = make("linear", 2).draw(PromptSource(0, "score", range(64)), 4)
    with torch.no_grad():
        predicted = found.model(prompts.inputs)[:, ::2]
    error = ((predicted - prompts.targets).double().square().sum(0) / prompts.targets.double().square().sum(0))[:, 0]
    own = table[table["head"] == "model"].sort_values("context")
    assert own["error"].tolist() == pytest.approx(error.tolist(), rel=1e-5)
    assert own["mse"].tolist() == pytest.approx((predicted - prompts.targets).square().mean((0, 2)).tolist(), rel=1e-5)


def test_no_number_depends_on_the_batch(config: FitConfig) -> None:
    one = probe.fit(replace(config, batch=32, head=("linear", "lens", "calibrated"))).table
    other = probe.fit(replace(config, batch=13, head=("linear", "lens", "calibrated"))).table
    assert one["error"].tolist() == pytest.approx(other["error"].tolist(), rel=1e-5, abs=1e-9)


def test_a_planted_map_is_found_and_the_chance_line_stays_at_one(toys: Path, tmp_path: Path) -> None:
    """A model that copies x1 + x2 of the query into its stream: a head for y with w known to be 1 would find it.

    The stream at the query token holds x itself at layer 0, so that w's inner product with a fixed vector cannot be
    read there, while y at context 0 is unpredictable: error 1 for the linear head and for chance.
    """
    table = probe.fit(FitConfig(ckpt=(str(toys / "m.pt"),), task="linear", prompts=2048, score=512)).table
    start = table[(table["context"] == 0) & table["head"].isin(["linear", "chance"])]
    assert start["error"].between(0.97, 1.1).all()


def test_a_linear_head_reads_what_stands_in_the_stream(toys: Path) -> None:
    """Asked for the query's own x, which the read-in writes linearly into the stream, the error is 0 at layer 0."""
    table = probe.fit(
        ckpt=toys / "m.pt", task="linear", target={"x": lambda prompts: prompts.x}, prompts=512, score=128
    ).table
    linear = table[(table["head"] == "linear") & (table["layer"] == 0)]
    assert (linear["error"] < 1e-8).all()
    assert (table[table["head"] == "chance"]["error"] > 0.9).all()


def test_a_head_after_the_norm_is_the_models_own_read_out(config: FitConfig, toys: Path) -> None:
    """Asked for the model's own prediction, it errs by rounding at the last layer; a head before the norm cannot."""
    model = checkpoints.load(str(toys / "t.pt")).model

    @torch.no_grad()
    def own(prompts: Prompts) -> torch.Tensor:
        found: torch.Tensor = model(prompts.inputs)
        return found

    asked = replace(config, ckpt=(str(toys / "t.pt"),), head=("linear", "normed"), target=own, prompts=512)  # type: ignore[arg-type]
    last = probe.fit(asked).table.query("layer == 2 and context == 4").set_index("head")["error"]
    assert last["normed"] < 1e-6
    assert last["linear"] > 1e-4


def test_heads_can_be_asked_for_the_drawn_parameters(config: FitConfig) -> None:
    table = probe.fit(replace(config, target="w", head=("linear",))).table
    assert set(table[table["head"] == "linear"]["target"]) == {"w"}
    assert set(table[table["head"] == "model"]["target"]) == {"y"}


def test_both_calibration_protocols_put_scale_and_shift_into_the_record(config: FitConfig, toys: Path) -> None:
    with pytest.raises(ProbeError, match="at least 10 examples"):
        probe.fit(replace(config, head=("calibrated",), protocol="released"))
    long = replace(config, head=("calibrated",), context="12")
    for protocol in ("published", "released"):
        table = probe.fit(replace(long, protocol=protocol)).table  # type: ignore[arg-type]
        rows = table[table["head"] == "calibrated"]
        assert rows["layer"].tolist() == [0, 1, 2]
        assert rows[["scale", "scale_low", "scale_high", "shift", "shift_low", "shift_high"]].notna().all(axis=None)
        assert (rows["scale_low"] <= rows["scale"]).all()


def test_the_calibrated_protocol_is_what_a_plain_loop_computes(config: FitConfig) -> None:
    """One prompt at a time: k examples fixed, each query appended alone, an ordinary least-squares line."""
    import numpy as np

    experiment = prepare(replace(config, context="4"))[0]
    table = probe.fit(replace(config, head=("calibrated",), context="4")).table
    squared, zero = 0.0, 0.0
    for number in range(128):
        prompts = experiment.task.draw(PromptSource(0, "score", [number]), 4 + 50 - 1)
        tokens = []
        for j in range(4, 54):
            single = prompts.inputs[:, :9].clone()
            single[:, 8] = prompts.x[:, j]
            with torch.no_grad():
                tokens.append(experiment.checkpoint.model(single)[0, -1, 0].item())
        y = prompts.y[0, 4:].double().numpy()
        slope, offset = np.polyfit(tokens[:10], y[:10], 1)
        squared += float(np.square(slope * np.array(tokens[10:]) + offset - y[10:]).mean())
        zero += float(np.square(y[10:]).mean())
    last = table[(table["head"] == "calibrated") & (table["layer"] == 2)]
    assert last["error"].item() == pytest.approx(squared / zero, rel=1e-3)


def test_contexts_default_to_all_when_narrow_and_to_eight_when_wide() -> None:
    assert choose_contexts(None, range(16), 64) == list(range(16))
    wide = choose_contexts(None, range(41), 256)
    assert len(wide) <= 8
    assert (wide[0], wide[-1]) == (0, 40)
    assert choose_contexts(parse_contexts("5,1,5"), range(16), 64) == [1, 5]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"ckpt": ("nowhere.pt",)}, "There is no checkpoint nowhere.pt"),
        ({"task": "linaer"}, "Did you mean linear"),
        ({"task": "linear:noise=1"}, "has no option"),
        ({"dim": 20}, "reads 2-dimensional inputs, but --dim 20 was given"),
        ({"prompts": 10}, "at least 18"),
        ({"score": 4}, "--score 4"),
        ({"batch": 0}, "--batch was given 0"),
        ({"context": "5,x"}, "whole numbers"),
        ({"context": "-1"}, "0 or more"),
        ({"target": "z"}, "Targets: y, w"),
        ({"target": "w", "head": ("lens",)}, "Add --head linear"),
        ({"task": "noisy_linear", "target": "noise"}, "is the same for every prompt"),
        ({"head": ()}, "No head"),
        ({"device": "abacus"}, "no such device"),
        ({"kernel": "triton"}, "kernel"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(config: FitConfig, change: dict, sentence: str) -> None:
    with pytest.raises(ProbeError, match=sentence):
        probe.fit(replace(config, **change))


def test_a_context_beyond_learned_positions_is_refused_and_beyond_a_mambas_training_is_not(
    config: FitConfig, toys: Path
) -> None:
    with pytest.raises(ProbeError, match="learned positions for 9 tokens"):
        probe.fit(replace(config, ckpt=(str(toys / "t.pt"),), context="5"))
    assert probe.fit(replace(config, context="9")).table["context"].max() == 9


def test_one_checkpoint_given_twice_is_refused(config: FitConfig) -> None:
    with pytest.raises(ProbeError, match="share a name"):
        probe.fit(replace(config, ckpt=config.ckpt * 2))


def test_several_targets_take_one_pass_and_are_answered_as_each_alone(toys: Path, monkeypatch) -> None:
    passed: list[int] = []
    whole = Experiment._captured

    def counting(experiment: Experiment, prompts):
        passed.append(len(prompts.inputs))
        return whole(experiment, prompts)

    monkeypatch.setattr(Experiment, "_captured", counting)
    settings = {"ckpt": str(toys / "m.pt"), "task": "linear", "prompts": 64, "score": 32}
    together = probe.fit(**settings, target=["y", "w", "gd:steps=3"])
    assert sum(passed) == 64 + 16 + 32
    for target in ("y", "w", "gd:steps=3"):
        alone = probe.fit(**settings, target=target).table
        keys = ["layer", "context", "target", "head"]
        both = together.table.merge(alone, on=keys, suffixes=("", "_alone"))
        assert len(both) == len(alone)
        for column in ("error", "mse", "low", "high"):
            assert both[column].tolist() == pytest.approx(both[f"{column}_alone"].tolist(), rel=1e-6, nan_ok=True)
    assert together.table[["layer", "context", "target", "head"]].duplicated().sum() == 0
