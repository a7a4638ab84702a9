"""Claims: a row of evidence has the columns of its record, in their order."""

from probe.evidence.rows import row
from probe.records import EVIDENCE_COLUMNS


def test_a_row_has_the_columns_of_its_record():
    found = row("m", "trend", "slope", -0.5, -0.6, -0.4, layer=3, prompts=64)
    assert list(found) == EVIDENCE_COLUMNS
    assert (found["value"], found["low"], found["high"], found["layer"], found["prompts"]) == (-0.5, -0.6, -0.4, 3, 64)
