"""Claims: a page is drawn of every kind of record, from records alone; its policy names its scripts and no other."""

import base64
import hashlib
import html
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from markupsafe import Markup

import probe
from probe.cli import main
from probe.errors import ProbeError
from probe.pages import SECTIONS, Chart, Page, Section, Value, view_page
from probe.pages.chart import EVERY, Axis, Facet
from probe.pages.health import health_section
from probe.pages.layers import layer_section
from probe.plots import PICTURES
from probe.records import Record, load, save

FIGURES = Path(__file__).parents[2] / "figures"
FIT = FIGURES / "fit-mamba-transformer-linear.csv"


@pytest.fixture(scope="module")
def page() -> str:
    return view_page([load(FIT)], [str(FIT)]).content.decode()


def numbers(page: str) -> dict:
    """What the page's script is given."""
    return json.loads(re.search(r'id="numbers">(.*?)</script>', page, re.DOTALL).group(1))


def rows(chart: dict) -> pd.DataFrame:
    """A chart's rows with names in place of codes."""
    table = pd.DataFrame(chart["rows"])
    for name in ("series", "line"):
        labels = chart["series"] if name == "series" else [line["label"] for line in chart["lines"]]
        table[name] = [None if code == EVERY else labels[code] for code in table[name]]
    for facet in chart["facets"]:
        table[facet["column"]] = [None if code == EVERY else facet["words"][code] for code in table[facet["column"]]]
    return table


def test_a_chart_holds_every_error_of_the_record_to_the_last_digit(page):
    record = load(FIT).table
    (chart,) = numbers(page)["charts"]
    drawn = rows(chart)
    for model in ("mamba", "transformer"):
        for head, label in (("linear", "linear head"), ("lens", "lens")):
            for context in (0, 7, 15):
                own = record[(record["model"] == model) & (record["head"] == head) & (record["context"] == context)]
                of = (drawn["series"] == model) & (drawn["line"] == label) & (drawn["context"] == str(context))
                shown = drawn[of].sort_values("x")
                for name, column in (("y", "error"), ("low", "low"), ("high", "high")):
                    assert shown[name].tolist() == own.sort_values("layer")[column].tolist()


def test_what_all_models_agree_on_stands_once_and_under_none(page):
    (chart,) = numbers(page)["charts"]
    levels = rows(chart)
    levels = levels[levels["x"].isna()]
    assert set(levels["line"]) == {"chance", "least squares"}
    assert levels.loc[levels["line"] == "chance", "series"].isna().all()
    assert len(levels[levels["line"] == "chance"]) == 16


def test_the_policy_lets_in_the_scripts_that_the_page_holds_and_nothing_from_elsewhere(page):
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1))
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 2
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert parts["script-src"] == " ".join(f"'sha256-{one}'" for one in hashes)
    assert parts["default-src"] == "'none'"
    assert set(parts) == {"default-src", "script-src", "style-src", "img-src", "base-uri", "form-action"}
    assert "unsafe-eval" not in policy
    assert "http" not in policy


def test_the_same_records_give_the_same_bytes(page):
    assert view_page([load(FIT)], [str(FIT)]).content.decode() == page


def test_commands_that_measure_and_draw_again_stand_on_the_page(page):
    commands = [html.unescape(line) for line in re.findall(r'<pre tabindex="0">(probe .*?)</pre>', page)]
    assert commands == [
        "probe fit --ckpt mamba.pt transformer.pt --task linear",
        f"probe view {FIT} --out page.html",
    ]


def test_every_kind_of_record_that_has_a_picture_has_a_page():
    drawn = {kind for kind, pictures in PICTURES.items() if pictures}
    assert set(SECTIONS) == drawn


def test_a_kind_of_ones_own_is_one_entry_more(monkeypatch):
    def section(records):
        table = pd.DataFrame({"series": ["a"], "line": ["b"], "x": [1.0], "y": [0.25], "low": [0.2], "high": [0.3]})
        chart = Chart("Mine", "about mine", table, (Axis("x", "x"),), Value("value", log=False))
        return Section("Own", [chart], after=Markup("<p>beneath</p>"))

    monkeypatch.setitem(SECTIONS, "own", section)
    drawn = view_page([Record(pd.DataFrame(), {"kind": "own"})]).content.decode()
    assert numbers(drawn)["charts"][0]["rows"]["y"] == [0.25]
    assert "<p>beneath</p>" in drawn


def test_records_of_a_kind_are_laid_over_one_another_and_kinds_follow():
    names = ("open-shift-0", "open-shift-1", "mamba-training")
    drawn = numbers(view_page([load(FIGURES / name) for name in names]).content.decode())
    assert [chart["title"] for chart in drawn["charts"]] == ["Error by layer", "Training"]
    assert len(drawn["charts"][0]["series"]) == 4
    assert len(set(drawn["charts"][0]["series"])) == 4, "two records of one name are told apart"


def test_kept_steps_are_one_series_with_a_slider_over_steps():
    (chart,) = [chart.plain() for chart in layer_section([load(FIGURES / "through-layers")]).charts]
    assert chart["series"] == ["through-mamba", "through-transformer"]
    assert chart["mapped"] == "step"
    steps = next(facet for facet in chart["facets"] if facet["column"] == "step")
    assert steps["slider"]
    assert steps["words"][:3] == ["0", "25", "50"]


