"""Claims: what is left follows the pace of what is over; every kind of evidence has its effort."""

import pytest

from probe.commands.claim import STAGES
from probe.evidence.course import EFFORTS, HEADS, Course


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


KINDS = [("heads", 10.0), ("curve", 0.0), ("states", 30.0), ("loop", 20.0)]


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_before_anything_is_over_nothing_is_estimated(clock):
    told = []
    course = Course(KINDS, lambda *said: told.append(said), clock)
    course.begin(0)
    clock.now = 100.0
    course.tell()
    assert [(text, text.left, done, total) for text, done, total in told] == [("heads", None, 0, 4)] * 2


@pytest.mark.parametrize("pace", [0.5, 2.0])
def test_what_is_left_follows_the_pace_of_what_is_over(pace, clock):
    course = Course(KINDS, lambda *said: None, clock)
    course.begin(0)
    clock.now = 10 * pace
    course.begin(2)
    assert course.left() == pytest.approx(50 * pace)
    clock.now += 15 * pace
    assert course.left() == pytest.approx(35 * pace)


def test_a_kind_that_takes_longer_than_it_should_raises_the_estimate_of_the_rest(clock):
    course = Course(KINDS, lambda *said: None, clock)
    course.begin(0)
    clock.now = 10.0
    course.begin(2)
    clock.now += 30.0
    assert course.left() == pytest.approx(20.0)
    clock.now += 40.0
    assert course.left() == pytest.approx(40.0), "80 seconds for 40 units of work: 20 more take 40"


def test_every_kind_of_evidence_has_its_effort():
    assert list(EFFORTS) == [HEADS, *STAGES]
