"""A function is a task: its prompts depend on nothing but their own generator, and mistakes get a sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import probe
from probe.config import FitConfig
from probe.errors import ProbeError
from probe.randomness import BatchSource, PromptSource
from probe.tasks import make
from probe.tasks.own import OwnTask, made
from probe.tasks.registered import LOADED

RNG = np.random.Generator
FILE = """
import numpy as np
import probe

@probe.task
def sine(rng, prompts, length):
    w = rng.normal(size=(prompts, 3))
    x = rng.normal(size=(prompts, length, 3))
    return x, np.sin(np.einsum("pld,pd->pl", x, w)), {"w": w}

def plain(rng, prompts, length):
    x = rng.normal(size=(prompts, length, 2))
    return x, x.sum(-1)

number = 3
"""


def line(rng: RNG, prompts: int, length: int) -> tuple[Any, ...]:
    w = rng.normal(size=(prompts, 3))
    x = rng.normal(size=(prompts, length, 3))
    return x, np.einsum("pld,pd->pl", x, w), {"w": w, "sign": x[..., 0] > 0}


def shift(rng: RNG, prompts: int, length: int) -> tuple[Any, ...]:
    by, x = rng.integers(0, 4, size=(prompts, 1)), rng.integers(0, 4, size=(prompts, length))
    return x, (x + by) % 4, {"by": by}


def test_a_prompt_is_the_same_whatever_batch_it_is_drawn_in() -> None:
    task = made(line)
    one = task.draw(PromptSource(3, "score", [5]), 6)
    many = task.draw(PromptSource(3, "score", [2, 9, 5, 1]), 6)
    assert torch.equal(one.inputs[0], many.inputs[2])
    assert torch.equal(one.parameters["w"][0], many.parameters["w"][2])
    assert not torch.equal(many.x[0], many.x[1])


def test_seeds_and_purposes_and_steps_of_training_have_prompts_of_their_own() -> None:
    task = made(line)
    drawn = [task.draw(PromptSource(seed, "fit", [0]), 4).x for seed in (0, 1)]
    drawn += [task.draw(PromptSource(0, "score", [0]), 4).x]
    drawn += [task.draw(BatchSource(0, step, 1), 4).x for step in (0, 1)]
    assert len({float(x.flatten()[0]) for x in drawn}) == len(drawn)


def test_pairs_take_turns_with_y_in_the_first_coordinate_and_the_last_y_left_out() -> None:
    prompts = made(line).draw(PromptSource(0, "fit", range(3)), 4)
    assert prompts.inputs.shape == (3, 9, 3)
    assert torch.equal(prompts.inputs[:, ::2], prompts.x)
    assert torch.equal(prompts.inputs[:, 1::2, 0], prompts.y[:, :-1])
    assert torch.equal(prompts.targets[..., 0], prompts.y)
    assert not prompts.inputs[:, 1::2, 1:].any()


def test_a_y_of_several_numbers_is_filled_up_to_the_wider_token() -> None:
    def draw(rng: RNG, prompts: int, length: int) -> tuple[Any, ...]:
        return rng.normal(size=(prompts, length, 2)), rng.normal(size=(prompts, length, 4))

    task = made(draw)
    assert (task.shape.inputs, task.shape.outputs, task.dim) == (4, 4, 2)
    prompts = task.draw(PromptSource(0, "fit", range(2)), 3)
    assert torch.equal(prompts.inputs[:, 1::2], prompts.targets[:, :-1])
    assert task.variance == pytest.approx(4, rel=0.2)


def test_whole_numbers_are_symbols_and_their_number_is_found_or_given() -> None:
    assert made(shift).shape == probe.tasks.Shape(0, 4, 4)
    assert made(shift, symbols=9).shape.symbols == 9
    prompts = made(shift).draw(PromptSource(0, "fit", range(2)), 3)
    assert prompts.inputs.shape == (2, 7)
    assert prompts.inputs.dtype == torch.int64
    assert made(shift).objective == "symbol"


def test_a_sequence_shows_no_y_and_asks_at_every_token() -> None:
    def walk(rng: RNG, prompts: int, length: int) -> tuple[Any, ...]:
        tokens = rng.integers(0, 3, size=(prompts, length + 1))
        return tokens[:, :-1], tokens[:, 1:]

    prompts = made(walk, "sequence").draw(PromptSource(0, "fit", range(2)), 5)
    assert torch.equal(prompts.inputs[:, 1:], prompts.targets[:, :-1, 0])
    assert prompts.queries.tolist() == [0, 1, 2, 3, 4, 5]


counter = iter(range(10**9))


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda rng, prompts, length: rng.normal(size=(prompts, length)), "returned a ndarray"),
        (lambda rng, prompts, length: (np.ones((length, 2)), np.ones(length)), r"xs of shape \(8, 2\)"),
        (lambda rng, prompts, length: (np.ones((1, length, 2)), np.ones((1, 3))), r"ys of shape \(1, 3\)"),
        (lambda rng, prompts, length: (np.ones((1, length, 2)), np.full((1, length), np.nan)), "NaN"),
        (lambda rng, prompts, length: (np.ones((1, length, 2)), np.ones((1, length), int)), "Convert one"),
        (lambda rng, prompts, length: (np.ones((1, length, 2)), np.zeros((1, length))), "ys that are all 0"),
        (lambda rng, prompts, length: (np.zeros((1, length), int),) * 2, "one symbol alone"),
        (lambda rng, prompts, length: (np.full((1, length), next(counter)) + 0.5,) * 2, "again behind others"),
        (lambda rng, prompts, length: ([["a"] * length], np.ones((1, length))), "no array of numbers"),
        (
            lambda rng, prompts, length: (*[rng.normal(size=(1, length))] * 2, {"w": np.ones(3)}),
            r"latent w of shape \(3,\)",
        ),
        (lambda rng, prompts, length: (*[rng.normal(size=(1, length))] * 2, {"y": np.ones((1, 3))}), "called y"),
        (lambda rng, prompts, length: (rng.normal(size=(1, length)), np.ones((1, length))), "ys that are all 1"),
        (lambda rng, prompts, length: (rng.normal(size=(1, length)), np.full((1, length), 1e300)), "beyond 3e38"),
        (lambda rng, prompts, length: (np.ones((1, length, 0)), np.ones((1, length))), r"shape \(1, 8, 0\)"),
        (lambda rng, prompts, length: (np.ones((1, length)) * 1j, np.ones((1, length))), "complex numbers"),
        (lambda rng, prompts, length: 1 / 0, "failed when it was asked .* .ZeroDivisionError"),
        (lambda rng, prompts: 0, "failed when it was asked .* .TypeError"),
        (lambda rng, prompts, length: (rng.integers(-1, 3, (1, length)),) * 2, "symbols begin at 0"),
    ],
)
def test_what_is_no_prompt_is_refused_in_a_sentence(draw: Callable[..., Any], words: str) -> None:
    with pytest.raises(ProbeError, match=words):
        made(draw)


@pytest.mark.parametrize(("draw", "symbols"), [(line, 4), (shift, 1), (shift, -1)])
def test_a_number_of_symbols_that_cannot_be_is_refused(draw: Callable[..., Any], symbols: int) -> None:
    with pytest.raises(ProbeError, match=f"was given symbols={symbols} and draws"):
        made(draw, symbols=symbols)


@pytest.mark.parametrize("kind", [">f8", "longdouble", "float16"])
def test_floats_of_any_kind_are_read(kind: str) -> None:
    def draw(rng: RNG, prompts: int, length: int) -> tuple[Any, ...]:
        x = rng.normal(size=(prompts, length, 2)).astype(kind)
        return x, x[..., 0]

    def plain(rng: RNG, prompts: int, length: int) -> tuple[Any, ...]:
        x = rng.normal(size=(prompts, length, 2))
        return x, x[..., 0]

    first, second = (made(each).draw(PromptSource(0, "fit", range(3)), 5).x for each in (draw, plain))
    assert torch.allclose(first, second, rtol=1e-3, atol=1e-3)


def test_what_is_kept_between_calls_is_found_however_late_it_tells() -> None:
    """A prompt is drawn again behind the others of its batch."""
    calls_so_far: list[int] = []

    def late(rng: RNG, prompts: int, length: int) -> tuple[Any, ...]:
        calls_so_far.append(0)
        x = rng.normal(size=(prompts, length, 2))
        return x + (len(calls_so_far) > 600), x[..., 0]

    task = made(late)
    assert len(task.draw(PromptSource(0, "score", range(100)), 4).x) == 100
    calls_so_far.extend(range(300))
    with pytest.raises(ProbeError, match="keep nothing between calls"):
        task.draw(PromptSource(0, "score", range(100, 200)), 4)


def test_a_latent_that_is_drawn_of_some_prompts_alone_is_refused() -> None:
    def sometimes(rng: RNG, prompts: int, length: int) -> tuple[Any, ...]:
        x = rng.normal(size=(prompts, length, 2))
        return x, x[..., 0], {"w": x[:, 0]} if x[0, 0, 0] > 0 else {}

    with pytest.raises(ProbeError, match="the latent w in 2 shapes"):
        made(sometimes)


def test_a_symbol_that_the_trial_never_saw_is_refused_with_the_number_to_give() -> None:
    with pytest.raises(ProbeError, match=r"drew the symbol 3.*symbols=4"):
        made(shift, symbols=3)


def test_other_dimensions_at_another_length_are_refused() -> None:
    def draw(rng: RNG, prompts: int, length: int) -> tuple[Any, ...]:
        return rng.normal(size=(prompts, length, length)), rng.normal(size=(prompts, length))

    task = made(draw)
    with pytest.raises(ProbeError, match="but before it drew 8 numbers an x"):
        task.draw(PromptSource(0, "fit", [0]), 3)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds mine.py, to work in."""
    (tmp_path / "mine.py").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    LOADED.clear()
    return tmp_path


