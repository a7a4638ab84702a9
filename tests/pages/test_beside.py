"""Claims: the page of a training's log shows the heads that were fitted meanwhile, named or not, and once."""

from pathlib import Path

import pytest

import probe
from probe.records import load, save

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
