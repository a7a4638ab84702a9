"""Claims: default names lie in runs/ and tell settings apart; a given name is taken as it is meant."""

from pathlib import Path

import pytest

from probe.config import ClaimConfig, CompareConfig, EvaluateConfig, FitConfig
from probe.errors import ProbeError
from probe.shell.stems import LONGEST, stem_of

FIT = FitConfig(ckpt=("a/mamba.pt",), task="linear")


def test_a_default_name_is_short_where_nothing_differs() -> None:
    stem = stem_of("fit", FIT, ["mamba"])
    assert stem.path == Path("runs/fit-mamba-linear")
    assert not stem.given
    assert stem.file(".png") == Path("runs/fit-mamba-linear.png")
    assert stem_of("claim", ClaimConfig("m", "linear"), ["m"]).path == Path("runs/claim-m-linear")


def test_every_setting_that_differs_is_told_in_order() -> None:
    config = FitConfig(ckpt=("m",), task="noisy_linear:noise=1", head=("calibrated",), prompts=512, seed=1, json=True)
    assert stem_of("fit", config, ["m"]).path.name == "fit-m-noisy_linear-noise-1-head-calibrated-prompts-512-seed-1"


@pytest.mark.parametrize("kind", [FitConfig, EvaluateConfig, CompareConfig, ClaimConfig])
def test_no_two_settings_share_a_name(kind: type) -> None:
    names = set()
    for prompts in range(100, 103):
        for seed in range(3):
            for model in ("m", "x" * 200, "x" * 200 + "y"):
                config = kind(ckpt="m", task="linear", prompts=prompts, seed=seed)
                names.add(stem_of("verb", config, [model]).path.name)
    assert len(names) == 27
    assert max(len(name.encode()) for name in names) <= LONGEST


@pytest.mark.parametrize(
    ("out", "path", "picture"),
    [
        ("z", "z", ".png"),
        ("z.png", "z", ".png"),
        ("z.csv", "z", ".png"),
        ("z.json", "z", ".png"),
        ("z.html", "z", ".png"),
        ("z.pdf", "z", ".pdf"),
        ("b/z.SVG", "b/z", ".svg"),
        ("mamba-v1.5", "mamba-v1.5", ".png"),
        ("z.txt", "z.txt", ".png"),
        ("b/", "b/fit-mamba-linear", ".png"),
    ],
)
def test_an_ending_that_a_command_adds_itself_is_left_out(out: str, path: str, picture: str) -> None:
    stem = stem_of("fit", FitConfig(ckpt=("m",), task="linear", out=out), ["mamba"])
    assert (str(stem.path), stem.picture) == (path, picture)
    assert stem.file(picture).name.count(picture) == 1


@pytest.mark.parametrize("out", ["", ".", "..", "a/..", "/dev/null"])
def test_what_names_no_file_is_refused(out: str) -> None:
    with pytest.raises(ProbeError, match="name for files"):
        stem_of("fit", FitConfig(ckpt=("m",), task="linear", out=out), ["m"])
