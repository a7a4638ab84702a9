"""Claims: a task is named with options, what is wrong with a name is said in one sentence, every task has its contract.

The contract: shapes, judging, prompts known by their numbers, the stated variance, a curriculum of dimensions.
"""

import pytest
import torch

from probe.errors import ProbeError
from probe.fields import hints_of
from probe.randomness import BatchSource, PromptSource
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


# a task with options, and a context, where the plain name in a context of 6 does not suit
CASES = {
    "token_mqar": ("token_mqar:vocabulary=20", 16),
    "vector_mqar": ("vector_mqar:queries=3", 6),
}
# options under which draws are shared by a group, or made by another path
VARIANTS = [
    ("noisy_linear:renormalise=true,group_size=4", 6),
    ("skewed_linear:group_size=4", 6),
    ("sparse_parity:group_size=4", 6),
    ("orthogonal_outlier:released=true", 6),
    ("chain_of_thought:hidden=4,style=plain", 6),
    ("token_mqar:vocabulary=20,power=1,random_gaps=false", 16),
    ("induction:vocabulary=8,chain_depth=3,fixed_query=true", 6),
    ("vector_retrieval:released=true,query_noise=0.5,norm=unit", 6),
]
PLAIN = [CASES.get(name, (name, 6)) for name in TASKS]
EVERY = pytest.mark.parametrize(("text", "context"), PLAIN + VARIANTS)


def draw(text, context, numbers=range(4), **options):
    task = make(text, 3)
    return task, task.draw(PromptSource(0, "fit", numbers), context, **options)


def test_the_dictionary_is_alphabetical():
    assert list(TASKS) == sorted(TASKS)


@EVERY
def test_every_task_keeps_the_contract(text, context):
    """Inputs, targets, where the queries are, and the drawn parameters, with the shapes promised."""
    task, prompts = draw(text, context)
    time = task.length(context)
    assert isinstance(task, Task)
    assert task.dim == (0 if task.shape.symbols else 3)
    if task.shape.symbols:
        assert prompts.inputs.shape == (4, time)
        assert prompts.inputs.dtype == torch.int64
        assert 0 <= prompts.inputs.min() <= prompts.inputs.max() < task.shape.symbols
    else:
        assert prompts.inputs.shape == (4, time, task.shape.inputs)
        assert prompts.inputs.dtype == torch.float32
    queries = len(prompts.contexts)
    assert prompts.targets.shape[:2] == prompts.counted.shape == (4, queries)
    assert prompts.queries.shape == (queries,)
    assert 0 <= prompts.queries.min() <= prompts.queries.max() < time
    assert sorted(set(prompts.contexts)) == list(prompts.contexts)
    assert prompts.contexts[-1] == context
    assert all(len(value) == 4 for value in prompts.parameters.values())
    assert ("w" in prompts.parameters) or not task.linear


@EVERY
def test_every_task_judges_predictions(text, context):
    """A loss to descend, costs with any leading axes, and what a linear head is fitted to, of the answers' shape."""
    task, prompts = draw(text, context)
    outputs = torch.randn(4, task.length(context), task.shape.outputs, generator=torch.Generator().manual_seed(0))
    outputs.requires_grad_()
    loss = task.loss(outputs, prompts)
    loss.backward()
    assert loss > 0
    assert outputs.grad.abs().sum() > 0
    answers = task.answer(outputs.detach()[:, prompts.queries])
    assert task.encoded(prompts).shape == answers.shape
    cost, guess = task.cost(answers.expand(2, *answers.shape), prompts), task.guess(prompts)
    assert cost.shape == (2, *guess.shape)
    assert guess.shape == prompts.counted.shape
    assert not cost[:, ~prompts.counted].any() and not guess[~prompts.counted].any()
    if task.objective != "symbol":
        torch.testing.assert_close(task.cost(torch.zeros_like(answers), prompts), guess)


@EVERY
def test_nothing_depends_on_the_batch_a_prompt_is_drawn_in(text, context):
    """Prompt 5 alone is prompt 5 of ten, but for the rounding of matrix products."""
    _, together = draw(text, context, range(10))
    _, alone = draw(text, context, [5])
    same = {"rtol": 1e-5, "atol": 1e-5}
    for name in ("inputs", "targets", "counted", "x", "y"):
        torch.testing.assert_close(getattr(alone, name)[0], getattr(together, name)[5], **same)
    for name, value in alone.parameters.items():
        torch.testing.assert_close(value[0], together.parameters[name][5], **same)
    assert not torch.equal(together.inputs[4], together.inputs[5])


