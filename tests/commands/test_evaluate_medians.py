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