def test_a_file_runs_where_it_is_named_and_the_task_bears_that_text(file: Path) -> None:
    config = FitConfig(ckpt=("m.pt",), task="mine.py:sine")
    assert config.task == "mine.py:sine"
    assert config.dim == 3
    task = make(config.task, 3)
    assert isinstance(task, OwnTask)
    assert FitConfig(ckpt=("m.pt",), task="mine.py:plain").dim == 2


def test_a_text_that_no_user_named_runs_nothing(file: Path) -> None:
    (file / "trap.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(ProbeError, match=r"runs only where you name it\. Add --task trap\.py:f"):
        make("trap.py:f", 3)
    with pytest.raises(ProbeError, match=r"There is no file gone\.py here"):
        make("gone.py:f", 3)
    assert not LOADED.get("trap.py:f")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gone.py:sine", "there is no file gone.py"),
        ("mine.py:sin", "nothing called sin.*Did you mean sine.*Tasks there: sine"),
        ("mine.py:number", "has a int called number"),
        ("bad.py:f", "it failed: ZeroDivisionError"),
        ("leaves.py:f", "it failed: SystemExit"),
        ("wrong.py:f", "it failed: SyntaxError"),
        ("folder.py:f", "there is no file folder.py"),
        ("mine.py", "takes no options. Add the name"),
        ("mine.py:", "takes no options. Add the name"),
        ("mine.py:sine:dim=3", "takes no options. Add the name"),
    ],
)
def test_a_file_that_has_no_such_task_is_refused_in_a_sentence(file: Path, text: str, words: str) -> None:
    (file / "bad.py").write_text("1 / 0")
    (file / "leaves.py").write_text("raise SystemExit")
    (file / "wrong.py").write_text("def f(:")
    (file / "folder.py").mkdir()
    with pytest.raises(ProbeError, match=words):
        FitConfig(ckpt=("m.pt",), task=text)


