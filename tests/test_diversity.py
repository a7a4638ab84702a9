"""Claims: distances between a model and the Bayes estimators of its pool and of every w are what they are called."""

from pathlib import Path

import pytest
import torch

from probe.learners import DiscretePosterior, Examples
from probe.randomness import PromptSource
from probe.tasks import NoisyLinear

ROOT = Path(__file__).parent.parent
SHIPPED = sorted((ROOT / "checkpoints" / "task-diversity").glob("*.pt"))


@pytest.fixture
def diversity(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "analyses"))
    return __import__("diversity")


@pytest.fixture
def table(diversity):
    names = ("mamba-0004", "transformer-0004")
    paths = tuple(str(ROOT / "checkpoints" / "task-diversity" / f"{name}.pt") for name in names)
    return diversity.distances(diversity.DistanceConfig(ckpt=paths, prompts=1024)).table


def value(table, model, prompting, answers, other):
    found = table[(table["model"] == model) & (table["prompting"] == prompting)]
    return found[(found["answers"] == answers) & (found["other"] == other)].iloc[0]


@pytest.mark.parametrize("model", ["mamba-0004", "transformer-0004"])
@pytest.mark.parametrize(("prompting", "best"), [("pool", "discrete_posterior"), ("fresh", "ridge")])
def test_what_a_model_errs_beyond_the_bayes_estimator_of_its_prompts_is_its_distance_from_it(
    table, model, prompting, best
):
    """The estimator's own error is at right angles to every other function of the examples: within a tenth."""
    own = value(table, model, prompting, "model", "y")["value"]
    least = value(table, model, prompting, best, "y")["value"]
    apart = value(table, model, prompting, "model", best)["value"]
    assert own == pytest.approx(least + apart, rel=0.1)


@pytest.mark.parametrize(("prompting", "best"), [("pool", "discrete_posterior"), ("fresh", "ridge")])
def test_each_estimator_errs_least_on_its_own_prompts(table, prompting, best):
    (other,) = {"discrete_posterior", "ridge"} - {best}
    errors = {name: value(table, "mamba-0004", prompting, name, "y") for name in (best, other)}
    assert errors[best]["high"] < errors[other]["low"]


def test_a_distance_is_the_mean_square_over_prompts_and_queries_by_dimension(diversity, table):
    """Of the posterior mean from the noisy y, worked out anew from the task's own prompts."""
    task = NoisyLinear(2, noise=0.5, functions=4)
    drawn = task.draw(PromptSource(0, "score", range(1024)), 6)
    squares = []
    for count in range(7):
        examples = Examples(drawn.x[:, :count].double(), drawn.y[:, :count].double(), drawn.parameters["noise"])
        found = DiscretePosterior(functions=4).predict(examples, drawn.x[:, count].double())
        squares.append((found - drawn.y[:, count].double()).square().mean())
    expected = torch.stack(squares).mean() / 2
    row = value(table, "mamba-0004", "pool", "discrete_posterior", "y")
    assert row["value"] == pytest.approx(expected.item(), rel=1e-6)
    assert row["low"] < row["value"] < row["high"]


def test_every_training_of_the_table_is_shipped(diversity):
    lines = (ROOT / "analyses" / "task_diversity.csv").read_text().splitlines()[1:]
    assert len(SHIPPED) == len(lines)
    assert {path.stem.partition("-")[0] for path in SHIPPED} == {"mamba", "transformer"}
