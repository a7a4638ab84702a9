"""Heads are asked for whatever a task draws, a function reads or a learner finds, and judged by its kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import probe
from probe.errors import ProbeError
from probe.probing.learned import learned
from probe.probing.targets import Target, offered, shortest, targets_of
from probe.randomness import PromptSource
from probe.tasks import TASKS, Prompts, make

SMALL = {"prompts": 64, "score": 32, "head": "linear"}


def one(text: Any, task: str = "linear", context: int = 8, **given: int) -> Target:
    """Returns the single target of a name."""
    from probe.fields import ObjectText
    from probe.probing.asked import at_hand

    asked = text if isinstance(text, str | ObjectText) else at_hand(text)
    [found] = targets_of(asked, make(task, 3), task, context, **given)
    return found


def drawn(task: str = "linear", context: int = 8, count: int = 6) -> Prompts:
    return make(task, 3).draw(PromptSource(0, "score", range(count)), context)


@pytest.mark.parametrize("name", [name for name in TASKS if name != "token_mqar"])
def test_everything_that_a_task_draws_is_offered_and_has_a_value_at_every_query(name: str) -> None:
    task = make(name, 3)
    context = shortest(task)
    prompts = task.draw(PromptSource(0, "score", range(4)), context)
    words = offered(task, context)
    assert set(words) == {"y", *prompts.parameters}
    for latent in prompts.parameters:
        if "the same for every prompt" in words[latent]:
            continue
        found = one(latent, name, context, prompts=10**4).values(prompts)
        assert found.shape[:2] == (4, len(prompts.contexts))


def test_a_latent_of_the_points_has_at_each_query_that_points_value() -> None:
    prompts = drawn("chain_of_thought", 5)
    found = one("steps", "chain_of_thought", 5)
    assert found.along == "point"
    assert torch.equal(found.values(prompts), prompts.parameters["steps"])


def test_a_latent_of_the_prompt_is_flattened_and_the_same_at_each_query() -> None:
    prompts = drawn("skewed_linear")
    found = one("covariance_root", "skewed_linear").values(prompts)
    assert torch.equal(found[:, 3], prompts.parameters["covariance_root"].flatten(1))
    assert torch.equal(found[:, 0], found[:, 8])


def test_a_latent_of_the_tokens_is_read_at_the_token_that_the_stream_is_read_at() -> None:
    def place(prompts: Prompts) -> torch.Tensor:
        return prompts.inputs[..., 0]

    prompts = drawn()
    target = one(place, offset=1)
    assert target.along == "token"
    short = torch.arange(8)
    chosen = probe.tasks.prompts.only(prompts, short)
    assert torch.equal(target.values(chosen)[..., 0], prompts.y[:, :8])


def test_a_learners_prediction_and_weights_are_what_it_finds() -> None:
    prompts = drawn()
    learner = probe.make_learner("gd:steps=3")
    assert torch.equal(one("gd:steps=3").values(prompts), learned(learner, prompts))
    weights = one("gd.w:steps=3").values(prompts)
    examples = probe.learners.Examples(prompts.x, prompts.y).first(6)
    assert torch.equal(weights[:, 6], learner.weights(examples))  # type: ignore[attr-defined]


def test_categories_are_judged_by_share_and_by_mean_share_over_them() -> None:
    """Of 3, 1 and 0 places of three categories two, one and none are found: right 3/4, balanced (2/3 + 1) / 2."""
    prompts = drawn(count=4)
    target = Target("kind", lambda _: torch.tensor([0, 0, 0, 5]), categories=torch.tensor([0, 5, 7]))
    answers = torch.zeros(1, 4, 9, 3)
    for prompt, category in enumerate([0, 0, 1, 1]):
        answers[0, prompt, :, category] = 1
    assert target.encoded(prompts)[3, 0].tolist() == [0, 1, 0]
    assert target.cost(answers, prompts)[0, :, 0].tolist() == [0, 0, 1, 0]
    assert target.guess(prompts)[0, 0].item() == pytest.approx(2 / 3)
    right = target.right(answers, prompts).double()
    weight = target.weight(prompts, target.occurrences(prompts))
    balanced = (right * weight)[0, :, 0].sum() / weight[:, 0].sum()
    assert balanced.item() == pytest.approx((2 / 3 + 1) / 2)


def test_a_value_that_fitting_never_saw_is_counted_as_wrong() -> None:
    prompts = drawn(count=2)
    target = Target("kind", lambda _: torch.tensor([0, 9]), categories=torch.tensor([0, 5]))
    assert target.encoded(prompts)[1, 0].tolist() == [0, 0]
    assert target.cost(torch.ones(1, 2, 9, 2), prompts)[0, :, 0].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("wo", "No target of linear is called 'wo'. Did you mean w"),
        ("gd.v", "No target"),
        ("gd:stepz=3", "has no option 'stepz=3'"),
        ("knn.w", "finds no weights w"),
        (lambda prompts: prompts.x * 0, "is 0 everywhere"),
        (lambda prompts: torch.ones(len(prompts.x)), "the same for every prompt"),
        (lambda prompts: prompts.x / 0, "NaN"),
        (lambda prompts: prompts.x[:3], r"shape \(3, 9, 3\) for 128 prompts"),
        (lambda prompts: "w", "returned a str"),
        (lambda prompts: prompts.x[:, :2].repeat(1, 1, 50).flatten(1), "300 numbers, but 128 at most"),
        (lambda prompts: prompts.x * 1j, "returned complex numbers"),
        (lambda prompts: prompts.nothing, "failed on 128 prompts .AttributeError"),
        (lambda prompts: torch.randn(len(prompts.x)), "another value alone than among others"),
        (lambda prompts: prompts.y - prompts.y.mean(), "another value alone than among others"),
        (lambda prompts: prompts.y[:, : 1 + len(prompts.y) % 3], "another value alone than among others"),
        ({"y": lambda prompts: prompts.x}, "Call it otherwise"),
    ],
)
def test_what_is_no_target_is_refused_in_a_sentence(target: Any, words: str) -> None:
    with pytest.raises(ProbeError, match=words):
        one(target, prompts=128)


def test_several_targets_stand_in_one_record_with_heads_by_target(toys: Path) -> None:
    def residual(prompts: Prompts) -> torch.Tensor:
        return prompts.y - learned(probe.make_learner("gd:steps=1"), prompts)[..., 0]

    result = probe.fit(ckpt=toys / "m.pt", task="linear", target={"w": "w", "residual": residual}, **SMALL)  # type: ignore[arg-type]
    assert set(result.table.query("head == 'linear'")["target"]) == {"w", "residual"}
    assert not result.table.duplicated(["layer", "context", "target", "head"]).any()
    assert result.provenance["config"]["target"] == "w+residual"
    assert set(result.heads) == {"w", "residual"}
    alone = probe.fit(ckpt=toys / "m.pt", task="linear", target="w", **SMALL)  # type: ignore[arg-type]
    both = result.table.query("target == 'w' and head == 'linear'")["error"]
    assert both.tolist() == alone.table.query("target == 'w' and head == 'linear'")["error"].tolist()


def test_at_y_the_answer_that_is_shown_there_is_read_off_the_first_layer(toys: Path) -> None:
    """A mixer's read-in is linear in the token, which is y: its error is 0, and at x it is not."""
    value: Callable[[Prompts], torch.Tensor] = lambda prompts: prompts.y  # noqa: E731
    errors = {}
    for at in ("x", "y"):
        table = probe.fit(
            ckpt=toys / "m.pt", task="linear", target=value, at=at, head="linear", prompts=256, score=32
        ).table
        chosen = table.query("head == 'linear' and layer == 0")
        errors[at] = chosen["error"].max()
        assert chosen["context"].max() == (4 if at == "x" else 3)
    assert errors["y"] < 1e-6
    assert errors["x"] > 0.5


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"at": "z"}, "x, y or a number of tokens"),
        ({"at": "y", "context": "4"}, "lies outside"),
        ({"at": "-1", "head": ("linear", "lens")}, "answers at the queries alone"),
    ],
)
def test_a_token_that_is_not_there_is_refused(toys: Path, given: dict[str, Any], words: str) -> None:
    with pytest.raises(ProbeError, match=words):
        probe.fit(ckpt=toys / "m.pt", task="linear", target="w", **{**SMALL, **given})
