"""Claims: a planted model computes what its algorithm says, layer by layer, and sees no later token."""

import pytest
import torch

from probe import learners
from probe.capture import NativeModel, capture, check_invariants
from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.models import ResidualModel
from probe.models.controls import planted_model
from probe.randomness import PromptSource
from probe.tasks import SkewedLinear

DIM, BLOCKS, CONTEXT = 3, 6, 8
ALGORITHMS = ["gradient", "solve", "coordinate", "gather", "open_loop", "reveal"]


@pytest.fixture(scope="module")
def prompts():
    return SkewedLinear(DIM).draw(PromptSource(0, "score", range(20)), CONTEXT)


def lens(algorithm, prompts):
    """Returns what every layer answers, [layer, batch, context]."""
    model = NativeModel(planted_model(algorithm, DIM, BLOCKS))
    found = capture(model, prompts.inputs, prompts.queries)
    return model.decode(found.stream)[..., 0]


def learned(name, prompts):
    found = learners.run(learners.make(name), prompts.x, prompts.y, prompts.contexts)
    return found.float()


def test_layer_k_of_the_gradient_stack_is_gradient_descent_after_k_steps(prompts):
    answers = lens("gradient", prompts)
    assert torch.equal(answers[0], torch.zeros_like(answers[0]))
    for steps in range(1, BLOCKS + 1):
        expected = learned(f"gd:steps={steps},rate=inverse_lipschitz", prompts)
        torch.testing.assert_close(answers[steps], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("algorithm", ["solve", "coordinate", "gather"])
def test_the_others_end_at_least_squares(algorithm, prompts):
    """At every number of examples; what is gathered in float32 solves well-conditioned prompts alone."""
    found, expected = lens(algorithm, prompts)[-1], learned("least_squares", prompts)
    inverse = torch.linalg.svdvals(prompts.x[:, :DIM]).amin(1)
    kept = inverse > 0.3 if algorithm == "gather" else inverse > 0
    assert kept.sum() > 5
    torch.testing.assert_close(found[kept], expected[kept], rtol=1e-3, atol=1e-3)


def test_each_reaches_it_by_its_own_way(prompts):
    """At once in the middle, in the last block, or by one coordinate of the solution after another."""
    final = learned("least_squares", prompts)
    solved, gathered = (lens(algorithm, prompts) for algorithm in ("solve", "gather"))
    assert solved[: BLOCKS // 2 + 1].abs().max() == 0
    torch.testing.assert_close(solved[BLOCKS // 2 + 1], final, rtol=1e-3, atol=1e-3)
    assert torch.equal(solved[-1], solved[BLOCKS // 2 + 1])
    assert gathered[:-1].abs().max() == 0
    w = prompts.parameters["w"]
    expected = torch.einsum("bcd,bd->bcd", prompts.x, w).cumsum(-1)[:, DIM:]
    answers = lens("coordinate", prompts)[:, :, DIM:]
    for block in range(1, BLOCKS + 1):
        known = block * DIM // BLOCKS
        wanted = expected[..., known - 1] if known else torch.zeros_like(answers[0])
        torch.testing.assert_close(answers[block], wanted, rtol=5e-2, atol=1e-2)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_invariants_of_capture_hold(algorithm, prompts):
    findings = check_invariants(NativeModel(planted_model(algorithm, DIM, BLOCKS)), prompts.inputs)
    assert [finding.claim for finding in findings if not finding.held] == []


def test_what_does_not_fit_is_refused():
    with pytest.raises(ProbeError, match="stream 8 wide"):
        ResidualModel(ModelConfig(layout="P[dim=3]2", dim=3, width=8))
    with pytest.raises(ProbeError, match="2 planted blocks"):
        planted_model("coordinate", 3, 2)


def test_a_reveal_answers_as_gradient_descent_and_hides_what_is_to_come(prompts):
    torch.testing.assert_close(lens("reveal", prompts), lens("gradient", prompts), rtol=1e-4, atol=1e-4)
    model = planted_model("reveal", DIM, BLOCKS)
    stream = model.blocks[0](model.embed(prompts.inputs))
    hidden = stream[:, :, 2 * DIM + 1 + DIM**2 + DIM :][..., DIM : 2 * DIM]
    following = model.blocks[1](stream)[..., DIM : 2 * DIM] - stream[..., DIM : 2 * DIM]
    torch.testing.assert_close(hidden.abs(), following.abs(), rtol=1e-4, atol=1e-5)
    agree = (hidden * following).sign()[:, prompts.queries[-1]]
    assert 0.2 < (agree > 0).double().mean() < 0.8


def test_an_open_loop_improves_at_every_block_and_reads_nothing_that_was_written(prompts):
    model = planted_model("open_loop", DIM, BLOCKS)
    errors = (lens("open_loop", prompts)[..., -1] - prompts.targets[:, -1, 0]).square().sum(1)
    assert (errors[1:] < errors[:-1]).all()
    torch.testing.assert_close(lens("open_loop", prompts)[-1], learned("least_squares", prompts), rtol=1e-3, atol=1e-3)
    stream = model.embed(prompts.inputs)
    for block in model.blocks:
        written = block(stream) - stream
        elsewhere = stream.clone()
        elsewhere[..., DIM:] = torch.randn(elsewhere[..., DIM:].shape, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(block(elsewhere) - elsewhere, written, rtol=1e-3, atol=1e-4)
        stream = stream + written
