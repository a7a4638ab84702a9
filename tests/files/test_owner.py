"""An output has one writer at a time."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from probe.errors import ProbeError
from probe.files import owned, owner

HOLD = """
import sys, time
from probe.files import owned, owner
with owned(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def _holder(path: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    return holder


def test_a_second_writer_is_refused_until_the_first_is_gone_however_it_went(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    holder = _holder(path)
    with pytest.raises(ProbeError, match=rf"being written by process {holder.pid} on "), owned(path):
        raise AssertionError("never held")
    with owned(tmp_path / "b.pt"):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    with owned(path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_of_several_outputs_one_that_is_taken_refuses_all_and_frees_the_others(tmp_path: Path) -> None:
    with owned(tmp_path / "b"):
        with pytest.raises(ProbeError, match="being written"), owned(tmp_path / "a", tmp_path / "b"):
            raise AssertionError("never held")
        with owned(tmp_path / "a"):
            pass
    with owned(tmp_path / "b"):
        pass


def test_a_link_and_a_name_without_end_are_owned_too(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / ("n" * 254))
    with (
        owned(tmp_path / ("n" * 254)),
        pytest.raises(ProbeError, match="being written"),
        owned(tmp_path / "link"),
    ):
        raise AssertionError("never held")


def test_a_folder_made_for_the_lock_goes_with_it_unless_something_was_written(tmp_path: Path) -> None:
    with owned(tmp_path / "new" / "er" / "a"):
        pass
    assert list(tmp_path.iterdir()) == []
    with owned(tmp_path / "new" / "er" / "a"):
        (tmp_path / "new" / "er" / "a").write_text("x")
    assert (tmp_path / "new" / "er" / "a").read_text() == "x"


@pytest.mark.parametrize("place", ["lock", "_is"])
def test_an_interrupt_while_the_lock_is_taken_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    own, calls = getattr(owner, place), []

    def interrupted(*given: object) -> object:
        found = own(*given)
        calls.append(given)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(owner, place, interrupted)
    with pytest.raises(KeyboardInterrupt), owned(tmp_path / "new" / "a"):
        raise AssertionError("never held")
    assert list(tmp_path.iterdir()) == []


def test_where_no_lock_can_be_put_the_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ProbeError, match="cannot be written"), owned(tmp_path / "file" / "a"):
        raise AssertionError("never held")
