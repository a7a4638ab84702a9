"""Claims: how pairs become tokens, where the queries stand, and that appending a query never grows the context."""

from dataclasses import replace

import pytest
import torch

from probe.randomness import PromptSource
from probe.tasks import make
from probe.tasks.prompts import append_each, interleave, queries, truncate


def pairs(batch=3, points=4, dim=2):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, points, dim, generator=generator), torch.randn(batch, points, generator=generator)


def test_tokens_are_x1_y1_x2_y2_and_the_last_y_is_left_out():
    """y stands in the first coordinate of its token, zeros in the others."""
    x = torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]])
    y = torch.tensor([[7.0, 8.0]])
    expected = [[[1.0, 2.0, 3.0], [7.0, 0.0, 0.0], [4.0, 5.0, 6.0]]]
    assert interleave(x, y).tolist() == expected


def test_the_queries_are_the_x_tokens():
    x, y = pairs()
    tokens = interleave(x, y)
    positions = queries(4, x.device)
    assert positions.tolist() == [0, 2, 4, 6]
    assert torch.equal(tokens[:, positions], x)
    assert torch.equal(tokens[:, positions[1:] - 1, 0], y[:, :-1])


def test_no_prediction_may_see_its_own_y():
    """Changing y at one point changes no token up to and including that point's x."""
    x, y = pairs()
    for point, position in enumerate(queries(4, x.device).tolist()):
        changed = y.clone()
        changed[:, point] += 1
        same = interleave(x, y)[:, : position + 1] == interleave(x, changed)[:, : position + 1]
        assert same.all()


def test_truncation_sets_later_coordinates_to_zero_and_leaves_its_input_alone():
    x, _ = pairs(dim=5)
    before = x.clone()
    kept = truncate(x, 2)
    assert torch.equal(kept[..., :2], x[..., :2])
    assert not kept[..., 2:].any()
    assert torch.equal(x, before)
    assert all(torch.equal(truncate(x, active), x) for active in (None, 5, 9))


@pytest.mark.parametrize("name", ["linear", "skewed_linear", "noisy_linear:target=clean"])
@pytest.mark.parametrize("examples", [0, 1, 3])
def test_append_each_is_the_prompt_with_its_query_replaced(name, examples):
    """Query j of prompt b is prompt b's first tokens with the later x number j behind them."""
    prompts = make(name, 4).draw(PromptSource(0, "score", range(3)), examples + 5 - 1)
    sequences, targets = append_each(prompts, examples)
    assert sequences.shape == (3, 5, 2 * examples + 1, 4)
    assert torch.equal(targets, prompts.targets[:, examples:, 0])
    for query in range(5):
        expected = prompts.inputs[:, : 2 * examples + 1].clone()
        expected[:, -1] = prompts.x[:, examples + query]
        assert torch.equal(sequences[:, query], expected)


def test_appended_queries_do_not_see_one_another():
    """Changing one later pair changes that pair's sequence and no other."""
    prompts = make("linear", 4).draw(PromptSource(0, "score", range(2)), 6)
    x, y = prompts.x.clone(), prompts.y.clone()
    x[:, 4] += 1
    y[:, 4] += 1
    changed = replace(prompts, x=x, y=y, inputs=interleave(x, y))
    before, after = append_each(prompts, 3)[0], append_each(changed, 3)[0]
    moved = (before != after).flatten(2).any(-1)
    assert moved.tolist() == [[False, True, False, False]] * 2
