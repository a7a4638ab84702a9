"""Claims: what one process has to run is refused to several before any work, and dealing covers every part once."""

from dataclasses import replace

import pytest

import probe
from probe.config import EvaluateConfig, FitConfig
from probe.errors import ProbeError
from probe.processes import ALONE, merge_each
from probe.processes.group import Group
from probe.processes.single import Single
from probe.statistics import MeanBootstrap

from .work import TRAIN


class Nine(Single):
    """Says that it is one of nine."""

    count = 9


def test_language_tasks_run_in_one_process() -> None:
    with pytest.raises(ProbeError, match="--task language runs in one process"):
        probe.fit(FitConfig(ckpt=(), task="language", head=("lens",)), processes=Nine())
    with pytest.raises(ProbeError, match="torchrun started 9"):
        probe.evaluate(EvaluateConfig(ckpt=(), task="language"), processes=Nine())


def test_a_step_with_fewer_prompts_than_processes_is_refused(tmp_path) -> None:
    with pytest.raises(ProbeError, match="--batch 7 was given, but each of 9 processes"):
        probe.train(replace(TRAIN, out=str(tmp_path / "a.pt")), processes=Nine())


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_batch_is_dealt_once_and_every_prompt_of_a_step_shared_once(count: int) -> None:
    group = [Group.__new__(Group) for _ in range(count)]
    for rank, each in enumerate(group):
        each._rank, each._count = rank, count
        each.check = lambda: None
    dealt = [list(each.deal(range(0, 50, 8))) for each in group]
    assert sorted(part for own in dealt for part in own) == list(range(0, 50, 8))
    assert dealt[0][0] == 0
    shares = [each.share(7) for each in group]
    assert [place for share in shares for place in range(7)[share]] == list(range(7))
    assert all(share.stop > share.start for share in shares)
    assert list(ALONE.deal(range(3))) == [0, 1, 2]


def test_a_process_that_was_dealt_nothing_adds_nothing() -> None:
    gathered = {"mean": MeanBootstrap((2,), resamples=3)}
    assert merge_each(gathered, {}) is gathered
    assert merge_each({}, gathered) is gathered
