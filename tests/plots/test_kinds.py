"""Claims: a record's picture is its own unless asked for another that suits it; what does not suit it is refused."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from shipped import HOLDS, SHIPPED

from probe.errors import ProbeError
from probe.plots import KINDS, PICTURES, View, choose_kind, rendered
from probe.records import Record, load


def of(kind: str | None) -> Record:
    return Record(pd.DataFrame({"model": ["m"]}), {} if kind is None else {"kind": kind})


EVIDENCE = {
    "claim-completeness": "causes",
    "claim-loop": "loop",
    "claim-spectral": "spectral",
    "claim-map": "map",
    "claim-online": "online",
}
"""Pictures of one kind of evidence, which a record may lack."""
FIGURES = Path(__file__).parents[2] / "figures"


def test_every_kind_of_picture_suits_a_kind_of_record():
    assert sorted(name for names in PICTURES.values() for name in names) == sorted(KINDS)


@pytest.mark.parametrize(("kind", "fitting"), [(kind, list(names)) for kind, names in PICTURES.items() if names])
def test_the_usual_picture_is_drawn_unless_another_that_fits_is_asked_for(kind, fitting):
    assert choose_kind([of(kind)]) == fitting[0]
    for name in fitting:
        assert choose_kind([of(kind), of(kind)], name) == name
    with pytest.raises(ProbeError, match=f"what suits it is {', '.join(fitting)}"):
        choose_kind([of(kind)], next(name for name in KINDS if name not in fitting))


@pytest.mark.parametrize("kind", [kind for of, kinds in PICTURES.items() if of in SHIPPED for kind in kinds])
def test_every_picture_of_a_shipped_record_is_drawn(kind):
    of = next(of for of, kinds in PICTURES.items() if kind in kinds)
    figure = KINDS[kind]([load(FIGURES / HOLDS.get(kind, SHIPPED[of]))], View())
    assert all(axes.get_xlabel() or axes.get_ylabel() or not axes.axison for axes in figure.axes)
    assert rendered(figure, FIGURES / "unwritten.png").startswith(b"\x89PNG")


@pytest.mark.parametrize(("kind", "evidence"), list(EVIDENCE.items()))
def test_a_picture_of_evidence_that_a_record_lacks_is_refused(kind, evidence):
    whole = load(FIGURES / SHIPPED["claim"])
    record = replace(whole, table=whole.table[whole.table["evidence"] != evidence])
    with pytest.raises(ProbeError, match=f"no rows of {evidence}"):
        KINDS[kind]([record], View())


@pytest.mark.parametrize(
    ("records", "asked", "said"),
    [
        ([of("sweep")], "auto", "there is no picture of it"),
        ([of("fit"), of("claim")], "auto", "Records of fit, claim were given"),
        ([of(None)], "auto", "Add --kind"),
        ([of("song")], "auto", "'song'"),
    ],
)
def test_what_has_no_picture_is_said(records, asked, said):
    with pytest.raises(ProbeError, match=said):
        choose_kind(records, asked)


def test_a_record_that_tells_no_kind_is_drawn_as_asked():
    assert choose_kind([of(None)], "heatmap") == "heatmap"
