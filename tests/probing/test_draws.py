"""Claims: prompts are dealt in batches that hold each number once; a quarter as many choose the penalties."""

import pytest

from probe.config import FitConfig
from probe.probing.draws import Pass


@pytest.mark.parametrize(("purpose", "count"), [("fit", 10), ("select", 3), ("score", 7)])
@pytest.mark.parametrize("batch", [1, 3, 128])
def test_every_prompt_of_a_purpose_is_in_one_batch(purpose, count, batch):
    batches = Pass(prompts=10, score=7, batch=batch).batches(purpose)
    assert [number for numbers in batches for number in numbers] == list(range(count))
    assert max(map(len, batches)) <= batch


def test_fewer_can_be_asked_for_and_a_commands_settings_say_how_many():
    assert Pass(prompts=10, score=7, batch=4).batches("fit", most=6) == [range(4), range(4, 6)]
    assert Pass(prompts=10, score=7).batches("fit", most=60) == [range(10)]
    config = FitConfig(ckpt="m", task="linear", prompts=5, score=40, seed=3, batch=2)
    assert Pass.of(config) == Pass(5, 40, 3, 2)
