"""Claims: a settings class holds what its types say, whoever makes it, or says in one sentence what it needed."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal, get_args

import numpy as np
import pytest

from probe import config
from probe.config import (
    ClaimConfig,
    CompareConfig,
    EvaluateConfig,
    FitConfig,
    ModelConfig,
    PlotConfig,
    SweepConfig,
    TrainConfig,
)
from probe.errors import ProbeError
from probe.fields import Checked, Count, ObjectText, Range, from_plain, hints_of
from probe.tasks import Linear, NoisyLinear, Task, make

CONFIGS = [kind for name, kind in vars(config).items() if name.endswith("Config")]


@dataclass(frozen=True)
class Oven(Checked):
    name: str = "oven"
    racks: Count = 2
    heat: Annotated[float, Range(0, 300, open=True)] = 180.0
    fan: bool = False
    mode: Literal["top", "bottom"] | None = None
    dishes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kitchen(Checked):
    oven: Oven
    size: Count = 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"dishes": "pie"}, ("pie",)),
        ({"dishes": Path("a/pie")}, ("a/pie",)),
        ({"dishes": ["pie", Path("cake")]}, ("pie", "cake")),
        ({"dishes": {"pie"}}, ("pie",)),
    ],
)
def test_a_single_value_stands_for_a_list_of_one(given, expected):
    assert Oven(**given).dishes == expected


def test_numbers_of_other_libraries_are_numbers():
    made = Oven(racks=np.int64(3), heat=np.float32(200), fan=np.bool_(True))
    assert (made.racks, made.heat, made.fan) == (3, 200.0, True)
    assert [type(value) for value in (made.racks, made.heat, made.fan)] == [int, float, bool]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"racks": 0},
            "The option racks of Oven was given 0, but it needs a positive whole number. Correct the value.",
        ),
        ({"racks": True}, "given True, but it needs a positive whole number"),
        ({"racks": 1.5}, "given 1.5, but it needs a positive whole number"),
        ({"racks": "2"}, "given '2', but it needs a positive whole number"),
        ({"heat": 0}, "but it needs a number above 0 and at most 300"),
        ({"heat": float("nan")}, "given nan, but it needs"),
        ({"heat": 301}, "given 301, but it needs"),
        ({"fan": 1}, "but it needs True or False"),
        ({"mode": "botom"}, "but it needs one of top, bottom. Did you mean bottom? Correct the value."),
        ({"name": 3}, "but it needs a text"),
        ({"name": "x\x00"}, "but it needs a text of at most"),
        ({"dishes": (3,)}, "but it needs a text"),
        ({"dishes": None}, "but it needs a text"),
    ],
)
def test_what_does_not_fit_is_refused(given, sentence):
    with pytest.raises(ProbeError) as raised:
        Oven(**given)
    assert sentence in str(raised.value)


def test_what_a_file_holds_becomes_a_dataclass_or_one_sentence():
    assert from_plain(Kitchen, {"oven": {"racks": 3}}) == Kitchen(Oven(racks=3))
    for values, sentence in (
        ([], "by name are needed"),
        ({}, "The field oven of a Kitchen is missing"),
        ({"oven": {"rakcs": 3}}, "Did you mean racks?"),
        ({"oven": 3}, "by name are needed"),
        ({"oven": {}, "size": -1}, "needs a positive whole number"),
    ):
        with pytest.raises(ProbeError) as raised:
            from_plain(Kitchen, values)
        assert sentence in str(raised.value)


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_configuration_checks_every_field_when_it_is_made(kind):
    """A value of no type at all is refused in every field, by the field's own name."""
    needed = {"out": "x", "ckpt": "mamba.pt", "task": "linear", "table": "t.csv", "records": ("r.csv",)}
    needed |= {"layout": "M2", "dim": 5, "width": 8}
    names = [field.name for field in fields(kind)]
    for name in names:
        given = {key: value for key, value in needed.items() if key in names} | {name: object()}
        with pytest.raises(ProbeError, match=f"{name.replace('_', '.')}.* was given .*object object"):
            kind(**given)


@pytest.mark.parametrize("kind", CONFIGS)
def test_no_number_of_a_configuration_is_without_a_range(kind):
    for name, hint in hints_of(kind).items():
        inner = [hint, *get_args(hint)]
        assert not {int, float} & {one for one in inner if one is not hint or not get_args(hint)} or hasattr(
            hint, "__metadata__"
        ), f"{kind.__name__}.{name}"


