"""Claims: exact, prefix and synonym compare as the paper says, and an empty answer is never right."""

import pytest

from probe.language.matching import MATCHERS, first_line
from probe.language.pairs import Pair

DREAM = Pair("rêve", "dream", ("sleep",))


@pytest.mark.parametrize(
    ("answer", "exact", "prefix", "synonym"),
    [
        ("dream", True, True, True),
        ("dr", False, True, False),
        ("d", False, True, False),
        ("dreams", False, True, False),
        ("sleep", False, False, True),
        ("Dream", False, False, False),
        ("", False, False, False),
    ],
)
def test_three_ways_of_comparing(answer, exact, prefix, synonym):
    found = {name: matcher(answer, DREAM) for name, matcher in MATCHERS.items()}
    assert found == {"exact": exact, "prefix": prefix, "synonym": synonym}


def test_an_answer_is_the_first_line_without_spaces():
    assert first_line(" cold\nexample") == "cold"
    assert first_line("\ncold") == ""
