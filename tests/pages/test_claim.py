"""Claims: a claim's page lays criteria beside pictures, in the order of the rungs, and escapes what it is told."""

import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from probe.errors import ProbeError
from probe.evidence.criteria import RULES
from probe.evidence.families import FAMILIES
from probe.evidence.rows import row
from probe.evidence.verdict import CLAIMED as CLAIMED_RUNGS
from probe.evidence.verdict import RUNGS
from probe.pages import view_page
from probe.pages.claim import BESIDE, CLAIMED, LADDER, claim_section
from probe.pages.evidence import PICTURES
from probe.plots.glossary import GLOSSARY
from probe.records import Record, with_dtypes

HOSTILE = "<script>x</script>\x1b[2J"


def criterion(name: str, rung: str, outcome: str = "holds", **more) -> dict:
    told = {"question": "Does it?", "threshold": "At least 1.", "excludes": "an impostor", "seen": f"seen of {name}"}
    return told | {"name": name, "rung": rung, "outcome": outcome, "tested": True} | more


def about(name: str = "mamba") -> dict:
    return {"arch": name, "blocks": 4, "layout": "M4", "width": 8, "dim": 3, "block": "adds", "context": 9}


def told(**more) -> dict:
    return {
        "verdict": "Supported: yes.",
        "supported": True,
        "outcome": "supported",
        "rung": "used",
        "rungs": [{"name": name, "says": says, "outcome": "holds"} for name, says in RUNGS.items()],
        "against": "closed loop fails: nothing is taken back",
        "along_the_sequence": "undecided",
        "criteria": [
            criterion("lens", "shown", "fails"),
            criterion("closed loop", "closed loop", "fails"),
            criterion("used by later blocks", "used"),
            criterion("beyond one fixed function", "decodable", "undecided", tested=False, seen="Add --control."),
            criterion("gradual fall", "decodable"),
        ],
        "not_tested": {"states": "It has none."},
        "notes": [],
        "warnings": ["gamma lies at an edge."],
    } | more


def record(**more) -> Record:
    provenance = {
        "kind": "claim",
        "command": "probe claim --ckpt m.pt --task linear",
        "config": {"task": "linear", "context": None},
        "versions": {},
        "models": {"m": about()},
        "errs": [
            {"criterion": "verdict", "iterating": 15, "sensitivity": 0.67, "wrongly_fails": 0.0}
            | {"impostors": 6, "specificity": 1.0, "wrongly_holds": float("nan")}
        ],
    }
    return Record(table("m"), provenance | told() | more)


def table(*models: str) -> pd.DataFrame:
    rows = []
    for model in models:
        for layer in range(5):
            rows.append(row(model, "curve", "error", 0.5**layer, 0.4**layer, 0.6**layer, head="linear", layer=layer))
            rows += [
                row(model, "loop", metric, 0.2 * layer, site="exchanged at query", head=head, layer=layer)
                for metric, head in (("kept", "read"), ("share", "model"), ("known", "model"))
            ]
            rows += [
                row(model, "causes", metric, 0.2 * layer, site="counterfactual:head", head="linear", layer=layer)
                for metric in ("completeness", "selectivity", "reliability")
            ]
    return with_dtypes(pd.DataFrame(rows))


def page(found: Record) -> str:
    return view_page([found]).content.decode()


