"""The page of a claim: what it amounts to, every criterion beside its picture, drawn from the record alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from markupsafe import Markup

from probe import text
from probe.errors import ProbeError
from probe.pages.claim_curves import curve_charts
from probe.pages.evidence import PICTURES
from probe.pages.evidence import drawn as drawn_picture
from probe.pages.section import Section, cleaned, filled
from probe.plots import style
from probe.plots.glossary import GLOSSARY
from probe.records import Record, with_dtypes

OUTCOMES = ("holds", "fails", "undecided")
LADDER = ("decodable", "used", "closed loop", "one map", "named family")
"""The rungs, from the ground up."""
CLAIMED = "closed loop"
"""The rung from which on the claim is supported."""
BESIDE = {
    "over time": "another way to iterate: from token to token",
    "shown": "shown, and deciding nothing",
    "": "criteria",
}
"""Criteria that are on no rung, by what they are for; those of records without rungs are last."""


def claim_section(records: Sequence[Record]) -> Section:
    """Returns a section of one claim: what it amounts to, the layer curves, every criterion beside its picture.

    Raises:
        ProbeError: if several records were given, or one that is not of probe claim.
    """
    if len(records) != 1 or records[0].provenance.get("kind") != "claim":
        raise ProbeError(f"{len(records)} records were given, but a page of a claim needs one of probe claim. "
                         "Draw each apart.")  # fmt: skip
    (record,) = records
    found = record.provenance
    models = [_model(record, str(name), place) for place, name in enumerate(found["models"])]
    told = {"models": models, "verdict": found["verdict"], "badge": _badge}
    return Section(
        title=_title([one["name"] for one in models], str(found["config"]["task"])),
        charts=curve_charts(record),
        before=filled("claim-verdict.html", **told),
        after=filled("claim.html", **told, errs=found.get("errs") or [], share=_share, glossary=GLOSSARY),
    )


def _title(names: Sequence[str], task: str) -> str:
    if len(names) == 1:
        return f"Does {names[0]} improve an internal answer step by step on {task}?"
    return f"Do {len(names)} checkpoints improve an internal answer step by step on {task}?"


def _badge(state: str, said: str) -> Markup:
    """Returns an outcome in its colour, with a sign that does not depend on it."""
    look = state if state in ("holds", "fails") else "undecided"
    return Markup('<span class="badge {}">{}</span>').format(look, text.terminal(said))


def _model(record: Record, name: str, place: int) -> dict[str, Any]:
    """Returns what the page says of one model."""
    table, found = with_dtypes(record.table), record.provenance
    about, config = found["models"][name], found["config"]
    told = found["verdicts"][name] if "verdicts" in found else found
    own = replace(record, table=table[table["model"] == name])
    drawn = {
        number: one for number, each in enumerate(PICTURES) if (one := drawn_picture(each, own, f"{place}-{number}"))
    }
    return {
        "name": name,
        "verdict": told["verdict"],
        "about": f"{about['arch']}, {style.count(about['blocks'], 'block')} ({about['layout']}), width "
        f"{about['width']}, {style.count(about['dim'], 'dimension')}; {about['block']}.",
        "context": about["context"] if config["context"] is None else config["context"],
        "rung": told.get("rung", ""),
        "outcome": told.get("outcome") or ("supported" if told.get("supported") else "not supported"),
        "against": told.get("against", ""),
        "over_time": told.get("along_the_sequence", ""),
        "ladder": _ladder(told),
        "counts": {outcome: sum(one["outcome"] == outcome for one in told["criteria"]) for outcome in OUTCOMES},
        "groups": _groups(told, drawn),
        "pictures": [one for number, one in drawn.items() if not PICTURES[number].criteria],
        "missing": told["not_tested"] | {one["name"]: one["seen"] for one in told["criteria"] if _untested(one)},
        "notes": [*(told.get("notes") or []), *(told.get("warnings") or [])],
        "tables": [_table(str(kind), rows) for kind, rows in own.table.groupby("evidence", sort=False)],
    }


def _ladder(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the rungs, each with what it says and its outcome; none of a record that knows of none."""
    reached = LADDER.index(told["rung"]) + 1 if told.get("rung") in LADDER else 0
    return [
        one | {"reached": place < reached, "claimed": one["name"] == CLAIMED}
        for place, one in enumerate(told.get("rungs") or [])
    ]


def _groups(told: Mapping[str, Any], drawn: Mapping[int, dict[str, str]]) -> list[dict[str, Any]]:
    """Returns the criteria by rung, in the order of the rungs, each with the picture that it belongs to."""
    says = {one["name"]: one["says"] for one in told.get("rungs") or []}
    groups = []
    shown: dict[str, str] = {}
    for rung in (*LADDER, *BESIDE):
        criteria = [one for one in told["criteria"] if one.get("rung", "") == rung]
        if not criteria:
            continue
        cards = [_card(one, drawn, shown) for one in criteria]
        groups.append({"title": BESIDE.get(rung) or rung, "says": says.get(rung, ""), "criteria": cards})
    return groups


def _card(criterion: Mapping[str, Any], drawn: Mapping[int, dict[str, str]], shown: dict[str, str]) -> dict[str, Any]:
    """Returns what the page says of a criterion; a picture that stands beside another one already is linked to.

    Args:
        shown: by the id of a picture that is shown, the criterion that it stands beside.
    """
    name = criterion["name"]
    pictures = [one for number, one in drawn.items() if name in PICTURES[number].criteria]
    for one in pictures:
        shown.setdefault(one["id"], name)
    untested = _untested(criterion)
    outcome = criterion["outcome"] if criterion["outcome"] in OUTCOMES else "undecided"
    return {
        **criterion,
        "excludes": criterion.get("excludes", ""),
        "state": "undecided" if untested else outcome,
        "said": "not tested" if untested else criterion["outcome"],
        "pictures": [one for one in pictures if shown[one["id"]] == name],
        "links": {one["id"]: shown[one["id"]] for one in pictures if shown[one["id"]] != name},
    }


def _untested(criterion: Mapping[str, Any]) -> bool:
    return not criterion.get("tested", True)


def _share(value: Any) -> str:
    return f"{value:.0%}" if isinstance(value, (int, float)) and value == value else ""


def _table(name: str, rows: pd.DataFrame) -> dict[str, Any]:
    filled = rows.drop(columns=["model", "evidence"]).dropna(axis=1, how="all")
    words = filled.select_dtypes(exclude="number")
    filled = filled.assign(**{str(column): words[column].map(cleaned) for column in words})
    html = filled.to_html(index=False, border=0, na_rep="", float_format=lambda number: f"{number:.4g}")
    return {"name": name, "count": len(rows), "html": Markup(html)}
