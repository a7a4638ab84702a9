"""Claims: heads fitted together are those fitted apart, by either way of choosing, in one process or in several."""

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from queue import Queue

import pytest
import torch

from probe.heads import Moments, SelectionErrors, solve_path
from probe.probing.ridge_fit import Read, fit_ridges
from probe.processes.single import Single

LAYERS, CONTEXTS, WIDTH = 2, 3, 6


def drawn(rows, seed, width=WIDTH):
    """Returns a stream and noisy targets that follow it, of two names."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(LAYERS, CONTEXTS, width, 3, generator=torch.Generator().manual_seed(0)) / width**0.5
    stream = torch.randn(LAYERS, rows, CONTEXTS, width, generator=generator)
    noise = torch.randn(rows, CONTEXTS, 3, generator=generator)
    noisy = torch.einsum("lbcw,lcwt->bct", stream, mixing) + noise
    return stream, {"a": noisy[..., :1], "b": noisy[..., 1:]}


def batches_of(parts, width=WIDTH):
    def batches(purpose):
        for rows, seed in parts[purpose]:
            stream, targets = drawn(rows, seed, width)
            yield {"stream": Read(stream, targets), "first": Read(stream[:1], {"b": targets["b"]})}

    return batches


PARTS = {"fit": [(30, 1), (20, 2)], "select": [(25, 3), (12, 4)]}


def fitted_apart(width, name, layers=slice(None)):
    """Fits one target alone and chooses its penalties by predicting every selection prompt."""
    path = None
    for purpose in ("fit", "select"):
        for rows, seed in PARTS[purpose]:
            stream, targets = drawn(rows, seed, width)
            if purpose == "fit":
                path = path or Moments((len(stream[layers]), CONTEXTS), width, targets[name].shape[-1])
                path.update(stream[layers], targets[name])
            else:
                path = path if isinstance(path, SelectionErrors) else SelectionErrors(solve_path(path))
                path.update(stream[layers], targets[name])
    return path.path.choose(path.best())


@pytest.mark.parametrize("width", [WIDTH, 90])
def test_heads_fitted_together_are_those_fitted_apart(width):
    """At a width of 6 penalties are chosen by moments, at 90 by predictions: 27 penalties times 3 targets are 81."""
    found = fit_ridges(batches_of(PARTS, width))
    assert {name: set(each) for name, each in found.items()} == {"stream": {"a", "b"}, "first": {"b"}}
    for heads, expected in (
        (found["stream"]["a"], fitted_apart(width, "a")),
        (found["stream"]["b"], fitted_apart(width, "b")),
        (found["first"]["b"], fitted_apart(width, "b", slice(1))),
    ):
        torch.testing.assert_close(heads.penalty, expected.penalty)
        torch.testing.assert_close(heads.weight, expected.weight)
        torch.testing.assert_close(heads.intercept, expected.intercept)
    assert found["stream"]["a"].penalty.unique().numel() > 1


class Half(Single):
    """One of two threads that share the prompts as processes do: the second hands over its part and gets the whole."""

    count = 2

    def __init__(self, rank, up, down):
        self.rank, self.up, self.down = rank, up, down

    def merged(self, part, merge, finish):
        if self.rank:
            self.up.put(deepcopy(part))
            return self.down.get(timeout=60)
        made = finish(merge(part, self.up.get(timeout=60)))
        self.down.put(deepcopy(made))
        return made


@pytest.mark.parametrize("width", [WIDTH, 90])
@pytest.mark.parametrize("idle", [False, True])
def test_two_processes_find_what_one_finds(width, idle):
    """Also where the second was dealt no batch."""
    whole = fit_ridges(batches_of(PARTS, width))
    halves = [{name: part[place : place + 1] for name, part in PARTS.items()} for place in (0, 1)]
    if idle:
        halves = [PARTS, {"fit": [], "select": []}]
    up, down = Queue(), Queue()
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(fit_ridges, batches_of(half, width), Half(i, up, down)) for i, half in enumerate(halves)]
        both = [run.result(timeout=120) for run in runs]
    for found in both:
        for name, heads in whole["stream"].items():
            torch.testing.assert_close(found["stream"][name].penalty, heads.penalty)
            torch.testing.assert_close(found["stream"][name].weight, heads.weight)


def test_only_prompts_that_count_are_fitted_on_and_chosen_by():
    def batches(purpose):
        for rows, seed in PARTS[purpose]:
            stream, targets = drawn(rows, seed)
            counted = torch.arange(rows)[:, None].expand(-1, CONTEXTS) % 3 > 0
            kept = torch.arange(rows) % 3 > 0
            spoiled = targets["a"].masked_fill(~counted[..., None], 1e6)
            yield {
                "marked": Read(stream, {"a": spoiled}, counted),
                "left out": Read(stream[:, kept], {"a": targets["a"][kept]}),
            }

    found = fit_ridges(batches)
    torch.testing.assert_close(found["marked"]["a"].weight, found["left out"]["a"].weight)
    torch.testing.assert_close(found["marked"]["a"].penalty, found["left out"]["a"].penalty)