class Outline(HTMLParser):
    """The headings and pictures of a page in their order, and where each of its links leads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.open = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        of = dict(attrs)
        self.ids |= {of["id"]} if of.get("id") else set()
        self.links += [of["href"]] if tag == "a" else []
        if tag in ("h1", "h2", "h3", "h4"):
            self.open = tag
            self.found.append("")
        if tag == "img":
            self.found.append("picture")

    def handle_endtag(self, tag):
        self.open = "" if tag == self.open else self.open

    def handle_data(self, data):
        if self.open:
            self.found[-1] += data


def test_criteria_stand_in_the_order_of_the_rungs_each_beside_its_picture():
    outline = Outline(page(record()))
    start = outline.found.index("Criteria")
    assert outline.found[start + 1 : start + 15] == [
        *("decodable", "beyond one fixed function: not tested", "picture", "gradual fall: holds"),
        *("used", "used by later blocks: holds", "picture", "picture"),
        *("closed loop", "closed loop: fails", "picture", "shown, and deciding nothing", "lens: fails"),
        "Not tested",
    ]
    assert len(outline.links) == 2, "two criteria share a picture with one before"
    assert page(record()).count("Its picture stands beside beyond one fixed function") == 2
    assert {link.removeprefix("#") for link in outline.links} <= outline.ids


def test_the_ladder_stands_first_with_what_is_against_the_next_rung():
    text = page(record())
    ladder = text[text.index("<ol") : text.index("</ol>")]
    classes = re.findall(r'<li class="([^"]*)"><b>([^<]*)', ladder)
    assert [name for _, name in classes] == list(RUNGS)
    assert [name for looks, name in classes if "reached" in looks] == ["decodable", "used"]
    assert "Against the next rung:</b> closed loop fails: nothing is taken back" in text
    assert text.index("<ol") < text.index("<h2>Criteria")


def test_all_that_decides_is_told():
    text = page(record())
    for words in ("seen of gradual fall", "At least 1.", "an impostor", "It has none.", "Add --control.", "at an edge"):
        assert words in text
    assert "<td>67%</td><td>0%</td>" in re.sub(r"\s*\n\s*", "", text)
    for term in ("SPD", "ILWD", "GD++, gd_plus_plus", "LSQ", "R2", "read-in"):
        assert f"<dt>{term}</dt>" in text


def test_what_strangers_wrote_is_escaped_wherever_it_stands():
    criteria = [criterion(HOSTILE, "used", HOSTILE, seen=HOSTILE, excludes=HOSTILE)]
    hostile = record(
        verdict=HOSTILE,
        against=HOSTILE,
        rung=HOSTILE,
        rungs=[{"name": HOSTILE, "says": HOSTILE, "outcome": HOSTILE}],
        criteria=criteria,
        not_tested={HOSTILE: HOSTILE},
        notes=[HOSTILE],
        along_the_sequence=HOSTILE,
        errs=[
            {"criterion": HOSTILE, "iterating": HOSTILE, "sensitivity": HOSTILE, "wrongly_fails": 0.0}
            | {"impostors": 6, "specificity": 1.0, "wrongly_holds": 0.0}
        ],
        models={"m": about(HOSTILE)},
        config={"task": HOSTILE, "context": None},
    )
    text = page(hostile)
    assert HOSTILE[:9] not in text
    assert "\x1b" not in text
    assert text.count("&lt;script&gt;") >= 14
    assert text.count("<script") == 3, "the numbers, the library and our own"


def test_a_page_needs_nothing_from_elsewhere_and_reads_on_a_telephone_and_in_the_dark():
    text = re.sub("<script.*?</script>", "", page(record()), flags=re.DOTALL)
    assert "http" not in text.replace("http-equiv", "")
    assert text.count("data:image/png;base64,") == text.count("<img") == 4
    assert 'content="width=device-width, initial-scale=1"' in text
    assert "prefers-color-scheme: dark" in text
    for wide in ("<table", "<img"):
        before = [text[: found.start()] for found in re.finditer(wide, text)]
        assert all(re.search(r'<div class="(scroll|paper)"[^>]*>$', each.rstrip()) for each in before), wide


def test_a_record_from_before_the_rungs_is_drawn():
    old = record()
    for name in ("rung", "rungs", "outcome", "against", "along_the_sequence", "errs", "notes", "warnings"):
        old.provenance.pop(name)
    keys = ("name", "question", "threshold", "seen", "outcome")
    old.provenance["criteria"] = [{key: one[key] for key in keys} for one in old.provenance["criteria"]]
    outline = Outline(page(old))
    assert "gradual fall: holds" in outline.found
    assert outline.found.count("picture") == 4


def test_every_criterion_that_is_judged_has_its_place_and_every_picture_a_criterion_that_there_is():
    names = {rule.name for rule in RULES}
    assert {rule.rung for rule in RULES} <= {*LADDER, *BESIDE}
    assert tuple(RUNGS) == LADDER
    assert CLAIMED_RUNGS[-1] == CLAIMED
    beside = [name for picture in PICTURES for name in picture.criteria]
    assert set(beside) <= names
    assert len(set(beside)) == len(beside) - 1, "only what is used has two pictures"


def test_every_family_and_online_learner_that_a_criterion_may_name_is_among_the_words():
    words = " ".join(f"{term} {meaning}" for term, meaning in GLOSSARY.items())
    for name in (*(family.name for family in FAMILIES.values()), "normalised_lms", "delta_rule"):
        assert name.removesuffix("_per_block") in words, name


def test_every_claim_on_a_page_has_a_section_of_its_own():
    outline = Outline(view_page([record(), record(config={"task": "other", "context": None})]).content.decode())
    assert [words for words in outline.found if words.startswith("Does m improve")] == [
        f"Does m improve an internal answer step by step on {task}?" for task in ("linear", "other")
    ]
    with pytest.raises(ProbeError, match="one of probe claim"):
        claim_section([record(), record()])