def test_it_is_trained_and_resumed_and_the_checkpoint_keeps_its_text(file: Path) -> None:
    small = {"layout": "M1", "width": 8, "context": 3, "batch": 4, "device": "cpu"}
    probe.train(task="mine.py:sine", out="own.pt", steps=3, **small)  # type: ignore[arg-type]
    found = probe.load_checkpoint("own.pt")
    assert (found.task, found.dim) == ("mine.py:sine", 3)
    LOADED.clear()
    with pytest.raises(ProbeError, match=r"Add --task mine\.py:sine"):
        probe.train(out="own.pt", resume=True)
    probe.train(task="mine.py:sine", out="own.pt", resume=True)


def test_it_is_fitted_evaluated_and_compared_as_any_task(toys: Path) -> None:
    def two(rng: RNG, prompts: int, length: int) -> tuple[Any, ...]:
        w, x = rng.normal(size=(prompts, 2)), rng.normal(size=(prompts, length, 2))
        return x, np.einsum("pld,pd->pl", x, w), {"w": w}

    task, small = probe.task(two), {"prompts": 64, "score": 32}
    fitted = probe.fit(ckpt=toys / "m.pt", task=task, target="w", **small)  # type: ignore[arg-type]
    assert {"w", "y"} == set(fitted.table["target"])
    evaluated = probe.evaluate(ckpt=toys / "m.pt", task=task, learner="least_squares", prompts=32)
    assert evaluated.table.query("head == 'least_squares' and context == 4")["error"].item() < 1e-8
    both = probe.compare(ckpt=[toys / "m.pt", toys / "t.pt"], task=task, **small)  # type: ignore[arg-type]
    assert both.verdict
    with pytest.raises(ProbeError, match="reads 3-dimensional vectors"):
        probe.fit(ckpt=toys / "m.pt", task=made(line))
