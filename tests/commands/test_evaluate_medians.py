"""Claims: a median is of the prompts that count, in units of their mean guess."""

import pytest
import torch

from probe.commands.evaluate import _Scores
from probe.randomness import PromptSource
from probe.tasks import make


def test_medians_are_of_what_counts_in_units_of_the_mean_guess() -> None:
    task = make("many_outlier:probability=0.5", 2)
    scores = _Scores([1], 1, range(4), seed=0)
    costs, guesses = [], []
    for first in (0, 40):
        prompts = task.draw(PromptSource(0, "score", range(first, first + 40)), 3)
        scores.add(range(first, first + 40), torch.zeros(40, 4, 1), task, prompts, logits=False)
        kept = prompts.counted
        assert 10 < kept[:, 0].sum() < 30
        costs.append(prompts.targets[..., 0].square().where(kept, torch.nan))
        guesses.append(prompts.targets[..., 0].square().where(kept, torch.nan))
    cost, guess = torch.cat(costs), torch.cat(guesses)
    expected = [cost[:, i][~cost[:, i].isnan()].median() / guess[:, i][~guess[:, i].isnan()].mean() for i in range(4)]
    found = [row["median"] for row in scores.rows("m", "model", "standard")]
    assert found == pytest.approx([float(one) for one in expected], rel=1e-5)
    assert max(found) < 1


def test_a_median_is_empty_where_knowing_nothing_costs_nothing() -> None:
    """A query orthogonal to as many examples as there are dimensions is 0, and so is its y."""
    scores = _Scores(None, 1, [0, 1], seed=0)
    numbers = range(40)
    scores.costs[0] = torch.tensor([[1.0, 1.0]]).expand(40, 2)
    scores.guesses[0] = torch.tensor([[1.0, 0.0]]).expand(40, 2)
    scores.errors.add(numbers, scores.costs[0][None], scores.guesses[0], torch.ones(40, 2, dtype=torch.bool))
    found = [row["median"] for row in scores.rows("m", "model", "standard")]
    assert found[0] == 1
    assert found[1] != found[1]
