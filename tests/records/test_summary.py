"""Claims: tables of a terminal show three significant digits, bands, whole layers and what each block changes."""

import pandas as pd
import pytest

from probe.records import Record, with_dtypes
from probe.records.summary import claim_table, language_table, layer_table, prompting_table, sweep_table
from probe.records.tables import Grid, aligned, band, bar, change, in_markdown, number, on_terminal


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0037312, "0.00373"),
        (1, "1.00"),
        (0.97, "0.970"),
        (123.4, "123"),
        (3.21e-7, "3.21e-07"),
        (3.21e-13, "0"),  # what rounding leaves of zero
        (0.0, "0"),
        (None, ""),
        (float("nan"), ""),
        (pd.NA, ""),
    ],
)
def test_a_number_has_three_significant_digits(value: object, shown: str) -> None:
    assert number(value) == shown


def test_bands_and_changes_are_empty_where_there_is_none() -> None:
    assert band(0.1, 0.25) == "0.100 to 0.250"
    assert band(float("nan"), 1.0) == ""
    assert change(0.11, 1.0) == "-89.0 %"
    assert change(1.31, 1.0) == "+31.0 %"
    assert change(1.0, None) == change(1.0, 0.0) == change(None, 1.0) == ""


def test_words_stand_left_and_numbers_right_and_empty_columns_are_left_out() -> None:
    assert aligned([["who", "error", "none"], ["a", "1.00", ""], ["long", "10.0", ""]]) == [
        "who   error",
        "a      1.00",
        "long   10.0",
    ]


def _record() -> Record:
    rows = [
        {"model": "m\x1b", "layer": layer, "context": 4, "target": "y", "head": head, "error": error, "low": error / 2,
         "high": error * 2, "prompting": "standard", "prompts": 32}
        for layer, head, error in (
            (0, "linear", 1.0), (1, "linear", 0.25), (10, "linear", 0.3), (10, "model", 0.2),
            (None, "least_squares", 3e-13), (None, "chance", 1.02),
        )
    ]  # fmt: skip
    return Record(with_dtypes(pd.DataFrame(rows)), {"kind": "fit", "config": {"task": "linear"}})


def test_the_table_of_a_fit() -> None:
    lines = on_terminal(layer_table(_record()), bars=False).splitlines()
    assert lines[0].startswith("linear, 32 prompts: error at 4 examples")
    assert lines[1:] == [
        "",
        "m?, target y (1 = predicting zero)",
        "layer  linear       95 % band   change",
        "    0    1.00   0.500 to 2.00",
        "    1   0.250  0.125 to 0.500  -75.0 %",
        "   10   0.300  0.150 to 0.600",
        "",
        "reference               error       95 % band",
        "the model's own answer  0.200  0.100 to 0.400",
        "least_squares               0          0 to 0",
        "chance                   1.02   0.510 to 2.04",
    ]


def test_the_table_of_an_evaluation_has_a_band_at_every_context() -> None:
    record = _record()
    own = record.table[record.table["head"].isin(["model", "least_squares"])]
    rows = pd.concat([own, own.assign(context=2, error=1.5)])
    assert on_terminal(prompting_table(Record(rows, record.provenance))).splitlines()[1:] == [
        "",
        "standard",
        "examples                           2                       4",
        "m?             1.50 (0.100 to 0.400)  0.200 (0.100 to 0.400)",
        "least_squares          1.50 (0 to 0)              0 (0 to 0)",
    ]


def test_the_table_of_a_sweep_shows_what_was_said_in_one_line() -> None:
    table = pd.DataFrame(
        {"model": ["a", "b"], "error": [0.5, None], "seconds": [1.234, None], "outcome": ["done", "a\nb"]}
    )
    assert on_terminal(sweep_table(Record(table, {}))).splitlines() == [
        "training  error  seconds  outcome",
        "a         0.500     1.23  done",
        "b                         a?b",
    ]


def test_a_bar_is_an_error_in_eighths_of_a_letter() -> None:
    assert bar(1.0, 1.0) == bar(7.0, 1.0) == "████████"
    assert bar(0.5, 1.0) == "████"
    assert bar(9 / 64, 1.0) == "█▏"
    assert bar(1e-6, 1.0) == "▏"  # what is not zero is seen
    assert bar(0.0, 1.0) == bar(None, 1.0) == bar(float("nan"), 1.0) == bar(1.0, float("inf")) == ""


def test_bars_stand_beside_the_errors_of_layers() -> None:
    lines = on_terminal(layer_table(_record())).splitlines()
    assert lines[3].split() == ["layer", "linear", "95", "%", "band", "change", "0", "to", "1.00"]
    assert [line.split()[-1] for line in lines[4:7]] == ["████████", "██", "██▍"]


def test_markdown_has_tables_without_bars_and_escapes_what_strangers_wrote() -> None:
    told = in_markdown(layer_table(_record()))
    assert "| layer | linear | 95 % band | change |\n| --- | --- | --- | --- |\n" in told
    assert "| 1 | 0.250 | 0.125 to 0.500 | -75.0 % |" in told
    assert "█" not in told
    assert "| least_squares | 0 | 0 to 0 |" in told
    assert in_markdown(["a|b *c* <i>", Grid([["t"], ["[x](y)"]])]) == (
        "a\\|b \\*c\\* \\<i\\>\n\n| t |\n| --- |\n| \\[x\\](y) |"
    )
    assert in_markdown(["", Grid([["t"]])]) == ""


def test_language_tables_have_bands_by_demonstrations_and_by_layer() -> None:
    rows = [
        {"model": "m", "layer": layer, "context": context, "head": head, "task": "antonyms", "metric": "accuracy",
         "value": value, "value_low": value / 2, "value_high": value * 1.5, "prompts": 32}
        for layer, head, context, value in (
            (2, "model", 0, 0.25), (0, "lens", 5, 0.0), (2, "lens", 5, 0.5), (None, "chance", 5, 0.125),
        )
    ]  # fmt: skip
    record = Record(with_dtypes(pd.DataFrame(rows)), {"kind": "language-layers"})
    assert on_terminal(language_table(record, "layer")).splitlines() == [
        "32 prompts a task: accuracy at 5 demonstrations, 95 % bands by prompt",
        "",
        "m, antonyms",
        "layer   lens       95 % band  0 to 1.00",
        "    0      0          0 to 0",
        "    2  0.500  0.250 to 0.750  ████",
        "",
        "reference  accuracy        95 % band",
        "chance        0.125  0.0625 to 0.188",
    ]
    own = Record(record.table[record.table["head"] == "model"], {"kind": "language"})
    assert on_terminal(language_table(own, "context")).splitlines()[1:] == [
        "demonstrations                       0",
        "m antonyms      0.250 (0.125 to 0.375)",
    ]


def test_a_claim_has_a_row_for_each_criterion() -> None:
    criteria = [
        {"name": "gradual fall", "outcome": "holds", "seen": "6 of 8 blocks", "tested": True},
        {"name": "one map", "outcome": "undecided", "seen": "left out", "tested": False},
    ]
    told = {"verdict": "Undecided.", "criteria": criteria, "warnings": ["few prompts"]}
    assert on_terminal(claim_table(Record(pd.DataFrame(), told))).splitlines() == [
        "Undecided.",
        "",
        "outcome     criterion     what was seen",
        "holds       gradual fall  6 of 8 blocks",
        "not tested  one map       left out",
        "",
        "warning: few prompts",
    ]
