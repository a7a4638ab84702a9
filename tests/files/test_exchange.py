"""Files are written whole or not at all, and a kill at any moment leaves one consistent set."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from probe.errors import ProbeError
from probe.files import settle, write_atomically, write_together
from probe.files.exchange import clean

NAMES = ("a.csv", "a.json", "a.png")

KILLED = """
import os, sys
from pathlib import Path
from probe.files import write_together

folder, kill, after = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
plain = getattr(os, kill)
def counted(*given):
    global after
    if after == 0:
        os._exit(9)
    after -= 1
    return plain(*given)
setattr(os, kill, counted)
write_together({folder / name: lambda file: file.write(b"new") for name in sys.argv[4:]})
"""


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _old(folder: Path) -> None:
    for name in NAMES:
        (folder / name).write_bytes(b"old")


@pytest.mark.parametrize("call", ["replace", "fsync"])
@pytest.mark.parametrize("after", range(6))
def test_a_kill_at_any_moment_leaves_the_old_set_or_the_new_one(tmp_path: Path, call: str, after: int) -> None:
    _old(tmp_path)
    killed = [sys.executable, "-c", KILLED, str(tmp_path), call, str(after), *NAMES]
    code = subprocess.run(killed, cwd=Path(__file__).parents[2]).returncode
    steps = 4 if call == "replace" else 5  # three files and their list; and their folder
    assert code == (9 if after < steps else 0)
    settle(tmp_path)
    contents = {(tmp_path / name).read_bytes() for name in NAMES}
    listed = after >= 1 if call == "replace" else after >= 4
    assert contents == ({b"new"} if listed else {b"old"})
    clean(tmp_path)
    assert _files(tmp_path) == sorted(NAMES)


def test_a_writer_that_lives_keeps_its_temporary_files(tmp_path: Path) -> None:
    def write(file: BinaryIO) -> None:
        clean(tmp_path)
        file.write(b"new")

    write_together({tmp_path / name: write for name in NAMES})
    assert {(tmp_path / name).read_bytes() for name in NAMES} == {b"new"}
    assert _files(tmp_path) == sorted(NAMES)


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos\nframe 0"), "unexpected pos"),
        (MemoryError(), "memory ran out"),
        (ValueError("no such symbol"), "no such symbol"),
        (OSError(28, "No space left on device"), "no space left on device"),
    ],
)
def test_any_failure_keeps_the_old_files_and_is_one_sentence(tmp_path: Path, failure: Exception, said: str) -> None:
    _old(tmp_path)

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise failure

    with pytest.raises(ProbeError, match="The old file is kept") as error:
        write_together({tmp_path / "a.csv": lambda file: file.write(b"new"), tmp_path / "a.json": fail})
    assert said in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 600
    assert {(tmp_path / name).read_bytes() for name in NAMES} == {b"old"}
    assert _files(tmp_path) == sorted(NAMES)


def test_where_nothing_was_there_no_old_file_is_promised(tmp_path: Path) -> None:
    def fail(file: BinaryIO) -> None:
        raise RuntimeError

    with pytest.raises(ProbeError, match=r"cannot be written \(RuntimeError\)\. Make room"):
        write_atomically(tmp_path / "a", fail)
    assert _files(tmp_path) == []


def test_the_systems_own_word_is_told_where_a_library_hides_it(tmp_path: Path) -> None:
    """torch.save makes of a full disk a RuntimeError about positions in its archive."""

    def hide(file: BinaryIO) -> None:
        os.close(file.fileno())
        try:
            for _ in range(4):
                file.write(b"x" * 100_000)
        except OSError:
            raise RuntimeError("unexpected pos 64 vs 0") from None

    with pytest.raises(ProbeError, match="bad file descriptor"):
        write_atomically(tmp_path / "a", hide)


def test_a_broken_invariant_is_no_users_mistake_and_still_leaves_no_half(tmp_path: Path) -> None:
    def broken(file: BinaryIO) -> None:
        raise AssertionError("never")

    with pytest.raises(AssertionError, match="never"):
        write_atomically(tmp_path / "a", broken)
    assert _files(tmp_path) == []


@pytest.mark.parametrize(
    "moves",
    [
        {"other.txt": "a.csv"},
        {".{token}-0.tmp": "../a.csv"},
        {".{token}-0.tmp": "/etc/passwd"},
        {".{token}-0.tmp": 3},
        {".{other}-0.tmp": "a.csv"},
        ["a.csv"],
    ],
)
def test_a_strangers_list_moves_nothing_else(tmp_path: Path, moves: object) -> None:
    token, other = "0" * 32, "1" * 32
    (tmp_path / "deep").mkdir()
    for name in ("other.txt", f".{token}-0.tmp", f".{other}-0.tmp", "a.csv"):
        (tmp_path / "deep" / name).write_text(name)
    text = json.dumps(moves).replace("{token}", token).replace("{other}", other)
    (tmp_path / "deep" / f".{token}.exchange").write_text(text)
    settle(tmp_path / "deep")
    assert (tmp_path / "deep" / "a.csv").read_text() == "a.csv"
    assert _files(tmp_path) == ["deep"]
