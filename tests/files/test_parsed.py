"""Claims: what tools write is read; what is too large, too deep or unfolds without end is refused, soon."""

import json
import time
from pathlib import Path

import pytest

from probe.errors import ProbeError
from probe.files.parsed import read_json, read_yaml

INSTEAD = "Give another."


def bomb(levels: int, each: int = 9) -> str:
    """YAML whose aliases unfold to each ** levels items."""
    lines = [f"a0: &a0 [{', '.join('x' * each)}]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * each)}]" for i in range(1, levels)]
    return "\n".join(lines) + f"\nmodel: {{family: *a{levels - 1}}}\n"


def test_yaml_comes_back_with_the_aliases_that_people_write(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("base: &b {a: 1, b: [1, 2]}\nmodel: {<<: *b, c: 1.5}\nother: *b\n")
    found = read_yaml(tmp_path / "c.yaml", INSTEAD)
    assert found["model"] == {"a": 1, "b": [1, 2], "c": 1.5}
    assert found["other"] == found["base"]


@pytest.mark.parametrize(
    "text",
    [
        bomb(9),
        bomb(6),
        "\n".join(
            ["m0: &m0 {a: 1, b: 2}"] + [f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 9)}]}}" for i in range(1, 9)]
        ),
        f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 9_000)}]",
        "a: &a [*a]",
        "a: " + "[" * 100 + "]" * 100,
        "a: " + "[" * 20_000,
        "a: x" + "y" * 300_000,
        "a: " + "9" * 5000,
        "a: !!python/object/apply:os.system [ls]",
        "a: {b: [}",
        "? {a: [1]}\n: 2",
    ],
)
def test_yaml_that_unfolds_without_end_is_refused_within_a_second(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    start = time.process_time()
    with pytest.raises(ProbeError, match=r"c\.yaml (is no plain YAML|unfolds by its aliases|is longer than)") as raised:
        read_yaml(tmp_path / "c.yaml", INSTEAD)
    assert time.process_time() - start < 2
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{nope", r"cannot be read as JSON"),
        ("[" * 70 + "]" * 70, r"cannot be read as JSON \(too deep\)"),
        ("[" * 100_000, r"cannot be read as JSON \(too deep\)"),
        ('"' + "x" * 200 + '"', "is longer than 100 bytes"),
        ("9" * 5000, "is longer than 100 bytes"),
    ],
)
def test_json_is_bounded_in_length_and_depth(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(ProbeError, match=sentence):
        read_json(tmp_path / "c.json", 100 if "longer" in sentence else 10**6)


def test_json_comes_back_and_a_missing_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(json.dumps({"a": [1, {"b": None}]}))
    assert read_json(tmp_path / "c.json") == {"a": [1, {"b": None}]}
    for read in (read_json, lambda path: read_yaml(path, INSTEAD)):
        with pytest.raises(ProbeError, match="cannot be read"):
            read(tmp_path / "gone")
