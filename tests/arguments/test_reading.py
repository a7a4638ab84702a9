"""Claims: flags become a configuration however lists are written, and every mistake is one sentence that helps."""

from dataclasses import dataclass
from typing import Any

import pytest

from probe.arguments import read, unknown_command
from probe.cli import COMMANDS, OTHER_WORDS
from probe.commands.sweep import train_config
from probe.config import ClaimConfig, EvaluateConfig, FitConfig, ListConfig, PlotConfig, SweepConfig, TrainConfig
from probe.errors import ProbeError

FIT = ["--ckpt", "m.pt", "--task", "linear"]


def fit(*flags: str) -> FitConfig:
    return read([*FIT, *flags], "probe fit", FitConfig)[0]


@pytest.mark.parametrize(
    "flags",
    [
        ["--context", "5", "15"],
        ["--context", "5,15"],
        ["--context", "5,", "15"],
        ["--context=5,15"],
        ["--context", "5", "--context", "15"],
    ],
)
def test_contexts_are_given_by_spaces_or_commas(flags: list[str]) -> None:
    assert fit(*flags).context == "5,15"


def test_every_list_is_given_by_spaces_or_commas() -> None:
    for written in (["linear", "lens"], ["linear,lens"], ["linear,", "lens"]):
        assert fit("--head", *written).head == ("linear", "lens")
    assert read(["--ckpt", "a,b", "c", "--task", "linear"], "probe fit", FitConfig)[0].ckpt == ("a", "b", "c")
    learners = ["--learner", "gd:steps=3,ridge:penalty=1", "lasso"]
    found = read([*FIT, *learners, "--index", "0", "4"], "probe evaluate", EvaluateConfig)[0]
    assert (found.learner, found.index) == (("gd:steps=3", "ridge:penalty=1", "lasso"), "0,4")
    assert read(["a.csv,b.csv", "--out", "c.png"], "probe plot", PlotConfig)[0].records == ("a.csv", "b.csv")
    swept = read(["t.csv", "--out", "x", "--setting", "walltime=1:00:00,partition=a"], "probe sweep", SweepConfig)[0]
    assert swept.setting == ("walltime=1:00:00", "partition=a")


def test_a_comma_within_a_task_is_its_own() -> None:
    task = "noisy_linear:noise=1,target=clean"
    assert read(["--ckpt", "m", "--task", task], "probe fit", FitConfig)[0].task == task


def test_values_have_the_type_of_their_field() -> None:
    flags = "--out a.pt --task linear --lr 1e-3 --seed -1 --curriculum false --no-compile --json true --steps=5"
    found = train_config(flags.split())
    assert (found.lr, found.seed, found.curriculum, found.compile, found.json, found.steps) == (
        1e-3, -1, False, False, True, 5,
    )  # fmt: skip
    assert train_config(["--out", "a.pt", "--curriculum"]).curriculum is True
    assert read(["--json", "heads"], "probe list", ListConfig)[0] == ListConfig("heads", json=True)
    assert read(["--attention_heads", "2", "--out", "a"], "probe train", TrainConfig)[0].attention_heads == 2


@pytest.mark.parametrize(
    ("kind", "flags", "sentence"),
    [
        (FitConfig, "--heads linear", "--heads .*no such flag. Did you mean --head?"),
        (FitConfig, "--tasks linear", "Did you mean --task?"),
        (FitConfig, "--checkpoint m.pt", "Did you mean --ckpt?"),
        (FitConfig, "--model m.pt", "Did you mean --ckpt?"),
        (FitConfig, "--zzz", "no such flag. See probe fit --help"),
        (PlotConfig, "--records a.csv", "Give its records without a flag"),
        (FitConfig, "mamba.pt", "mamba.pt was given without a flag.*Did you mean --ckpt mamba.pt?"),
        (FitConfig, "linear --ckpt m", "Did you mean --task linear?"),
        (FitConfig, "--ckpt m --task linear lens", "lens was given after --task linear, but --task takes one value"),
        (ClaimConfig, "", "no --ckpt and no --task, but it needs them. Add --ckpt FILE"),
        (ClaimConfig, "--ckpt m", "no --task, but it needs one. Add --task TASK"),
        (PlotConfig, "--out a.png", "no record, but it needs one. Add RECORD.csv"),
        (
            FitConfig,
            "--ckpt m --task l --prompts many",
            "--prompts many .*needs a whole number. Write .*--prompts 8192",
        ),
        (FitConfig, "--ckpt m --task l --prompts 1.5", "needs a whole number"),
        (FitConfig, "--ckpt m --task l --prompts", "--prompts was given without a value, but it needs a whole number"),
        (FitConfig, "--ckpt --task l", "--ckpt was given without a value"),
        (FitConfig, "--ckpt= --task l", "--ckpt was given an empty text"),
        (FitConfig, "--ckpt m --task=", "--task was given an empty text"),
        (FitConfig, "--ckpt , --task l", "--ckpt was given without a value"),
        (FitConfig, "--ckpt m --task l --task k", "--task was given twice, but it takes one value. Drop one"),
        (FitConfig, "--ckpt m --task l --kernel cpuu", "Did you mean cpu?"),
        (FitConfig, "--ckpt m --task l --json=maybe", "true or false is needed"),
        (ListConfig, "heds", "heds was given.*Did you mean heads?"),
        (ListConfig, "heads linear x", "heads and linear and x were given, but probe list takes two. Drop the last"),
        (ListConfig, "heads tasks", "No task is called .tasks."),
        (TrainConfig, "--out a --lr nan", "needs a finite number"),
    ],
)
def test_a_mistake_is_one_sentence_that_says_what_to_do(kind: type, flags: str, sentence: str) -> None:
    verb = next(name for name, of in COMMANDS.items() if of is kind)
    with pytest.raises(ProbeError, match=sentence):
        read(flags.split(), f"probe {verb}", kind)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("ft", "Did you mean fit?"),
        ("eval", "Did you mean evaluate?"),
        ("ls", "Did you mean list?"),
        ("zzz", "No command is called 'zzz'. Commands: train"),
        ("--ckpt", "a command comes first"),
        ("mamba.pt", "a command comes first"),
    ],
)
def test_an_unknown_command_names_what_may_be_meant(given: str, sentence: str) -> None:
    assert sentence in str(unknown_command(given, COMMANDS, OTHER_WORDS))


def test_several_dataclasses_share_one_command_line() -> None:
    @dataclass(frozen=True)
    class Beside:
        loud: bool = False

    found: list[Any] = read([*FIT, "--loud", "--seed", "3"], "probe fit", FitConfig, Beside)
    assert found == [FitConfig(ckpt=("m.pt",), task="linear", seed=3), Beside(loud=True)]
