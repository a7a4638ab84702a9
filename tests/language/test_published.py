"""Claims: Table 1 is whole, and its means are those that the paper's text gives."""

import pytest

from probe.language.published import published
from probe.language.tasks import LANGUAGE_TASKS


def test_the_table_has_every_evaluated_task_and_seventeen_models():
    found = published(LANGUAGE_TASKS)
    assert set(found) == {name for name, task in LANGUAGE_TASKS.items() if task.evaluated}
    assert all(len(models) == 17 for models in found.values())
    assert published(["antonyms"]).keys() == {"antonyms"}


@pytest.mark.parametrize(("model", "mean"), [("Mamba 0.13B", 0.5403), ("Mamba 2.80B", 0.8489), ("LLaMA 7B", 0.8600)])
def test_means_over_the_tasks_agree_with_the_published_ones(model, mean):
    accuracies = [models[model][0] for models in published(LANGUAGE_TASKS).values()]
    assert sum(accuracies) / 18 == pytest.approx(mean, abs=0.003)
