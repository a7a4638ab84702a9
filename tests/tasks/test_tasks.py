"""Claims: a task is named with options, and what is wrong with a name is said in one sentence."""

import pytest

from probe.errors import ProbeError
from probe.randomness import PromptSource
from probe.tasks import TASKS, Linear, NoisyLinear, SkewedLinear, Task, make


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linear", Linear(5)),
        ("linear:", Linear(5)),
        ("linear:x_scale=3,y_scale=0.5", Linear(5, 3.0, 0.5)),
        ("linear:y_scale=1e-2", Linear(5, 1.0, 0.01)),
        ("skewed_linear:group_size=64,power=2", SkewedLinear(5, 2.0, 64)),
        ("noisy_linear:noise=1,target=clean", NoisyLinear(5, 1.0, "clean")),
        ("noisy_linear:renormalise=true,group_size=64", NoisyLinear(5, renormalise=True, group_size=64)),
        ("noisy_linear:renormalise=YES", NoisyLinear(5, renormalise=True)),
        ("noisy_linear:renormalise=0", NoisyLinear(5, renormalise=False)),
    ],
)
def test_a_text_names_a_task_and_its_options(text, expected):
    assert make(text, 5) == expected


@pytest.mark.parametrize("name", TASKS)
def test_every_task_keeps_the_contract(name):
    """Inputs, targets, where the queries are, and the drawn parameters, with the shapes promised."""
    task = make(name, 3)
    assert isinstance(task, Task)
    assert task.dim == 3
    prompts = task.draw(PromptSource(0, "fit", range(4)), 6)
    assert prompts.inputs.shape == (4, 13, 3)
    assert prompts.targets.shape == (4, 7)
    assert prompts.queries.tolist() == list(range(0, 13, 2))
    assert prompts.parameters["w"].shape == (4, 3)
    assert all(len(value) == 4 for value in prompts.parameters.values())


NAMES = "linear, noisy_linear, skewed_linear"
NOISY = "noise, target, renormalise, group_size, x_scale, y_scale"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("linaer", f"No task is called 'linaer'. Did you mean linear? Tasks: {NAMES}."),
        ("", f"No task is called ''. Tasks: {NAMES}."),
        ("poetry:x_scale=2", f"No task is called 'poetry'. Tasks: {NAMES}."),
        (
            "linear:xscale=2",
            "The task linear has no option 'xscale=2'. Did you mean x_scale? Options: x_scale, y_scale.",
        ),
        ("linear:x_scale", "The task linear has no option 'x_scale'. Did you mean x_scale? Options: x_scale, y_scale."),
        ("linear:dim=5", "The task linear has no option 'dim=5'. Options: x_scale, y_scale."),
        ("noisy_linear:42", f"The task noisy_linear has no option '42'. Options: {NOISY}."),
        (
            "linear:x_scale=big",
            "The option linear:x_scale was given 'big', but it needs a number. Correct the value.",
        ),
        ("linear:x_scale=", "The option linear:x_scale was given '', but it needs a number. Correct the value."),
        (
            "linear:x_scale=nan",
            "The option linear:x_scale was given 'nan', but it needs a finite number. Correct the value.",
        ),
        (
            "linear:y_scale=-inf",
            "The option linear:y_scale was given '-inf', but it needs a finite number. Correct the value.",
        ),
        (
            "skewed_linear:group_size=1.5",
            "The option skewed_linear:group_size was given '1.5', but it needs a whole number. Correct the value.",
        ),
        (
            "skewed_linear:group_size=0",
            "The option skewed_linear:group_size was given '0', but it needs a positive whole number. "
            "Correct the value.",
        ),
        (
            "noisy_linear:target=dirty",
            "The option noisy_linear:target was given 'dirty', but it needs one of noisy, clean. Correct the value.",
        ),
        (
            "noisy_linear:renormalise=maybe",
            "The option noisy_linear:renormalise was given 'maybe', but it needs true or false. Correct the value.",
        ),
    ],
)
def test_what_is_wrong_with_a_text_is_said_in_one_sentence(text, sentence):
    with pytest.raises(ProbeError) as raised:
        make(text, 5)
    assert str(raised.value) == sentence


@pytest.mark.parametrize("dim", [0, -3])
def test_a_dimension_below_one_is_refused(dim):
    with pytest.raises(ProbeError) as raised:
        make("linear", dim)
    expected = f"The dimension {dim} was given, but inputs need at least 1. Give --dim a positive number."
    assert str(raised.value) == expected
