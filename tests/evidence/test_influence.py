"""Claims: derivatives with respect to the examples' y are those of the algorithm a model runs, and forgetting shows."""

import math

import pytest
import torch

from probe import checkpoints
from probe.config import FitConfig, ModelConfig
from probe.evidence.influence import (
    Influence,
    attention_to_examples,
    derivatives,
    half_life,
    halvings,
    implicit_attention,
    influence,
    influence_rows,
    inside_mamba,
)
from probe.models import ResidualModel
from probe.probing.draws import Pass
from probe.probing.prepare import prepare
from probe.randomness import PromptSource
from probe.statistics import MeanBootstrap


@pytest.fixture(scope="module")
def mamba(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("mamba") / "mamba.pt"
    about = {"task": "linear", "dim": 3, "context": 6, "seed": 0, "step": 0, "command": ""}
    checkpoints.save(path, ResidualModel(ModelConfig(layout="MAM", dim=3, width=16, attention_heads=2)), about)
    return prepare(FitConfig(ckpt=(str(path),), task="linear", head=("lens",), context="6"))[0]


def test_a_solvers_influences_are_least_squares_own(planted_experiment):
    """To float32; with ten examples in three dimensions least squares is linear in y."""
    experiment, pass_ = planted_experiment("solve")
    found = influence(experiment, pass_)
    torch.testing.assert_close(found.model.estimate(), found.solver.estimate(), rtol=1e-3, atol=1e-4)
    assert found.agreement.estimate() > 0.999
    assert found.half_life > 20


def test_derivatives_are_finite_differences(mamba):
    prompts = mamba.task.draw(PromptSource(0, "score", range(3)), 6)
    found = derivatives(mamba, prompts)
    for example in (0, 5):
        moved, step = prompts.inputs.clone(), 1e-2
        moved[:, 2 * example + 1, 0] += step
        back = prompts.inputs.clone()
        back[:, 2 * example + 1, 0] -= step
        with torch.no_grad():
            difference = (mamba.model.run(moved)[:, -1, 0] - mamba.model.run(back)[:, -1, 0]) / (2 * step)
        torch.testing.assert_close(found[:, example], difference.double(), rtol=1e-2, atol=1e-4)


def test_half_life_is_that_of_an_exponential_and_infinite_without_forgetting():
    lag = torch.arange(9, -1, -1, dtype=torch.float64)
    assert half_life(0.7 * 2 ** (-lag / 3)) == pytest.approx(3)
    assert half_life(torch.ones(10, dtype=torch.float64)) == math.inf


def test_the_inside_of_every_mamba_block_is_seen_and_only_theirs(mamba):
    """What they write is their mixer's part of the stream's change; shares of attention sum to one."""
    prompts = mamba.task.draw(PromptSource(0, "score", range(3)), 6)
    found = inside_mamba(mamba, prompts)
    assert sorted(found) == [1, 3]
    model = mamba.model.model
    stream = model.embed(prompts.inputs)
    for layer, block in enumerate(model.blocks, start=1):
        if layer in found:
            expected = block.mixer.inside(block.norm(stream))
            torch.testing.assert_close(found[layer].states, expected.states)
            shares = attention_to_examples(found[layer])
            assert shares.shape == (3, 6)
            torch.testing.assert_close(shares.sum(-1), torch.ones(3, dtype=torch.float64))
        stream = block(stream)


def means_of(values):
    """Statistics of 40 prompts whose values vary a little around these."""
    found = MeanBootstrap((len(values),))
    noise = torch.randn(40, 1, generator=torch.Generator().manual_seed(0)).double()
    found.update(range(40), torch.tensor(values, dtype=torch.float64) * (1 + 0.1 * noise))
    return found


def test_halvings_are_one_over_the_half_life_with_a_band():
    means = means_of([2 ** (-lag / 4) for lag in range(7, -1, -1)])
    found = halvings(means)
    assert 1 / found.value.item() == pytest.approx(half_life(means.estimate()))
    assert found.low <= found.value <= found.high
    assert found.value == pytest.approx(0.25)


def test_rows_name_places_and_leave_an_infinite_half_life_empty():
    flat, falling = means_of([1.0] * 4), means_of([0.1, 0.2, 0.4, 0.8])
    cosine = MeanBootstrap(())
    cosine.update(range(40), torch.full((40,), 0.5))
    rows = influence_rows(Influence(flat, falling, cosine, math.inf), {2: falling}, "m")
    steps = [one["step"] for one in rows if one["metric"] == "mean absolute derivative" and one["head"] == "model"]
    assert steps == [1, 2, 3, 4]
    lives = {(one["head"], one["layer"]): one["value"] for one in rows if one["metric"] == "half-life in examples"}
    assert math.isnan(lives["model", None])
    assert lives["least_squares", None] == pytest.approx(1)
    assert lives["mamba", 2] == pytest.approx(1)


def test_implicit_attention_is_the_mean_of_shares_over_the_score_prompts(mamba):
    pass_ = Pass(prompts=1, score=5)
    prompts = mamba.task.draw(PromptSource(0, "score", range(5)), 6)
    expected = {layer: attention_to_examples(one).mean(0) for layer, one in inside_mamba(mamba, prompts).items()}
    found = implicit_attention(mamba, pass_)
    assert sorted(found) == [1, 3]
    for layer, one in found.items():
        torch.testing.assert_close(one.estimate(), expected[layer])


def test_an_examples_share_is_that_of_its_x_and_its_y(mamba):
    prompts = mamba.task.draw(PromptSource(0, "score", range(3)), 6)
    for inside in inside_mamba(mamba, prompts).values():
        weight = inside.attention(12).abs().sum(-1).double()
        by_hand = torch.stack([weight[:, 2 * i] + weight[:, 2 * i + 1] for i in range(6)], dim=1)
        torch.testing.assert_close(attention_to_examples(inside), by_hand / weight[:, :12].sum(1, keepdim=True))
