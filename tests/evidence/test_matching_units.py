"""Claims: distances of answers are in units of the zero error, whatever the answers' own size."""

import torch

from probe.evidence.answers import Asked
from probe.evidence.matching import _choose, final_answer
from probe.learners import Examples


def test_the_distance_of_the_null_is_in_units_of_the_targets():
    """By hand: two layers of answers to four queries on three prompts, the first of them not the last one scaled."""
    drawn = torch.Generator().manual_seed(0)
    queries = torch.randn(3, 4, 2, generator=drawn, dtype=torch.float64)
    targets = torch.einsum("pqd,pd->pq", queries, torch.randn(3, 2, generator=drawn, dtype=torch.float64))
    answers = torch.stack([torch.randn(3, 4, generator=drawn, dtype=torch.float64), 5 * targets])
    examples = Examples(torch.randn(3, 5, 2, generator=drawn), torch.randn(3, 5, generator=drawn))
    asked = Asked(range(3), examples, queries, targets, {"lens": answers})
    null = final_answer(asked, asked, "lens")
    scales = torch.stack([(answers[i] * answers[1]).sum() / answers[1].square().sum() for i in range(2)])
    torch.testing.assert_close(null.scales, scales)
    left = (answers - scales[:, None, None] * answers[1]).square().sum((1, 2)) / targets.square().sum()
    torch.testing.assert_close(null.spd.estimate(), left)
    assert left[0] > 0.1


def test_a_step_that_was_fitted_to_a_block_is_that_blocks_own():
    """The last layer holds what the first step gives; of an algorithm without blocks that step is chosen."""
    drawn = torch.Generator().manual_seed(0)
    first, second = (torch.randn(3, 4, generator=drawn, dtype=torch.float64) for _ in range(2))
    predicted = torch.stack([torch.zeros_like(first), first, first + second])
    answers = torch.stack([torch.zeros_like(first), first, first + 0.2 * second])
    queries = torch.randn(3, 4, 2, generator=drawn, dtype=torch.float64)
    examples = Examples(torch.randn(3, 5, 2, generator=drawn), torch.randn(3, 5, generator=drawn))
    asked = Asked(range(3), examples, queries, first, {"lens": answers})
    assert _choose(answers, predicted, asked, "any").steps.tolist() == [0, 1, 1]
    assert _choose(answers, predicted, asked, "any", by_block=True).steps.tolist() == [0, 1, 2]
