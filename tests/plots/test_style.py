"""Pictures are saved whole, repeat to the byte, keep their text as text, and need no torch."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations, pairwise
from pathlib import Path
from typing import BinaryIO

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from probe.errors import ProbeError
from probe.plots import KINDS, View, causes, evidence, panels, prompting, rows, save_figure, states, words
from probe.plots.comparison import FURTHER
from probe.plots.style import COLOURS, GREY, SECOND, add_legend, check_view, key_line, log_errors, new_figure, page

PROTANOPIA = np.array(
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
)
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
"""Machado, Oliveira and Fernandes (2009), table 1, at full severity."""


def picture() -> Figure:
    with page():
        figure = new_figure(1, 2.0, "a title")
        axes = figure.subplots()
        axes.plot([0, 1], [1, 2])
        axes.set_xlabel("layer")
    return figure


@pytest.mark.parametrize(
    ("ending", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml"), ("PNG", b"\x89PNG")]
)
def test_every_format_is_written_and_repeats_to_the_byte(tmp_path: Path, ending: str, start: bytes) -> None:
    first = save_figure(picture(), tmp_path / "new" / f"a.{ending}")
    second = save_figure(picture(), str(tmp_path / f"b.{ending}"))
    assert first.read_bytes().startswith(start) and len(first.read_bytes()) > 2000
    assert first.read_bytes() == second.read_bytes()


def test_text_in_vector_files_stays_text(tmp_path: Path) -> None:
    assert ">a title</text>" in save_figure(picture(), tmp_path / "a.svg").read_text()
    assert b"/FontFile2" in save_figure(picture(), tmp_path / "a.pdf").read_bytes()


@pytest.mark.parametrize("name", ["a.jpeg", "a"])
def test_an_unknown_suffix_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ProbeError, match=r"\.png, \.pdf or \.svg"):
        save_figure(picture(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_figure(picture(), tmp_path / "a.png")
    old = path.read_bytes()

    def fail(self: Figure, file: BinaryIO, format: str, metadata: object) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(ProbeError, match="no space left"):
        save_figure(picture(), path)
    assert path.read_bytes() == old and list(tmp_path.iterdir()) == [path]


def test_the_readers_own_settings_are_neither_used_nor_changed(tmp_path: Path) -> None:
    plain = save_figure(picture(), tmp_path / "a.svg").read_bytes()
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path", "lines.linewidth": 9}):
        before = dict(matplotlib.rcParams)
        assert save_figure(picture(), tmp_path / "b.svg").read_bytes() == plain
        assert dict(matplotlib.rcParams) == before


def test_colours_are_distinct_even_without_hue() -> None:
    lightness = sorted(0.299 * r + 0.587 * g + 0.114 * b for r, g, b in map(to_rgb, COLOURS))
    assert len(set(COLOURS)) == len(COLOURS)
    assert min(b - a for a, b in pairwise(lightness)) > 0.01


def luminance(colour: str) -> float:
    """The relative luminance of a colour as the Web Content Accessibility Guidelines 2.1 define it."""
    parts = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


GREYS = (GREY, *panels.SHADES, *prompting.SHADES, *evidence.SHADES)
OTHERS = (*panels.COLOURS, *FURTHER, *causes.INTERNALS.values(), states.SEVENTH)


@pytest.mark.parametrize("colour", sorted({*COLOURS, *SECOND, *GREYS, *OTHERS} - {"black"}))
def test_every_line_that_carries_meaning_has_a_contrast_of_three_with_the_page(colour: str) -> None:
    """Web Content Accessibility Guidelines 2.1, 1.4.11."""
    assert 1.05 / (luminance(colour) + 0.05) >= 3


@pytest.mark.parametrize("blocks", [1, 8, 24])
def test_layers_have_colours_of_their_own_that_are_no_references_and_stand_out_from_the_page(blocks: int) -> None:
    layers = list(range(blocks + 1))
    colours = [rows.layer_colour(layer, layers) for layer in layers]
    assert len(set(colours)) == len(colours)
    assert not {"#000000", *COLOURS} & {colour.upper() for colour in colours}
    assert all(1.05 / (luminance(colour) + 0.05) >= 3 for colour in colours)


@pytest.mark.parametrize("sight", [PROTANOPIA, DEUTERANOPIA], ids=["protanopia", "deuteranopia"])
def test_no_two_colours_are_one_to_readers_without_red_or_green_cones(sight: NDArray[np.float64]) -> None:
    """In the linear light that such a reader sees, as Machado et al. (2009) have it."""
    seen = [np.cbrt((sight @ np.power(to_rgb(colour), 2.2)).clip(0)) for colour in COLOURS]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 0.1


@pytest.mark.parametrize("columns", [1, 2])
def test_a_legend_stays_on_the_page_and_off_the_axes(columns: int) -> None:
    with page():
        figure = new_figure(columns, 2.0, None)
        axes = figure.subplots()
        add_legend(figure, [key_line("a fairly long name of a model " + "x" * i) for i in range(9)])
        figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert legend.x0 >= 0 and legend.x1 <= figure.bbox.width and legend.y0 >= 0
    drawn = axes.get_tightbbox()
    assert drawn is not None
    assert not legend.overlaps(drawn)


@pytest.mark.parametrize(("bottom", "expected"), [(0.3, ["0.5", "1", "2"]), (1e-4, [])])
def test_a_short_log_axis_has_plain_ticks(bottom: float, expected: list[str]) -> None:
    with page():
        figure = new_figure(1, 2.0, None)
        axes = figure.subplots()
        log_errors(axes, bottom, 3.0)
        figure.draw_without_rendering()
    plain = [tick.get_text() for tick in axes.get_yticklabels() if bottom < tick.get_position()[1] < 3]
    assert [text for text in plain if "10" not in text] == expected
    assert len(plain) >= 3


def test_what_a_picture_cannot_use_is_refused() -> None:
    with pytest.raises(ProbeError, match="context was given, but a heat map"):
        check_view(View(context=3), "a heat map", "heads")
    with pytest.raises(ProbeError, match="Did you mean depth"):
        check_view(View(x="dept"), "a layer curve", "x")  # type: ignore[arg-type]


def test_every_kind_refuses_no_records() -> None:
    for draw in KINDS.values():
        with pytest.raises(ProbeError, match="No record was given"):
            draw([], View())


def test_pictures_import_neither_torch_nor_a_display() -> None:
    code = "import probe.plots, sys; assert not {'torch', 'matplotlib.pyplot', 'tkinter'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mamba", "mamba"),
        ("a $ b $\\frac{", r"a \$ b \$\frac{"),
        ("_mine", " _mine"),
        ("模型", "??"),
        ("a\x1b\n\u202eb", "a???b"),
        ("x" * 500, "x" * 57 + "..."),
    ],
)
def test_a_name_of_a_record_is_drawn_letter_by_letter(name: str, text: str, tmp_path: Path) -> None:
    assert words.text(name) == text
    assert words.text(text) == text
    figure = new_figure(1, 2.0, None)
    figure.subplots().plot([0, 1])
    add_legend(figure, [key_line(name)])
    save_figure(figure, tmp_path / "a.svg")
    assert len(figure.legends[0].get_texts()) == 1


@pytest.mark.parametrize(
    ("low", "high"), [(0.9, 1.1), (1.0, 1.0001), (3.1, 3.9), (0.011, 0.04), (2e-5, 3e-4), (97, 103)]
)
def test_a_log_axis_of_any_range_has_two_labels_at_least(low, high):
    figure = Figure()
    axes = figure.subplots()
    log_errors(axes, low, high)
    figure.canvas.draw()
    shown = [
        label.get_text()
        for label, at in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)
        if low <= at <= high and label.get_text()
    ]
    assert 2 <= len(shown) <= 9
    assert len(set(shown)) == len(shown)


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_a_file_holds_what_it_is_told_about_the_picture(ending, tmp_path):
    told = save_figure(picture(), tmp_path / f"a.{ending}", "curves of two models").read_bytes()
    assert b"curves of two models" in told
    assert b"curves of two models" not in save_figure(picture(), tmp_path / f"b.{ending}").read_bytes()