def test_a_facet_of_numbers_is_ordered_by_size():
    table = pd.DataFrame({"series": "m", "line": "own", "x": [0, 0, 0], "y": [1, 2, 3], "low": None, "high": None})
    chart = Chart("t", "a", table.assign(context=[15, 2, 7]), (Axis("x", "x"),), Value("v"), (Facet("context", "c"),))
    assert chart.plain()["facets"][0]["words"] == ["2", "7", "15"]
    assert chart.plain()["rows"]["context"] == [2, 0, 1]


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ([], "No record was given"),
        ([Record(pd.DataFrame({"model": ["m"]}), {"kind": "fit"})], "Give the .csv of probe fit"),
        ([Record(pd.DataFrame({"model": ["m"]}), {"kind": "compare"})], "Give the .csv of probe compare"),
        ([Record(pd.DataFrame({"model": ["m"]}), {"kind": "language"})], "Give the .csv of probe evaluate"),
    ],
)
def test_what_no_page_is_drawn_of_is_said_in_a_sentence(found, sentence):
    with pytest.raises(ProbeError, match=re.escape(sentence)):
        view_page(found)


def test_a_record_without_a_chart_is_shown_by_its_rows_and_its_texts_are_harmless():
    table = pd.DataFrame({"what": ["<b>a</b>", "b"], "value": [0.123456, float("nan")], "n": [3, 4]})
    page = view_page([Record(table, {"kind": "of <i>mine</i>"})]).content.decode()
    assert "<td>0.123</td>" in page and "<td>4</td>" in page and "2 rows" in page
    assert "<b>a</b>" not in page and "<i>mine</i>" not in page
    assert "<script" not in page
    many = view_page([Record(pd.DataFrame({"n": range(5000)}), {})]).content.decode()
    assert "the first 1,000 of 5,000 rows" in many and many.count("<td>") < 1100


@pytest.mark.parametrize("kind", sorted({json.loads(one.read_text())["kind"] for one in FIGURES.glob("*.json")}))
def test_every_kind_of_shipped_record_has_a_page(kind):
    of = [one for one in sorted(FIGURES.glob("*.json")) if json.loads(one.read_text())["kind"] == kind]
    smallest = min(of, key=lambda one: one.with_suffix(".csv").stat().st_size)
    record = load(smallest.with_suffix(""))
    if kind == "claim":  # whose pictures take half a minute
        record = replace(record, table=record.table[record.table["evidence"].isin(["curve", "nulls", "transfer"])])
    assert view_page([record]).content.startswith(b"<!doctype html>")


def test_what_no_command_writes_is_refused_and_told():
    record = load(FIT)
    record.provenance["models"] = {"mamba": {"blocks": [8]}}
    with pytest.raises(ProbeError, match="holds what no command writes"):
        view_page([record])


def test_a_page_is_written_beside_its_record_or_where_it_is_told(tmp_path, capsys):
    csv, _ = save(load(FIT), tmp_path / "a")
    assert main(["view", str(csv)]) == 0
    assert capsys.readouterr().out == f"wrote {tmp_path / 'a.html'}\n"
    assert main(["view", str(csv), "--out", str(tmp_path / "b.html"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"wrote": [str(tmp_path / "b.html")]}
    assert (tmp_path / "a.html").read_bytes()[:15] == (tmp_path / "b.html").read_bytes()[:15] == b"<!doctype html>"
    assert main(["view", str(csv), "--out", str(tmp_path / "b.png")]) == 2
    assert "a page is an .html file. Name it so." in capsys.readouterr().err


def test_in_python_a_page_is_an_object_that_is_saved_or_shown(tmp_path):
    result = probe.load(FIT)
    page = result.view()
    assert isinstance(page, Page)
    path = page.save(tmp_path / "page.html")
    assert path.read_bytes() == page.content
    with pytest.raises(ProbeError, match="is there already"):
        page.save(path)
    with pytest.raises(ProbeError, match="Name it so"):
        page.save(tmp_path / "page.pdf")
    assert page._repr_html_().startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert probe.view([result]).content == page.content
    assert probe.view(str(FIT)).path is None


def test_a_page_is_made_without_torch():
    program = (
        "import sys; from probe.records import load; from probe.pages import view_page; "
        f"view_page([load({str(FIT)!r})]); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_beliefs_have_a_picture_a_layer_and_model_the_last_layer_first():
    rows = [
        {"model": model, "layer": layer, "prompt": prompt}
        | {f"{kind}_{state}": (0.2, 0.3, 0.5)[state] for kind in ("true", "predicted") for state in range(3)}
        for model, layer in (("m", 0), ("m", 2), ("n", 2))
        for prompt in range(4)
    ]
    drawn = view_page([Record(pd.DataFrame(rows), {"kind": "beliefs", "models": {"m": {}, "n": {}}})]).content.decode()
    assert re.findall(r"<figcaption>(.*?)</figcaption>", drawn) == ["m, layer 2", "n, layer 2", "m, layer 0"]
    assert drawn.count("data:image/png;base64,") == 3
    with pytest.raises(ProbeError, match="Give a record of beliefs"):
        view_page([Record(pd.DataFrame({"model": ["m"]}), {"kind": "beliefs", "models": {"m": {}}})])


def test_a_sites_health_has_a_line_a_layer_and_the_models_own_beside_them():
    measured = (("state", 1, "norm"), ("state", 2, "norm"), ("state", 1, "frozen"), (None, None, "answer"))
    rows = [
        {"model": "m", "site": site, "layer": layer, "context": context, "metric": metric, "target": "y"}
        | {"value": 0.5, "low": 0.4, "high": 0.6, "prompts": 8}
        for site, layer, metric in measured
        for context in (4, 8)
    ]
    (chart,) = health_section([Record(pd.DataFrame(rows), {"kind": "health", "models": {"m": {}}})]).charts
    assert set(chart.lines) == {"layer 1", "layer 2", "the model itself"}
    assert len(chart.table) == 8
    with pytest.raises(ProbeError, match="A record without measures by length"):
        health_section([Record(pd.DataFrame({"model": ["m"]}), {"kind": "health", "models": {"m": {}}})])
