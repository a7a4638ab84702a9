"""Claims, in a real browser: at the width of a telephone and of a wall, what is looked for is seen and told apart."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browser import chromium, opened

from probe.pages import view_page
from probe.plots import style
from probe.records import load

FIGURES = Path(__file__).parents[2] / "figures"
TELEPHONE, WALL = 390, 2560
HYBRIDS, SEEDS, LANGUAGE = "park-hybrids-layers", "compare-seeds", "language-smollm2-135m"
BELIEFS, CLAIM = "belief-simplex", "claim-transformer"
FEW_PICTURES = ["curve", "nulls", "transfer"]
"""Evidence of a claim whose pictures are drawn soon."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("browser")) as one:
        yield one


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages of shipped records, by name."""
    folder = tmp_path_factory.mktemp("widths")
    records = {name: load(FIGURES / name) for name in (HYBRIDS, SEEDS, LANGUAGE, BELIEFS, CLAIM)}
    claim = records[CLAIM]
    records[CLAIM] = replace(claim, table=claim.table[claim.table["evidence"].isin(FEW_PICTURES)])
    return {name: view_page([record]).save(folder / f"{name}.html") for name, record in records.items()}


def boxes(browser: Any, what: str) -> list[dict[str, float]]:
    """Where the elements of a selector lie on the page."""
    script = """return [...document.querySelectorAll(arguments[0])].map((one) => {
        const box = one.getBoundingClientRect();
        return {left: box.left, right: box.right, top: box.top + scrollY, width: box.width, natural: one.naturalWidth};
    })"""
    return browser.execute_script(script, what)


def test_every_model_of_a_chart_has_a_colour_of_its_own_and_a_sentence(browser, pages):
    opened(browser, pages[HYBRIDS], WALL)
    lines = """return document.querySelector('.curves').data.filter((one) => one.name?.endsWith('linear head'))
        .map((one) => one.line.color)"""
    colours = browser.execute_script(lines)
    assert len(colours) == len(set(colours)) == 8
    told = browser.execute_script("return [...document.querySelectorAll('.said p')].map((one) => one.innerText)")
    assert len([words for words in told if "the largest fall" in words]) == 8


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_curve_and_its_sample_in_the_legend_stand_out_from_the_ground(browser, pages, dark):
    opened(browser, pages[HYBRIDS], dark=dark)
    ground, hues = browser.execute_script("return [theme().ground, COLOURS.map((one, n) => hue(n, theme()))]")
    assert min(contrast(colour, ground) for colour in hues) >= 3
    lines = "return document.querySelector('.curves').data.filter((one) => one.name).map((one) => one.line.color)"
    samples = """return [...document.querySelectorAll('.legend')][0].querySelectorAll('path')
        .values().map((one) => getComputedStyle(one).stroke).toArray()"""
    written = [
        f"#{''.join(f'{int(part):02x}' for part in sample[4:-1].split(','))}"
        for sample in browser.execute_script(samples)
    ]
    assert written == [colour.lower() for colour in dict.fromkeys(browser.execute_script(lines))]


def test_the_first_colours_are_those_of_pictures_on_paper_and_on_a_light_page(browser, pages):
    opened(browser, pages[HYBRIDS])
    for ground in ("theme()", "PAPER"):
        hues = browser.execute_script(f"return COLOURS.slice(0, 6).map((one, place) => hue(place, {ground}))")
        assert tuple(hues) == style.COLOURS


def contrast(*colours: str) -> float:
    """The contrast of two colours as the Web Content Accessibility Guidelines 2.1 define it."""
    shades = []
    for colour in colours:
        digits = colour.removeprefix("#")
        digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
        parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        shades.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(shades) + 0.05) / (min(shades) + 0.05)


@pytest.mark.parametrize("width", [TELEPHONE, WALL])
def test_axes_of_shares_and_of_errors_have_ticks_that_say_their_values(browser, pages, width):
    opened(browser, pages[SEEDS], width)
    script = """return [...document.querySelectorAll('.curves')].map((one) => ['x', 'y'].map((axis) =>
        [...one.querySelectorAll(`.${axis}tick text`)].map((tick) => tick.textContent.replace('\u2212', '-'))))"""
    for axes in browser.execute_script(script):
        for labels in axes:
            values = [float(label) for label in labels]
            assert len(set(values)) >= 3, labels


def test_pairs_that_are_not_drawn_at_first_are_folded_and_the_keyboard_opens_and_draws_them(browser, pages):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    opened(browser, pages[SEEDS], TELEPHONE)
    assert boxes(browser, ".curves")[0]["top"] < 900, "the chart begins on a telephone's first screen"
    summary = browser.find_element("css selector", ".chart summary")
    assert summary.text == "15 more pairs"
    browser.execute_script("arguments[0].focus()", summary)
    drawn = "return document.querySelector('.curves').data.filter((one) => one.name).length"
    before = browser.execute_script(drawn)
    ActionChains(browser).send_keys(Keys.ENTER).send_keys(Keys.TAB).send_keys(Keys.SPACE).perform()
    assert browser.execute_script("return document.activeElement.ariaPressed") == "true"
    assert browser.execute_script(drawn) > before


def test_on_a_telephone_the_change_of_a_block_is_read_in_words_without_scrolling_sideways(browser, pages):
    opened(browser, pages[HYBRIDS], TELEPHONE)
    region, words = boxes(browser, ".turned")[0], boxes(browser, ".turned td:nth-child(4)")[0]
    assert region["left"] <= words["left"] < words["right"] <= region["right"]


def test_a_name_that_all_rows_share_takes_no_column(browser, pages):
    opened(browser, pages[CLAIM], TELEPHONE)
    shown = """return [...document.querySelectorAll('.turned th')].filter((one) => one.offsetWidth > 0)
        .map((one) => one.innerText.trim())"""
    assert browser.execute_script(shown) == ["read by", "block", "in words", "change", "before", "after"]
    opened(browser, pages[LANGUAGE], TELEPHONE)
    assert browser.execute_script(shown)[1:] == ["accuracy", "from", "to"]
    cut = "const one = document.querySelector('.turned'); return one.scrollWidth - one.clientWidth"
    assert browser.execute_script(cut) <= 0


@pytest.mark.parametrize("name", [HYBRIDS, SEEDS])
def test_on_a_wall_the_numbers_stand_whole_beside_a_chart_without_a_map(browser, pages, name):
    opened(browser, pages[name], WALL)
    curve, table = boxes(browser, ".curves")[0], boxes(browser, ".turned")[0]
    assert table["left"] >= curve["right"]
    assert table["top"] < curve["top"] + 300
    cut = "const one = document.querySelector('.turned'); return one.scrollWidth - one.clientWidth"
    assert browser.execute_script(cut) <= 0


@pytest.mark.parametrize("width", [TELEPHONE, WALL])
def test_pictures_of_beliefs_are_no_wider_than_drawn_and_their_letters_are_read_on_a_telephone(browser, pages, width):
    opened(browser, pages[BELIEFS], width, charts=False)
    pictures = boxes(browser, "figure img")
    assert len(pictures) == 4, "one a model"
    assert all(one["width"] <= one["natural"] for one in pictures)
    assert all(one["natural"] / 200 <= 3.6 for one in pictures), "a column wide: letters of 8 points have 8 pixels"
    beside = len({one["top"] for one in pictures}) == 1
    assert beside is (width == WALL)


def test_on_a_wall_a_picture_stands_beside_its_criterion_as_large_as_text_is(browser, pages):
    opened(browser, pages[CLAIM], WALL)
    pictures = boxes(browser, ".criterion.drawn figure")
    assert pictures
    assert all(one["width"] >= 450 for one in pictures)
    words = boxes(browser, ".criterion.drawn > :first-child")
    assert all(one["right"] <= picture["left"] for one, picture in zip(words, pictures, strict=True))
