"""Claims, in a real browser: a page draws, controls move it, its numbers are the record's, it asks for nothing."""

from __future__ import annotations

import csv
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser import curves, moved, opened, requested, said

from probe.pages import view_page
from probe.records import Record, load, with_dtypes

FIGURES = Path(__file__).parents[2] / "figures"
HOSTILE = "</script><script>window.taken=1</script><b>&{{7*7}}%{x}"
CONTEXTS = (0, 5, 10)
BLOCKS = 4


def layers(*models: str, steps: tuple[int, ...] = ()) -> Record:
    """A record of fit, whose errors tell where they stand."""
    names = [f"{model}-step-{step:06d}" for model in models for step in steps] if steps else list(models)
    rows: list[dict[str, Any]] = []
    for number, model in enumerate(names):
        for context in CONTEXTS:
            same = {"model": model, "context": context, "target": "y", "prompts": 64, "mse": 1.0}
            for head, worse in (("linear", 1.0), ("lens", 2.0)):
                for layer in range(BLOCKS + 1):
                    error = worse * (1 + number) * 0.3 ** (layer * context / 10)
                    band = {"error": error, "low": 0.97 * error, "high": 1.03 * error}
                    rows.append(same | band | {"head": head, "layer": layer, "depth": layer / BLOCKS})
            bounds = {"low": None, "high": None, "layer": None, "depth": None}
            rows.append(same | bounds | {"head": "least_squares", "error": 0.02 / (1 + context)})
    parts = list(range(1, BLOCKS + 2))
    about = {"blocks": BLOCKS, "cumulative_parameters": parts, "cumulative_flops": [part**2 for part in parts]}
    told = {name: about | ({"step": int(name[-6:])} if steps else {}) for name in names}
    provenance = {"kind": "fit", "config": {"task": "linear"}, "command": "probe fit --ckpt m.pt", "models": told}
    return Record(with_dtypes(pd.DataFrame(rows)), provenance)


def slim(name: str) -> Record:
    """A shipped record; of a claim, the evidence that has few pictures, since drawing all takes half a minute."""
    record = load(FIGURES / name)
    if record.provenance["kind"] != "claim":
        return record
    return replace(record, table=record.table[record.table["evidence"].isin(["curve", "nulls", "transfer"])])


@pytest.fixture(scope="module")
def page(folder: Path) -> Path:
    return view_page([layers("one", "two")]).save(folder / "page.html")


def table(browser: Any) -> list[list[str]]:
    """The cells of the table beneath the first chart."""
    script = (
        "return [...document.querySelectorAll('.turned tbody tr')].map((row) => [...row.cells].map((c) => c.innerText))"
    )
    return browser.execute_script(script)


def key(browser: Any, name: str) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    ActionChains(browser).send_keys(getattr(Keys, name)).perform()


def errors(record: Record, model: str, head: str, context: int) -> list[float]:
    rows = record.table
    chosen = (rows["model"] == model) & (rows["head"] == head) & (rows["context"] == context)
    return rows[chosen].sort_values("layer")["error"].tolist()


def test_it_draws_what_the_record_holds_and_the_slider_moves_every_curve(browser, page):
    opened(browser, page)
    record = layers("one", "two")
    for place, context in reversed(list(enumerate(CONTEXTS))):
        moved(browser, "context", place)
        drawn = curves(browser)
        assert set(drawn) == {f"{model}, {head}" for model in ("one", "two") for head in ("linear head", "lens")}
        for model in ("one", "two"):
            np.testing.assert_allclose(drawn[f"{model}, linear head"], errors(record, model, "linear", context))
            np.testing.assert_allclose(drawn[f"{model}, lens"], errors(record, model, "lens", context))


def test_a_shipped_record_is_shown_with_its_own_numbers(browser, folder):
    record = load(FIGURES / "fit-mamba-transformer-linear")
    opened(browser, view_page([record]).save(folder / "shipped.html"))
    np.testing.assert_array_equal(curves(browser)["mamba, linear head"], errors(record, "mamba", "linear", 15))
    rows = {(row[0], row[1], row[2]): row for row in table(browser)}
    before, after = errors(record, "mamba", "linear", 15)[5:7]
    row = rows["mamba", "linear head", "6"]
    assert [float(cell) for cell in row[5:7]] == [float(f"{before:.3g}"), float(f"{after:.3g}")]
    assert row[3] == f"block 6: {before:.3g} to {after:.3g}, the largest fall"
    assert row[4] == f"÷{before / after:.3g}"


def test_nothing_is_asked_for_from_outside_and_the_console_is_told_nothing(browser, page):
    said(browser), requested(browser)
    opened(browser, page)
    moved(browser, "context", 0)
    assert said(browser) == []
    assert requested(browser) == [page.as_uri()]


