"""Claims: batches that are computed side by side come in order, in a thread each, and are the same as one by one."""

import threading
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from probe.capture import NativeModel, capture
from probe.config import FitConfig
from probe.kernels.threads import run_in_threads
from probe.model_config import ModelConfig
from probe.models import ResidualModel
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.probing.prepare import prepare
from probe.processes.side_by_side import in_one_thread, side_by_side


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_what_parts_return_comes_in_their_order_however_long_each_takes() -> None:
    second_is_done = threading.Event()

    def work(part: int) -> int:
        if part == 0:
            assert second_is_done.wait(30)  # the second part is computed while the first one still is
        if part == 1:
            second_is_done.set()
        return part

    assert list(side_by_side(work, range(7), threads=2)) == list(range(7))


def test_few_parts_are_begun_before_they_are_asked_for() -> None:
    taken: list[int] = []

    def parts() -> Iterator[int]:
        for part in range(20):
            taken.append(part)
            yield part

    found = side_by_side(lambda part: part, parts(), threads=2)
    assert next(found) == 0
    assert len(taken) == 3
    found.close()  # type: ignore[attr-defined]
    assert len(taken) == 3


def test_every_part_has_one_thread_and_afterwards_all_are_as_they_were() -> None:
    def seen(part: int) -> tuple[int, bool]:
        return torch.get_num_threads(), in_one_thread()

    assert set(side_by_side(seen, range(4), threads=2)) == {(1, True)}
    assert torch.get_num_threads() == 2
    assert not in_one_thread()


def test_what_a_part_raises_reaches_the_caller_and_all_threads_are_as_they_were() -> None:
    def fails(part: int) -> int:
        return 1 // (2 - part)

    found = side_by_side(fails, range(9), threads=2)
    with pytest.raises(ZeroDivisionError):
        list(found)
    assert torch.get_num_threads() == 2


def test_a_kernel_within_a_part_stays_in_its_thread_and_keeps_small_numbers_afterwards() -> None:
    small = 1e-40

    def runs(part: int) -> tuple[set[int], float]:
        where: set[int] = set()
        run_in_threads(lambda first, last: where.add(threading.get_ident()), items=5)
        assert where == {threading.get_ident()}
        return where, float(torch.tensor([small]) * 1)

    assert all(kept > 0 for _, kept in side_by_side(runs, range(4), threads=2))


@pytest.mark.parametrize("layout", ["M3", "(AF)2", "(RC)2", "(GF)2", "{M}3"])
def test_one_model_is_captured_by_several_threads_as_by_one(layout: str) -> None:
    torch.manual_seed(0)
    config = ModelConfig(layout=layout, dim=3, width=16, attention_heads=2, norm="layer")
    model = NativeModel(ResidualModel(config).eval())
    batches = [torch.randn(5, 9, 3) for _ in range(24)]
    tokens = torch.tensor([0, 4, 8])

    def stream(inputs: Tensor) -> tuple[Tensor, Tensor]:
        found = capture(model, inputs, tokens)
        return found.stream, found.output

    torch.set_num_threads(1)
    alone = [stream(batch) for batch in batches]
    torch.set_num_threads(2)
    for (a, b), (c, d) in zip(alone, side_by_side(stream, batches, threads=4), strict=True):
        assert torch.equal(a, c)
        assert torch.equal(b, d)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.model.modules())


def test_an_experiment_takes_batches_side_by_side_with_the_answers_of_one_thread(tmp_path, monkeypatch) -> None:
    config = FitConfig(ckpt=("mamba.pt",), task="linear", head=("linear",), prompts=160, batch=32, device="cpu")
    experiment = prepare(config)[0]
    assert experiment.at_a_time(Pass.of(config)) == 2
    several = list(experiment.batches(Pass.of(config), "fit"))
    torch.set_num_threads(1)
    assert experiment.at_a_time(Pass.of(config)) == 1
    one = list(experiment.batches(Pass.of(config), "fit"))
    assert [numbers for numbers, _, _ in several] == [numbers for numbers, _, _ in one]
    for (_, _, a), (_, _, b) in zip(several, one, strict=True):
        assert torch.equal(a.stream, b.stream)
        assert torch.equal(a.output, b.output)


def test_batches_whose_streams_take_much_memory_go_one_by_one(monkeypatch) -> None:
    config = FitConfig(ckpt=("mamba.pt",), task="linear", head=("linear",), prompts=160, batch=32, device="cpu")
    experiment: Experiment = prepare(config)[0]
    monkeypatch.setattr("probe.probing.experiment.SMALL", 1000)
    assert experiment.at_a_time(Pass.of(config)) == 1
