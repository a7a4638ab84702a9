"""Claims: keys shown again are followed by their values, only they are asked for, and the nearest value is recalled."""

import pytest
import torch

from probe.errors import ProbeError
from probe.randomness import PromptSource
from probe.tasks import VectorMqar, VectorRetrieval
from probe.tasks.prompts import only


def draw(task, numbers=range(50), context=15):
    return task.draw(PromptSource(0, "fit", numbers), context)


def test_the_worked_example(planted):
    """With the pairs (a, b), (c, d) and 2 queries the prompt is a b c d c d a and the targets are d, b."""
    a, b, c, d = [1, 0], [0, 1], [-1, 0], [0.6, -0.8]
    twice = [[2 * number for number in vector] for vector in (b, d)]
    prompts = VectorMqar(2, queries=2).draw(planted([[a, c]], [twice], [[0.1, 0.7]]), 3)
    torch.testing.assert_close(prompts.inputs, torch.tensor([[a, b, c, d, c, d, a]]))
    torch.testing.assert_close(prompts.targets, torch.tensor([[d, b]]))
    assert prompts.queries.tolist() == [4, 6]
    assert prompts.contexts == (2, 3)
    assert prompts.parameters["queried"].tolist() == [[1, 0]]


def test_the_published_sizes_fit():
    """32 pairs, each asked for once: 128 vectors, the last value left out."""
    task = VectorMqar(20, queries=32)
    prompts = draw(task, context=63)
    assert task.length(63) == prompts.inputs.shape[1] == 127
    assert prompts.contexts == tuple(range(32, 64))
    assert torch.equal(prompts.parameters["queried"].sort(1).values, torch.arange(32).expand(50, -1))


def test_every_vector_is_a_unit_vector_and_every_queried_key_another_one():
    prompts = draw(VectorMqar(5, queries=4))
    torch.testing.assert_close(prompts.inputs.norm(dim=-1), torch.ones(50, 31))
    assert all(len(set(row)) == 4 for row in prompts.parameters["queried"].tolist())
    assert set(prompts.parameters["queried"].unique().tolist()) == set(range(12))


def test_a_repeated_key_is_followed_by_its_value():
    prompts = draw(VectorMqar(5, queries=4))
    for tokens, numbers, targets in zip(
        prompts.inputs, prompts.parameters["queried"].tolist(), prompts.targets, strict=True
    ):
        for query, number in enumerate(numbers):
            place = int(prompts.queries[query])
            assert torch.equal(tokens[place], tokens[2 * number])
            assert torch.equal(targets[query], tokens[2 * number + 1])
            if query < 3:
                assert torch.equal(tokens[place + 1], targets[query])


@pytest.mark.parametrize(("task", "context"), [(VectorMqar(6), 15), (VectorRetrieval(6), 8)])
def test_the_right_value_is_recalled_and_guesses_rarely_are(task, context):
    """A target moved by less than half the way to another value counts; a random answer is right one time in 8."""
    prompts = draw(task, range(500), context)
    generator = torch.Generator().manual_seed(0)
    near = prompts.targets + 1e-3 * torch.randn(prompts.targets.shape, generator=generator)
    guesses = torch.randn(prompts.targets.shape, generator=generator)
    answers = torch.stack([near, guesses])
    found = task.metrics(answers, prompts)["accuracy"]
    assert torch.equal(task.metrics(answers.double(), prompts)["accuracy"], found)
    assert found.shape == (2, *prompts.counted.shape)
    assert found[0].all()
    count = found[1].numel()
    # queries of one prompt share its values: five standard errors, as if only prompts were independent
    assert abs(found[1].double().mean() - 1 / 8) < 5 * (7 / 64 / min(count, 500)) ** 0.5


def test_some_of_the_queries_are_recalled_as_they_are_among_all():
    prompts = draw(VectorMqar(4, queries=3))
    answers = torch.randn(prompts.targets.shape, generator=torch.Generator().manual_seed(1))
    whole = VectorMqar(4, queries=3).metrics(answers, prompts)["accuracy"]
    part = VectorMqar(4, queries=3).metrics(answers[:, [0, 2]], only(prompts, torch.tensor([0, 2])))["accuracy"]
    assert 0 < whole.sum() < whole.numel()
    assert torch.equal(part, whole[:, [0, 2]])


@pytest.mark.parametrize(("queries", "context"), [(8, 14), (3, 1), (1, 0)])
def test_fewer_pairs_than_queries_are_refused(queries, context):
    with pytest.raises(ProbeError, match=f"but with queries={queries} at least {2 * queries - 1} is needed. Give"):
        draw(VectorMqar(2, queries=queries), context=context)
