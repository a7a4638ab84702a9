"""Claims: commas part the entries of a list, but for those within an entry's options, a setting, or a file's name."""

from pathlib import Path

import pytest

from probe.arguments.lists import entries


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("5,15", ["5", "15"]),
        (" 5, 15,", ["5", "15"]),
        ("linear", ["linear"]),
        ("linear,lens", ["linear", "lens"]),
        ("gd:steps=3,ridge", ["gd:steps=3", "ridge"]),
        ("gd:steps=3,rate=0.1,ridge:penalty=1,lasso", ["gd:steps=3,rate=0.1", "ridge:penalty=1", "lasso"]),
        ("learner:gd:steps=8,rate=0.1,mamba.pt", ["learner:gd:steps=8,rate=0.1", "mamba.pt"]),
        ("noisy_linear:noise=1,target=clean", ["noisy_linear:noise=1,target=clean"]),
        ("walltime=08:00:00,partition=gpu", ["walltime=08:00:00", "partition=gpu"]),
        ("nodelist=a,b,partition=gpu", ["nodelist=a,b", "partition=gpu"]),
        (",", []),
    ],
)
def test_a_list_is_parted_at_its_own_commas(text: str, parts: list[str]) -> None:
    assert entries(text) == parts


def test_the_name_of_a_file_that_is_there_stays_whole(tmp_path: Path) -> None:
    odd = tmp_path / "a,b.pt"
    assert entries(str(odd)) == [str(tmp_path / "a"), "b.pt"]
    odd.touch()
    assert entries(str(odd)) == [str(odd)]
