"""Claims: the Park notebooks put together only checkpoints that were trained alike, and their table says what it says.

Checkpoints are found by what they say of themselves; who stores every pair, or knows the automaton, errs least; the
verdicts of the table follow from errors, bands and stated thresholds, and the page holds the records' table.
"""

import csv
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from probe import EvaluateConfig, evaluate, load_checkpoint, make_task
from probe.randomness import PromptSource

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "analyses"))
import budget  # noqa: E402
import curves  # noqa: E402
import park  # noqa: E402
import park_table  # noqa: E402
import rates  # noqa: E402

MAMBA = park.Trained("mamba", "mamba.pt", "Mamba", "linear", 5, 15, 262_145, 0)
TRANSFORMER = replace(MAMBA, name="transformer", series="Transformer", parameters=302_465)


@pytest.fixture
def shelf(monkeypatch) -> list[park.Trained]:
    """What lies in checkpoints/, as a list to be filled."""
    found: list[park.Trained] = []
    monkeypatch.setattr(park, "trained", lambda: tuple(found))
    return found


def _named(group: Sequence[park.Trained]) -> list[str]:
    return [one.name for one in group]


def test_only_checkpoints_of_one_task_dimension_and_length_stand_together(shelf):
    wide = replace(MAMBA, name="wide", dim=20)
    long = replace(MAMBA, name="long", context=40)
    sparse = replace(MAMBA, name="sparse", task="sparse_linear")
    shelf += [wide, long, MAMBA, TRANSFORMER, sparse]
    assert [_named(group) for group in park.groups("linear")] == [["mamba", "transformer"], ["wide"], ["long"]]
    assert _named(park.first_group("linear")) == ["mamba", "transformer"]
    assert park.first_group("vector_retrieval") == ()


def test_a_group_may_be_chosen_by_its_options(shelf):
    shelf += [
        replace(MAMBA, name="steps", task="chain_of_thought"),
        replace(MAMBA, name="plain", task="chain_of_thought:style=plain"),
    ]
    assert _named(park.first_group("chain_of_thought", lambda task: task.style == "plain")) == ["plain"]
    assert _named(park.first_group("chain_of_thought", lambda task: task.style == "input_output")) == ["steps"]


def test_of_several_sizes_the_usual_one_stands_for_an_architecture_with_all_its_seeds(shelf):
    seed, half = replace(MAMBA, name="seed", seed=1), replace(MAMBA, name="half", parameters=130_000)
    group = (half, MAMBA, seed, TRANSFORMER)
    assert _named(park.usual_size(group)) == ["mamba", "seed", "transformer"]


def test_several_sizes_of_an_architecture_differ_in_width_and_rate_alone():
    """From about a quarter of the laptop's operations to three or four times as many; plans: analyses/sizes.csv."""
    with (ROOT / "analyses" / "sizes.csv").open(encoding="utf-8") as file:
        planned = {(row["arch"], row["task"], int(row["width"])): row for row in csv.DictReader(file)}
    shipped = {(one.path, task): one for task in ("linear", "many_outlier") for one in park.of_sizes(task)}
    found = {}
    for path, task in shipped:
        checkpoint = load_checkpoint(path)
        plan, width = checkpoint.description["plan"], checkpoint.stream.width
        row = planned[plan["arch"], task, width]
        assert [str(plan[name]) for name in ("dim", "context", "steps", "batch", "warmup")] == [
            row[name] for name in ("dim", "context", "steps", "batch", "warmup")
        ]
        assert (plan["curriculum"], plan["lr"], plan["seed"]) == (False, float(row["lr"]), int(row["seed"]))
        found[plan["arch"], task, width] = checkpoint.description["training_flops"]
    assert found.keys() == planned.keys()
    for arch, task in {(arch, task) for arch, task, _ in found}:
        assert 0.2 < found[arch, task, 32] / found[arch, task, 64] < 0.4, (arch, task)
        assert 2.5 < found[arch, task, 128] / found[arch, task, 64] < 4.5, (arch, task)