@pytest.mark.parametrize(
    ("make_it", "sentence"),
    [
        (lambda: FitConfig(ckpt="mamba.pt", task="linear", head=("ridge",)), "No head is called 'ridge'"),
        (lambda: FitConfig(ckpt="mamba.pt", task="linear", head=("linaer",)), "Did you mean linear?"),
        (lambda: FitConfig(ckpt="mamba.pt", task="linear", protocol="relesed"), "Did you mean released?"),
        (lambda: FitConfig(ckpt="mamba.pt", task="linaer"), "No task is called 'linaer'. Did you mean linear?"),
        (lambda: FitConfig(ckpt="mamba.pt", task="linear", context="five"), "--context was given 'five'"),
        (lambda: FitConfig(ckpt="mamba.pt", task="linear", context=[1, -5]), "whole numbers of 0 or more"),
        (lambda: TrainConfig(out="x.pt", norm="rmsnorm"), "--norm was given 'rmsnorm'"),
        (lambda: TrainConfig(out="x.pt", schedule="linear"), "needs one of constant, cosine"),
        (lambda: TrainConfig(out="x.pt", preset="lap"), "No preset is called 'lap'. Did you mean laptop?"),
        (lambda: TrainConfig(out="x.pt", arch="mambaforme"), "Did you mean mambaformer?"),
        (lambda: TrainConfig(out="x.pt", lr=-1), "--lr was given -1, but it needs a positive number"),
        (lambda: CompareConfig(ckpt=("a", "b"), task="linear", depth="flop"), "Did you mean flops?"),
        (lambda: CompareConfig(ckpt=("a", "b"), task="linear", head="ridge"), "No head is called 'ridge'"),
        (lambda: EvaluateConfig(ckpt="a", task="linear", learner="least_square"), "Did you mean least_squares?"),
        (lambda: EvaluateConfig(ckpt="a", task="linear", prompting="isotropc"), "Did you mean isotropic?"),
        (lambda: EvaluateConfig(ckpt="a", task="linear", index="some"), "--index was given 'some'"),
        (lambda: ClaimConfig(ckpt="a", task="linear", skip="caus"), "Did you mean causes?"),
        (lambda: PlotConfig(records="r.csv", out="x.png", kind="layer"), "Did you mean layers?"),
        (lambda: SweepConfig(table="t.csv", out="x", engine="slrum"), "Did you mean slurm?"),
        (lambda: ModelConfig("M2", 5, 8, norm="rmsnorm"), "The model's norm was given 'rmsnorm'"),
        (lambda: ModelConfig("M2", 5, 8, dropout=-1), "The model's dropout was given -1"),
    ],
)
def test_an_unknown_word_is_refused_when_the_settings_are_made(make_it, sentence):
    with pytest.raises(ProbeError) as raised:
        make_it()
    assert sentence in str(raised.value)


def test_what_is_meant_is_taken():
    assert FitConfig(ckpt=Path("mamba.pt"), task="linear", head="linear").ckpt == ("mamba.pt",)
    assert FitConfig(ckpt="mamba.pt", task="linear", head="linear").head == ("linear",)
    assert FitConfig(ckpt="mamba.pt", task="linear", context=15).context == "15"
    assert FitConfig(ckpt="mamba.pt", task="linear", context=[15, 5]).context == "5,15"
    assert FitConfig(ckpt="mamba.pt", task="linear", context="15 5").context == "5,15"
    assert FitConfig(ckpt="mamba.pt", task="linear", context=np.array([15, 5])).context == "5,15"
    assert FitConfig(ckpt="mamba.pt", task="linear", context=range(3)).context == "0,1,2"
    assert TrainConfig(out=Path("x.pt"), arch="Mamba-Former").arch == "mambaformer"
    assert FitConfig(ckpt="mamba.pt", task="noisy-linear:noise=2").task == "noisy_linear:noise=2"


def test_a_task_at_hand_stands_for_its_text():
    config = FitConfig(ckpt="mamba.pt", task=NoisyLinear(5, noise=0.5, target="clean"))
    assert config.task == "noisy_linear:noise=0.5,target=clean"
    assert config.dim == 5
    assert make(config.task, 5) is config.task.given
    assert make(str(config.task), 5) == config.task.given
    with pytest.raises(ProbeError, match="with dim 5, but 7 is needed"):
        make(config.task, 7)


def test_a_class_or_function_of_the_dimension_stands_for_a_task():
    def halved(dim):
        return Linear(dim, y_scale=0.5)

    config = FitConfig(ckpt="mamba.pt", task=halved)
    assert (config.task, config.dim) == ("halved", None)
    assert make(config.task, 3) == Linear(3, y_scale=0.5)
    assert make(FitConfig(ckpt="mamba.pt", task=Linear).task, 4) == Linear(4)


def test_a_task_that_is_registered_nowhere_is_taken_as_it_is():
    class Doubled(Linear):
        """A user's own."""

    config = FitConfig(ckpt="mamba.pt", task=Doubled(5))
    assert isinstance(config.task, ObjectText)
    assert isinstance(make(config.task, 5), Task)
    assert config.task == "Doubled"