def test_what_would_be_loaded_or_evaluated_is_refused_by_the_page_itself(browser, page):
    opened(browser, page)
    attempts = {
        "fetch('https://example.invalid/').then(() => done('let in'), () => done('refused'))": "refused",
        # a text that is run later is run by the page, while the driver's own scripts may do what they like
        "setTimeout('window.evaluated = 1'); "
        "setTimeout(() => done(window.evaluated ? 'let in' : 'refused'), 200)": "refused",
        "const s = document.createElement('script'); s.textContent = 'window.taken = 1'; document.body.append(s); "
        "done(window.taken ? 'let in' : 'refused')": "refused",
    }
    for attempt, answer in attempts.items():
        assert browser.execute_async_script(f"const done = arguments[0]; {attempt}") == answer
    said(browser)


def test_a_click_on_the_map_moves_the_slider_and_the_curve(browser, page):
    opened(browser, page)
    before = curves(browser)["one, linear head"]
    browser.execute_script("document.querySelector('.map').emit('plotly_click', {points: [{x: 1, y: 1}]})")
    assert browser.execute_script("return document.querySelector('[data-column=context]').value") == "1"
    assert browser.execute_script("return document.querySelector('output').textContent") == str(CONTEXTS[1])
    assert curves(browser)["one, linear head"] != before


def test_a_mouse_on_the_map_finds_the_row_beneath_it(browser, page):
    from selenium.webdriver import ActionChains

    opened(browser, page)
    grid = browser.find_element("css selector", ".map .nsewdrag")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", grid)
    below = grid.size["height"] * 0.4
    ActionChains(browser).move_to_element_with_offset(grid, 0, int(below)).pause(0.2).click().perform()
    assert browser.execute_script("return document.querySelector('output').textContent") == str(CONTEXTS[0])


def test_a_mouse_on_a_point_tells_its_curve_its_value_and_its_band(browser, folder):
    from selenium.webdriver import ActionChains

    record = load(FIGURES / "fit-mamba-transformer-linear")
    opened(browser, view_page([record]).save(folder / "hover.html"))
    grid = browser.find_element("css selector", ".curves .nsewdrag")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", grid)
    script = """const chart = document.querySelector(".curves"), { xaxis, yaxis } = chart._fullLayout;
    const one = chart.data.find((curve) => curve.name === "mamba, linear head");
    return [xaxis.d2p(one.x[6]) - xaxis._length / 2, yaxis.d2p(one.y[6]) - yaxis._length / 2];"""
    right, below = browser.execute_script(script)
    ActionChains(browser).move_to_element_with_offset(grid, round(right), round(below)).pause(0.3).perform()
    words = browser.execute_script("return document.querySelector('.curves .hoverlayer').textContent")
    rows = record.table
    row = (
        rows[(rows["model"] == "mamba") & (rows["head"] == "linear") & (rows["context"] == 15)]
        .set_index("layer")
        .loc[6]
    )
    for told in ("mamba", "linear head", "6", *(f"{row[name]:.3g}" for name in ("error", "low", "high"))):
        assert told in words


def test_the_legend_switches_models_and_heads_and_the_table_follows(browser, page):
    opened(browser, page)
    for words in ("two", "lens"):
        browser.find_element("xpath", f"//div[@class='legend']/button[normalize-space()='{words}']").click()
    assert set(curves(browser)) == {"one, linear head"}
    assert {tuple(row[:2]) for row in table(browser)} == {("one", "linear head")}
    browser.find_element("xpath", "//div[@class='legend']/button[normalize-space()='two']").click()
    assert set(curves(browser)) == {"one, linear head", "two, linear head"}


def test_a_click_on_a_heading_sorts_the_table_by_numbers(browser, page):
    opened(browser, page)
    heading = "//div[@class='turned']//th/button[starts-with(normalize-space(), 'after')]"
    browser.find_element("xpath", heading).click()
    falling = [float(row[6]) for row in table(browser)]
    assert falling == sorted(falling, reverse=True)
    assert len(set(falling)) > 5
    browser.find_element("xpath", heading).click()
    assert [float(row[6]) for row in table(browser)] == sorted(falling)
    sorts = browser.execute_script("return [...document.querySelectorAll('.turned th')].map((h) => h.ariaSort)")
    assert sorts.count("ascending") == 1


def test_depth_is_laid_by_layers_blocks_parameters_or_flops_and_errors_on_either_scale(browser, page):
    opened(browser, page)
    at = "return [...document.querySelector('.curves').data.find((one) => one.name).x]"
    expected = [range(5), [n / 4 for n in range(5)], [n / 5 for n in range(1, 6)], [n**2 / 25 for n in range(1, 6)]]
    for place, places in enumerate(expected):
        moved(browser, "axis", place)
        np.testing.assert_allclose(browser.execute_script(at), list(places))
    kind = "return document.querySelector('.curves').layout.yaxis.type"
    assert browser.execute_script(kind) == "log"
    moved(browser, "scale", 2)
    assert browser.execute_script(kind) == "linear"


