"""Claims: a page tells in sentences how far a training is, and shows the heads fitted meanwhile, named or not, once."""

from pathlib import Path

import pytest

import probe
from probe.pages.running import stands
from probe.records import Record, load, save

FIGURES = Path(__file__).parents[2] / "figures"
TRAINING, HEADS = b"<h1>Training</h1>", b"<h1>What each block adds</h1>"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The log of a training."""
    save(load(FIGURES / "mamba-training"), tmp_path / "mine-training")
    return tmp_path / "mine-training.csv"


def test_a_log_alone_is_shown_alone(log):
    page = probe.view([str(log)]).content
    assert (page.count(TRAINING), page.count(HEADS)) == (1, 0)


@pytest.mark.parametrize("named", [["mine-training.csv"], ["mine-training"], ["mine-training.csv", "mine-probing.csv"]])
def test_heads_are_shown_beside_their_log_as_soon_as_their_file_is_there(log, named):
    save(load(FIGURES / "fit-mamba-transformer-linear"), log.with_name("mine-probing"))
    page = probe.view([str(log.with_name(name)) for name in named]).content
    assert (page.count(TRAINING), page.count(HEADS)) == (1, 1)


def test_the_command_that_draws_the_page_again_names_both(log):
    save(load(FIGURES / "fit-mamba-transformer-linear"), log.with_name("mine-probing"))
    assert f"probe view {log} {log.with_name('mine-probing.csv')}".encode() in probe.view([str(log)]).content


def test_a_training_whose_first_step_is_not_logged_yet_is_told_without_a_name():
    logged = Record(
        load(FIGURES / "mamba-training").table.iloc[:0], {"kind": "train", "step": 0, "plan": {"steps": 500}}
    )
    assert stands([logged], [True]) == ["The training is running at step 0 of 500."]
    assert stands([logged], [False]) == ["The training stopped at step 0 of 500, and nobody writes its log."]
