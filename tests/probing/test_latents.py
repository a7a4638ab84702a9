"""Claims: a latent of every token is read from the stream, and the best answers stand beside a model's."""

import pytest
import torch

import probe
from probe import ModelConfig, NativeModel, ResidualModel, from_model


def tiny(task, dim, context):
    shape = probe.make_task(task, max(dim, 1)).shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = ModelConfig("M", dim=shape.inputs, width=16, outputs=shape.outputs, symbols=shape.symbols)
        model = ResidualModel(config)
    return from_model(NativeModel(model), "tiny", task, context=context, dim=dim)


@pytest.mark.parametrize(
    ("task", "dim", "target"), [("hidden_markov", 0, "belief"), ("linear_system", 2, "kalman_mean")]
)
def test_a_latent_of_every_token_is_a_target_with_r2_and_the_best_answers_stand_beside(task, dim, target):
    found = probe.fit(
        ckpt=tiny(task, dim, 6), task=task, target=target, head="linear", context="1,6", prompts=64, score=64
    ).table
    heads = found[(found["head"] == "linear") & (found["target"] == target)]
    assert len(heads) == 4 and (heads["r2"] <= 1).all()
    assert (heads["r2_low"] < heads["r2_high"]).all()
    best = found[found["head"] == "optimal"].set_index("context")["mse"]
    own = found[found["head"] == "model"].set_index("context")["mse"]
    assert len(best) == 2 and best[6] < own[6]
    if task == "hidden_markov":
        rows = found[found["head"] == "optimal"]
        assert (rows["divergence"].abs() < 1e-6).all() and (rows["cross_entropy"] > 0.5).all()


def test_the_belief_after_one_token_is_read_from_the_embedding():
    """It depends on that token alone, so that a linear head on the read-in has it exactly."""
    found = probe.fit(
        ckpt=tiny("hidden_markov", 0, 6), task="hidden_markov", target="belief", head="linear", context="0", prompts=64,
        score=64,
    ).table  # fmt: skip
    first = found[(found["head"] == "linear") & (found["layer"] == 0)]
    assert first["r2"].item() > 1 - 1e-9