def test_kept_steps_of_a_training_are_one_model_with_a_slider(browser, folder):
    record = layers("m", steps=(0, 50, 100))
    opened(browser, view_page([record]).save(folder / "steps.html"))
    for place, step in enumerate((0, 50, 100)):
        moved(browser, "step", place)
        drawn = curves(browser)
        assert set(drawn) == {"m, linear head", "m, lens"} or set(drawn) == {"linear head", "lens"}
        np.testing.assert_allclose(drawn["m, linear head"], errors(record, f"m-step-{step:06d}", "linear", 10))


def test_every_control_is_reached_and_moved_by_keyboard(browser, page):
    opened(browser, page)
    reached = []
    for _ in range(40):
        key(browser, "TAB")
        reached.append(
            browser.execute_script("const a = document.activeElement; return a.dataset.column || a.innerText")
        )
    assert {"context", "axis", "scale", "map", "one", "lens", "CSV", "Copy"} <= {words.strip() for words in reached}
    browser.find_element("css selector", "[data-column=context]").send_keys("")
    browser.execute_script("document.querySelector('[data-column=context]').focus()")
    before = curves(browser)
    key(browser, "ARROW_LEFT")
    assert browser.execute_script("return document.activeElement.ariaValueText") == str(CONTEXTS[1])
    assert curves(browser) != before
    browser.execute_script("document.querySelector('.legend button').focus()")
    key(browser, "SPACE")
    assert browser.execute_script("return document.activeElement.ariaPressed") == "false"
    outline = browser.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "what has the focus is seen to have it"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280, 2560])
def test_it_fits_telephones_and_walls_and_its_words_stand_out_from_the_ground(browser, folder, width, dark):
    records = [layers("one", "a-model-of-a-rather-long-name-with-version-2.11"), slim("claim-mamba")]
    path = folder / "both.html"
    opened(browser, path if path.exists() else view_page(records).save(path), width, dark)
    wide, seen = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert wide <= seen == width
    ink, ground = browser.execute_script(
        "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]"
    )
    assert contrast(ink, ground) > 7
    paper = browser.execute_script("return document.querySelector('.curves').layout.paper_bgcolor")
    assert (paper == "#ffffff" or paper == "#fff") is not dark


def contrast(*colours: str) -> float:
    """The contrast of two colours as the Web Content Accessibility Guidelines 2.1 define it."""
    shades = []
    for colour in colours:
        parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        shades.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(shades) + 0.05) / (min(shades) + 0.05)


def test_what_strangers_wrote_is_text_in_the_page_in_its_script_and_in_its_chart(browser, folder):
    record = layers(HOSTILE)
    record.provenance["command"] = HOSTILE
    record.provenance["config"] = {"task": HOSTILE}
    said(browser)
    opened(browser, view_page([record], [f"{HOSTILE}.csv"]).save(folder / "hostile.html"))
    assert browser.execute_script("return window.taken") is None
    assert said(browser) == []
    assert HOSTILE[:30] in browser.execute_script("return document.querySelector('.turned td').textContent")
    assert HOSTILE in browser.execute_script("return document.querySelector('.command pre').textContent")
    assert browser.execute_script("return document.querySelectorAll('b, main script').length") == 0


def test_pictures_and_numbers_are_taken_away(browser, folder, page):
    opened(browser, page)
    for words in ("PNG", "SVG", "map SVG", "CSV"):
        browser.find_element("css selector", f"[data-download='{words}']").click()
    names = [folder / f"probe-error-by-layer{end}" for end in (".png", ".svg", "-map.svg", ".csv")]
    waited = time.monotonic() + 60
    while not all(name.is_file() for name in names) and time.monotonic() < waited:
        time.sleep(0.1)
    assert names[0].read_bytes().startswith(b"\x89PNG")
    drawn = names[1].read_text()
    for words in ("task linear; one, two; 64 prompts", "examples in context: 10", "one, linear head", "Error by layer"):
        assert words in drawn, words
    assert "one, linear head" in names[2].read_text()
    with names[3].open() as file:
        rows = list(csv.DictReader(file))
    found = [
        float(row["value"]) for row in rows if (row["series"], row["line"], row["context"]) == ("one", "lens", "5")
    ]
    assert found == errors(layers("one"), "one", "lens", 5)


KINDS = (
    "fit-mamba-transformer-linear", "evaluate-skewed_linear-500", "compare-seeds", "claim-transformer",
    "mamba-training", "language-smollm2-135m", "language-lens-smollm2-135m", "park-recall-mqar",
)  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_record_is_drawn_with_nothing_to_complain_of(browser, folder, name):
    said(browser), requested(browser)
    path = view_page([slim(name)]).save(folder / f"kind-{name}.html")
    opened(browser, path)
    assert said(browser) == []
    assert requested(browser) == [path.as_uri()]
    charts = (
        "return [...document.querySelectorAll('.curves')].map((one) => one.querySelectorAll('path.js-line').length)"
    )
    drawn = browser.execute_script(charts)
    assert drawn
    assert all(count > 0 for count in drawn)
