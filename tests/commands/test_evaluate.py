"""Claims: one pass gives every context, all see the same prompts, and styles and learners are told apart."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import probe
from probe import checkpoints
from probe.commands.evaluate import choose_indices
from probe.config import EvaluateConfig, TrainConfig
from probe.errors import ProbeError
from probe.randomness import PromptSource
from probe.records import COLUMNS
from probe.tasks import make
from probe.tasks.prompting import PROMPTINGS


@pytest.fixture
def config(toys: Path) -> EvaluateConfig:
    return EvaluateConfig(ckpt=(str(toys / "m.pt"), str(toys / "t.pt")), task="linear", prompts=64, batch=16)


def test_the_record_has_a_row_for_every_model_learner_and_context(config: EvaluateConfig) -> None:
    record = probe.evaluate(replace(config, learner=("least_squares", "knn:neighbours=2")))
    table = record.table
    assert list(table.columns[: len(COLUMNS)]) == COLUMNS
    for model in ("m", "t"):
        rows = table[table["model"] == model]
        assert rows[rows["head"] == "model"]["context"].tolist() == list(range(5))
        assert rows[rows["head"] == "model"]["layer"].unique().tolist() == [2]
        for learner in ("least_squares", "knn:neighbours=2"):
            assert rows[rows["head"] == learner]["context"].tolist() == list(range(5))
    assert set(table["prompting"]) == {"standard"}
    assert record.provenance["kind"] == "evaluate"


def test_the_models_error_is_what_a_plain_loop_computes(config: EvaluateConfig) -> None:
    table = probe.evaluate(config).table
    found = checkpoints.load(config.ckpt[0])
    prompts = make("linear", 2).draw(PromptSource(0, "score", range(64)), 4)
    with torch.no_grad():
        predicted = found.model(prompts.inputs)[:, ::2, 0]
    squared = (predicted - prompts.y).double().square()
    own = table[(table["model"] == "m") & (table["head"] == "model")]
    zero = prompts.y.double().square()
    assert own["error"].tolist() == pytest.approx((squared.sum(0) / zero.sum(0)).tolist(), rel=1e-5)
    median = squared.median(0).values / zero.mean(0)
    assert own["median"].tolist() == pytest.approx(median.tolist(), rel=1e-5)


def test_no_number_depends_on_the_batch(config: EvaluateConfig) -> None:
    styles = ("standard", *PROMPTINGS, "noisy:renormalise=true", "scale_x:factor=3", "half_subspace:released=true")
    one = probe.evaluate(replace(config, prompting=styles)).table
    other = probe.evaluate(replace(config, prompting=styles, batch=23)).table
    assert one["error"].tolist() == pytest.approx(other["error"].tolist(), rel=1e-4, abs=1e-6, nan_ok=True)
    assert list(dict.fromkeys(one["prompting"])) == list(styles)


def test_a_mamba_is_evaluated_far_beyond_its_training_and_learned_positions_are_refused(
    config: EvaluateConfig, toys: Path
) -> None:
    alone = replace(config, ckpt=(str(toys / "m.pt"),), context=100, learner=("least_squares",))
    table = probe.evaluate(alone).table
    assert table[table["head"] == "model"]["context"].tolist() == list(range(101))
    assert np.isfinite(table["error"]).all()
    assert table[table["head"] == "least_squares"]["context"].tolist() == choose_indices("auto", 100)
    with pytest.raises(ProbeError, match="learned positions"):
        probe.evaluate(replace(config, context=100))


def test_indices_are_dense_then_geometric() -> None:
    indices = choose_indices("auto", 500)
    assert indices[:41] == list(range(41))
    assert indices[-1] == 500
    assert len(indices) < 60
    assert choose_indices("all", 3) == [0, 1, 2, 3]
    assert choose_indices("3,1", 3) == [1, 3]


def test_a_chain_of_thought_can_rest_on_the_models_own_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more pass for every context: the model's s stands where the true one stood, and nothing else changes."""
    monkeypatch.setattr("probe.commands.train.FINAL_PROMPTS", 64)
    task = "chain_of_thought:hidden=2"
    train = TrainConfig(
        out=str(tmp_path / "c.pt"), task=task, layout="M1", dim=2, width=8, context=3, batch=8, steps=5, lr=1e-2
    )
    probe.train(train)
    config = EvaluateConfig(ckpt=(train.out,), task=task, prompting=("standard", "recursive"), learner=("none",))
    table = probe.evaluate(replace(config, prompts=32, batch=32)).table
    found, chain = checkpoints.load(train.out), make(task, 2)
    prompts = chain.draw(PromptSource(0, "score", range(32)), 3)
    tokens = prompts.inputs[:, :5].clone()
    with torch.no_grad():
        tokens[:, 4, 2:4] = found.model(tokens)[:, 3, :2]
        answer = found.model(tokens)[:, 4, -1]
    expected = (answer - prompts.y[:, 1]).double().square().sum() / prompts.y[:, 1].double().square().sum()
    recursive = table[(table["prompting"] == "recursive") & (table["context"] == 1)]
    assert recursive["error"].item() == pytest.approx(expected.item(), rel=1e-5)
    standard = table[(table["prompting"] == "standard") & (table["context"] == 1)]
    assert standard["error"].item() != pytest.approx(expected.item(), rel=1e-3)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"task": "linaer"}, "Did you mean linear"),
        ({"prompting": ("upside_down",)}, "No prompting is called 'upside_down'"),
        ({"learner": ("lest_squares",)}, "Did you mean least_squares"),
        ({"prompts": 4}, "--prompts 4"),
        ({"index": "1,x"}, "--index was given '1,x'"),
        ({"index": "1,99"}, "numbers from 0 to 4"),
        ({"context": 0}, "--context 0"),
        ({"task": "sparse_parity:size=1", "prompting": ("skewed",)}, "sparse_parity:size=1 is none"),
        ({"dim": 7}, "--dim 7"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(config: EvaluateConfig, change: dict, sentence: str) -> None:
    with pytest.raises(ProbeError, match=sentence):
        probe.evaluate(replace(config, **change))