def test_what_is_trained_is_read_from_the_files():
    found = {one.name: one for one in park.trained()}
    assert found["transformer-none"].series == "Transformer, no positions"
    assert found["mamba-mqar"].task == "vector_mqar" and found["mamba-mqar"].dim == 20
    assert not any(name.startswith(("control", "open-loop")) or name.endswith("-fixed") for name in found)


def test_who_stores_every_pair_errs_by_nothing_and_under_noise_by_less_than_guessing_in_right_answers():
    for text, right in (("vector_retrieval", 1.0), ("vector_retrieval:query_noise=1", 0.6)):
        task = make_task(text, 8)
        prompts = task.draw(PromptSource(0, "score", range(300)), 6)
        accuracy = task.metrics(park.nearest_key(task, prompts), prompts)["accuracy"].mean()
        assert right <= accuracy <= 1
    plain = make_task("vector_retrieval", 8)
    prompts = plain.draw(PromptSource(0, "score", range(50)), 6)
    assert plain.cost(park.nearest_key(plain, prompts), prompts).max() == 0


def test_who_knows_the_automaton_names_legal_letters_alone_and_its_very_distribution():
    task = make_task("regular_language", 1)
    prompts = task.draw(PromptSource(0, "score", range(200)), 60)
    metrics = task.metrics(park.lowest_loss(task, prompts), prompts)
    assert metrics["legal"].min() == 1
    assert metrics["total_variation"].max() < 1e-6


def test_a_record_of_several_tasks_tells_them_apart_and_is_drawn_by_their_option(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "FIGURES", tmp_path)
    stand_in = budget.untrained_for("vector_retrieval", 4, 3)
    tasks = ["vector_retrieval:place=1", "vector_retrieval:place=3"]
    config = EvaluateConfig(ckpt=(), task="vector_retrieval", learner=("none",), prompts=32)
    record = budget.measured_each("both", park.beside(evaluate, "nearest_key"), config, tasks, [stand_in])
    assert record.table["task"].unique().tolist() == tasks
    names = {"untrained": "Mamba", "nearest_key": "nearest key"}
    drawn = curves.by_option(record, "place", names, "place", "accuracy").set_index(["series", "x"])["value"]
    assert drawn["nearest key"].to_dict() == {1: 1.0, 3: 1.0}
    assert len(drawn["Mamba"]) == 2
    monkeypatch.setattr(budget, "REDRAW", True)
    again = budget.measured_each("both", _refused, config, tasks, [stand_in])
    pd.testing.assert_frame_equal(again.table, record.table)


def test_what_a_stand_in_was_measured_for_is_drawn_again_and_for_a_checkpoint_it_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "FIGURES", tmp_path)
    monkeypatch.setattr(budget, "REDRAW", True)
    stand_in = budget.untrained_for("linear", 3, 4)
    config = EvaluateConfig(ckpt=(), task="linear", learner=("none",), prompts=32)
    record = budget.measured("one", evaluate, config, [stand_in])
    pd.testing.assert_frame_equal(budget.measured("one", _refused, config, [stand_in]).table, record.table)
    with pytest.raises(AssertionError, match="measured again"):
        budget.measured("one", _refused, replace(config, ckpt=("mamba.pt",)))


def test_a_record_of_other_weights_under_the_same_name_is_measured_again(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "FIGURES", tmp_path)
    monkeypatch.setattr(budget, "REDRAW", True)
    here = tmp_path / "model.pt"
    shutil.copy(park.SIZES / "mamba-linear-32.pt", here)
    config = EvaluateConfig(ckpt=(str(here),), task="linear", learner=("none",), prompts=32)
    record = budget.measured("one", evaluate, config)
    pd.testing.assert_frame_equal(budget.measured("one", _refused, config).table, record.table)
    shutil.copy(park.SIZES / "mamba-linear-64.pt", here)
    with pytest.raises(AssertionError, match="measured again"):
        budget.measured("one", _refused, config)