@EVERY
def test_the_stated_variance_is_what_knowing_nothing_costs(text, context):
    """Over the queries that count, within five standard errors over 4,000 prompts."""
    task = make(text, 4)
    prompts = task.draw(BatchSource(1, 0, 4000), context)
    cost, counted = task.guess(prompts).sum(1), prompts.counted.sum(1).double()
    mean = cost.sum() / counted.sum()
    error = (cost - mean * counted).std() / counted.mean() / 4000**0.5
    assert abs(mean - task.variance) <= 5 * error + 1e-6 * task.variance


@EVERY
def test_inactive_coordinates_are_zero(text, context):
    """Wherever a curriculum lets dimensions grow; with three of them active nothing changes."""
    task, whole = draw(text, context, active=3)
    if "dims" not in task.grows or text == "orthogonal_outlier:released=true":
        return
    assert torch.equal(whole.inputs, draw(text, context)[1].inputs)
    _, kept = draw(text, context, active=1)
    assert not kept.x[..., 1:].any()
    tokens = kept.inputs[:, :: task.length(1) - task.length(0), :3]
    assert not tokens[..., 1:3].any()


NAMES = ", ".join(TASKS)
NOISY = "noise, target, renormalise, group_size, x_scale, y_scale, functions"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("linaer", f"No task is called 'linaer'. Did you mean linear? Tasks: {NAMES}."),
        ("", f"No task is called ''. Tasks: {NAMES}."),
        ("poetry:x_scale=2", f"No task is called 'poetry'. Tasks: {NAMES}."),
        (
            "linear:xscale=2",
            "The task linear has no option 'xscale=2'. Did you mean x_scale? Options: x_scale, y_scale, functions.",
        ),
        (
            "linear:x_scale",
            "The task linear has no option 'x_scale'. Did you mean x_scale? Options: x_scale, y_scale, functions.",
        ),
        ("linear:dim=5", "The task linear has no option 'dim=5'. Options: x_scale, y_scale, functions."),
        ("noisy_linear:42", f"The task noisy_linear has no option '42'. Options: {NOISY}."),
        (
            "linear:x_scale=big",
            "The option linear:x_scale was given 'big', but it needs a number. Correct the value.",
        ),
        ("linear:x_scale=", "The option linear:x_scale was given '', but it needs a number. Correct the value."),
        (
            "linear:x_scale=nan",
            "The option linear:x_scale was given 'nan', but it needs a number above 0 and at most 1,000,000. "
            "Correct the value.",
        ),
        (
            "linear:y_scale=-inf",
            "The option linear:y_scale was given '-inf', but it needs a number above 0 and at most 1,000,000. "
            "Correct the value.",
        ),
        (
            "skewed_linear:group_size=1.5",
            "The option skewed_linear:group_size was given '1.5', but it needs a whole number. Correct the value.",
        ),
        (
            "skewed_linear:group_size=0",
            "The option skewed_linear:group_size was given '0', but it needs a whole number from 1 to 1,048,576. "
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


@pytest.mark.parametrize(
    "wrong",
    [
        "noisy_linear:noise=-1",
        "skewed_linear:power=1e9",
        "linear:functions=99999999999",
        "linear:functions=-1",
        "linear:x_scale=0",
        "sparse_linear:sparsity=0",
        "decision_tree:depth=60",
        "relu_network:hidden=99999999999",
        "many_outlier:probability=1.5",
        "vector_retrieval:query_noise=-0.1",
        "induction:vocabulary=1",
        "token_mqar:power=0",
        "regular_language:word_length=99999999999",
    ],
)
def test_an_option_out_of_its_range_is_refused_before_anything_is_drawn(wrong):
    with pytest.raises(ProbeError, match=r"but it needs|needed"):
        make(wrong, 5)


@pytest.mark.parametrize("wrong", [{"noise": -1.0}, {"dim": 0}, {"group_size": 0}])
def test_a_task_made_in_python_is_checked_as_a_text_is(wrong):
    with pytest.raises(ProbeError, match="of NoisyLinear was given"):
        TASKS["noisy_linear"](**wrong)


def test_a_pool_larger_than_memory_is_refused():
    with pytest.raises(ProbeError, match="1,048,576 functions of 65,536"):
        make("linear:functions=1048576", 65536)


def test_every_number_among_the_options_of_every_task_has_a_range():
    for name, kind in TASKS.items():
        for field, hint in hints_of(kind).items():
            assert hint not in (int, float), f"{name}:{field}"
