"""Claims: long work says lines, short work none, however seldom it reports."""

import time

import pytest

from probe import progress


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY", 0.1)


def test_lines_are_said_while_nothing_is_reported(fast: None) -> None:
    said: list[str] = []
    with progress.lines("fit", said.append) as show:
        show("fit mamba", 128, 8192)
        deadline = time.monotonic() + 20
        while len(said) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        known = len(said)
    assert known >= 3
    assert said[0].startswith("fit: fit mamba, 128 of 8,192, 0:00 elapsed")


def test_what_is_left_is_estimated_from_the_stage(fast: None) -> None:
    stage = progress._Stage("score", 300, 400, 100, time.monotonic() - 20)
    assert progress._line("fit", stage, 3700) == (
        "fit: score, 300 of 400, 1:01:40 elapsed, about 0:10 left at this stage"
    )


def test_what_is_left_of_all_is_said_as_it_was_estimated_less_what_passed_since() -> None:
    stage = progress._Stage(progress.Expected.of("loop", 70.0), 6, 13, 6, told=time.monotonic() - 10)
    assert progress._line("claim", stage, 130) == "claim: loop, 6 of 13, 2:10 elapsed, about 1:00 left"
    unknown = progress._Stage(progress.Expected.of("heads", None), 0, 13, 0)
    assert progress._line("claim", unknown, 30) == "claim: heads, 0 of 13, 0:30 elapsed"


def test_short_work_says_nothing_and_lines_end_with_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    assert progress.LINE_EVERY > 3
    with progress.lines("fit", said.append) as show:
        show("fit", 1, 2)
    monkeypatch.setattr(progress, "LINE_EVERY", 0.01)
    with pytest.raises(ValueError, match="stopped"), progress.lines("fit", said.append):
        raise ValueError("stopped")
    count = len(said)
    time.sleep(0.1)
    assert len(said) == count
