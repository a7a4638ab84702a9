"""Claims: the models of a study were trained alike, at the best of equal rates, and the pages show what was tried."""

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from probe.checkpoints import load

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "analyses"))
import beliefs  # noqa: E402
import rates  # noqa: E402
import studies  # noqa: E402

NAMED = [(name, kind) for name, study in studies.STUDIES.items() for kind in study.architectures]


@pytest.fixture(scope="module")
def tried():
    return pd.read_csv(ROOT / "figures" / "study-rates.csv")


def test_the_best_rate_errs_least_and_one_that_diverged_is_never_the_best():
    rows = [("mess3", "mamba", rate, found) for rate, found in ((0.004, 0.3), (0.001, 0.2), (0.008, None))]
    table = pd.DataFrame(rows, columns=["study", "architecture", "rate", "surplus"])
    assert studies.best_rate(table, "mess3", "mamba") == 0.001
    assert studies.by_rate(table, "mess3", "mamba") == {0.001: 0.2, 0.004: 0.3, 0.008: rates.DIVERGED}


@pytest.mark.parametrize(("name", "kind"), NAMED)
def test_every_architecture_was_tried_at_the_same_rates_until_the_best_lay_within(tried, name, kind):
    errors = studies.by_rate(tried, name, kind)
    assert set(rates.GRID) <= set(errors)
    assert rates.following(errors) is None


@pytest.mark.parametrize(("name", "kind"), NAMED)
def test_the_checkpoints_of_a_study_differ_in_their_seed_alone(tried, name, kind):
    """Each was trained at its architecture's best rate, with the study's steps and without a curriculum."""
    study = studies.STUDIES[name]
    plans = []
    for seed in studies.SEEDS:
        stem = f"{kind}-{study.suffix}" + (f"-seed{seed}" if seed else "")
        about = load(str(ROOT / "checkpoints" / f"{stem}.pt")).description
        assert (about["seed"], about["step"]) == (seed, study.steps[kind])
        plans.append({key: value for key, value in about["plan"].items() if key != "seed"})
    assert all(json.dumps(plan, sort_keys=True) == json.dumps(plans[0], sort_keys=True) for plan in plans)
    assert plans[0]["lr"] == studies.best_rate(tried, name, kind)
    assert plans[0]["warmup"] == study.steps[kind] // 10


@pytest.mark.parametrize("page", sorted({study.page for study in studies.STUDIES.values()}))
def test_the_page_of_a_study_has_the_table_of_its_runs(tried, page):
    assert studies.markdown(tried, page) in (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("task", "all_of_it"), [("hidden_markov", True), ("hidden_markov:source=random_random_xor", False)]
)
def test_the_next_symbols_probabilities_are_the_belief_of_mess3_and_not_that_of_random_random_xor(task, all_of_it):
    """By linear heads without a model; the last two symbols tell more than the last, and less than the belief."""
    found = beliefs.beliefs(beliefs.BeliefConfig(ckpt=(), task=task, prompts=400, score=100, longest=2)).table
    explained = found.set_index("head")["r2"]
    assert (explained["next symbol"] > 0.9999) == all_of_it
    assert all_of_it or explained["next symbol"] < 0.3
    assert explained["last token"] + 0.05 < explained["last 2 tokens"] < 0.97


def test_a_head_on_all_layers_explains_more_than_one_on_the_last():
    """Of a Mamba of random-random-XOR, whose last layer lacks some of what the blocks before it have."""
    ckpt, task = str(ROOT / "checkpoints" / "mamba-xor.pt"), "hidden_markov:source=random_random_xor"
    config = beliefs.BeliefConfig(ckpt=(ckpt,), task=task, prompts=600, score=100, longest=1)
    table = beliefs.by_seed(beliefs.beliefs(config), {"mamba-xor": "Mamba"})["0"]
    assert table["all layers", "as drawn", "Mamba"] > table["last layer", "as drawn", "Mamba"] + 0.02
    assert table["last layer", "as drawn", "Mamba"] > table["last layer", "before training", "Mamba"] + 0.2
    assert abs(table["last layer", "shuffled", "Mamba"]) < 0.1