def test_the_rate_of_each_size_is_the_best_of_those_tried_at_its_width():
    with (ROOT / "analyses" / "sizes.csv").open(encoding="utf-8") as file:
        planned = list(csv.DictReader(file))
    for row in planned:
        groups = ("linear", "linear-whole") if row["width"] == "64" else (f"linear-{row['width']}",)
        tried = {rate: error for group in groups for rate, error in rates.tried(group, row["arch"]).items()}
        assert tried[float(row["lr"])] == min(tried.values()), row


def _refused(config: EvaluateConfig) -> None:
    raise AssertionError("what the record has is not measured again")


def test_an_option_is_added_to_a_task_with_and_without_options():
    assert park.with_option("vector_retrieval", "place", 3) == "vector_retrieval:place=3"
    assert park.with_option("vector_retrieval:norm=unit", "place", 3) == "vector_retrieval:norm=unit,place=3"


@pytest.mark.parametrize(
    ("error", "low", "high", "best", "least", "said"),
    [
        (0.100, 0.09, 0.11, 0.100, 0.0, "works"),
        (0.009, 0.008, 0.010, 0.001, 0.0, "works"),  # within the margin, though nine times the best
        (0.150, 0.14, 0.16, 0.100, 0.0, "gap"),
        (0.150, 0.10, 0.20, 0.100, 0.0, "works"),  # its band reaches the best
        (0.480, 0.45, 0.51, 0.480, 0.0, "gap"),  # the best of its row, and not surely below half of guessing
        (0.600, 0.55, 0.65, 0.600, 0.5, "works"),  # half of what is left above 0.5
        (0.890, 0.85, 0.93, 0.100, 0.0, "gap"),
        (0.900, 0.85, 0.95, 0.900, 0.0, "fails"),
    ],
)
def test_a_verdict_follows_from_the_error_its_band_and_the_best_of_the_row(error, low, high, best, least, said):
    assert park_table.verdict(error, low, high, best, least) == said


@pytest.mark.parametrize(
    ("error", "text"),
    [(0.0, "0.0000"), (0.00004, "0.0000"), (0.00026, "0.0003"), (0.0034, "0.0034"), (0.0655, "0.066"), (0.999, "1.00")],
)
def test_errors_are_told_to_two_digits(error, text):
    assert park_table.shown(error) == text


def test_a_task_without_a_checkpoint_is_a_row_that_says_so(tmp_path):
    table = park_table.lines(tmp_path)
    assert [line.title for line in table] == list(park_table.ROWS.values())
    assert {line.about for line in table} == {"no checkpoint"}


def test_the_seed_in_the_middle_stands_for_its_architecture():
    rows = (one for one in park_table.lines(ROOT / "figures") if one.title == "linear, skewed x")
    line = next(one for one in rows if one.about == "5 dimensions, 15 examples")
    record = budget.recorded("park-table-skewed_linear-5-15")
    table, series = record.table, record.provenance["series"]
    errors = table[(table["head"] == "model") & (table["model"].map(series) == "Mamba")]["error"]
    assert len(errors) >= 3
    assert line.cells["Mamba"].error == errors.sort_values().iloc[(len(errors) - 1) // 2]


def test_the_page_holds_the_table_of_the_records():
    page = park_table.PAGE.read_text()
    assert park_table.BEGIN + park_table.markdown(park_table.lines(ROOT / "figures")) + park_table.END in page


def test_the_picture_has_a_word_for_every_verdict_and_for_what_is_not_trained():
    table = park_table.lines(ROOT / "figures")
    written = " ".join(text.get_text() for text in park_table.picture(table).axes[0].texts)
    for word in ("works", "gap", "fails", "not\ntrained"):
        assert word in written
    assert written.count("works") == sum(cell.verdict == "works" for line in table for cell in line.cells.values())


def test_a_stand_in_is_the_same_every_time():
    first, second = (budget.untrained_for("regular_language", 1, 8) for _ in range(2))
    assert first.digest == second.digest
