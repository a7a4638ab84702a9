"""Claims: planted models that do not iterate end at least squares, or near it, each by its own way."""

import pytest
import torch

from probe.models.controls import planted_model
from probe.models.planted import planted_width
from probe.models.planted.features import EACH
from probe.randomness import PromptSource
from probe.tasks import Linear

DIM, BLOCKS, CONTEXT = 3, 6, 8


@pytest.mark.parametrize(
    "algorithm", ["solve", "early", "late", "coordinate", "gather", "open_loop", "features", "detector"]
)
def test_all_but_the_reveal_end_at_least_squares(algorithm, prompts, lens, learned):
    """At every number of examples; what is gathered in float32 solves well-conditioned prompts alone."""
    found, expected = lens(algorithm)[-1], learned("least_squares")
    inverse = torch.linalg.svdvals(prompts.x[:, :DIM]).amin(1)
    kept = inverse > 0.3 if algorithm == "gather" else inverse > 0
    assert kept.sum() > 5
    torch.testing.assert_close(found[kept], expected[kept], rtol=1e-3, atol=1e-3)


def test_each_reaches_it_by_its_own_way(prompts, lens, learned):
    """At once in the middle, in the last block, or by one coordinate of the solution after another."""
    final = learned("least_squares")
    solved, gathered = (lens(algorithm) for algorithm in ("solve", "gather"))
    assert solved[: BLOCKS // 2 + 1].abs().max() == 0
    torch.testing.assert_close(solved[BLOCKS // 2 + 1], final, rtol=1e-3, atol=1e-3)
    assert torch.equal(solved[-1], solved[BLOCKS // 2 + 1])
    assert gathered[:-1].abs().max() == 0
    w = prompts.parameters["w"]
    expected = torch.einsum("bcd,bd->bcd", prompts.x, w).cumsum(-1)[:, DIM:]
    answers = lens("coordinate")[:, :, DIM:]
    for block in range(1, BLOCKS + 1):
        known = block * DIM // BLOCKS
        wanted = expected[..., known - 1] if known else torch.zeros_like(answers[0])
        torch.testing.assert_close(answers[block], wanted, rtol=5e-2, atol=1e-2)


def test_a_reveal_answers_as_gradient_descent_and_hides_what_is_to_come(prompts, lens, learned):
    torch.testing.assert_close(lens("reveal"), lens("gradient"), rtol=1e-4, atol=1e-4)
    model = planted_model("reveal", DIM, BLOCKS)
    stream = model.blocks[0](model.embed(prompts.inputs))
    hidden = stream[:, :, 2 * DIM + 1 + DIM**2 + DIM :][..., DIM : 2 * DIM]
    following = model.blocks[1](stream)[..., DIM : 2 * DIM] - stream[..., DIM : 2 * DIM]
    torch.testing.assert_close(hidden.abs(), following.abs(), rtol=1e-4, atol=1e-5)
    agree = (hidden * following).sign()[:, prompts.queries[-1]]
    assert 0.2 < (agree > 0).double().mean() < 0.8


def test_an_open_loop_improves_at_every_block_and_reads_nothing_that_was_written(prompts, lens, learned):
    model = planted_model("open_loop", DIM, BLOCKS)
    errors = (lens("open_loop")[..., -1] - prompts.targets[:, -1, 0]).square().sum(1)
    assert (errors[1:] < errors[:-1]).all()
    torch.testing.assert_close(lens("open_loop")[-1], learned("least_squares"), rtol=1e-3, atol=1e-3)
    stream = model.embed(prompts.inputs)
    for block in model.blocks:
        written = block(stream) - stream
        elsewhere = stream.clone()
        elsewhere[..., DIM:] = torch.randn(elsewhere[..., DIM:].shape, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(block(elsewhere) - elsewhere, written, rtol=1e-3, atol=1e-4)
        stream = stream + written


@pytest.mark.parametrize(("algorithm", "solved"), [("early", 1), ("late", BLOCKS - 1), ("features", BLOCKS)])
def test_one_block_brings_the_whole_answer(algorithm, solved, lens, learned):
    answers = lens(algorithm)
    assert answers[:solved].abs().max() == 0
    torch.testing.assert_close(answers[solved], learned("least_squares"), rtol=1e-3, atol=1e-3)
    assert torch.equal(answers[-1], answers[solved])


def test_a_detector_holds_the_answers_of_gradient_descent_where_nothing_reads_them(prompts, lens):
    model, steps = planted_model("detector", DIM, BLOCKS), lens("gradient")
    place = planted_width(DIM, "detector", BLOCKS) - 2
    stream = model.embed(prompts.inputs)
    for layer, block in enumerate(model.blocks, start=1):
        elsewhere = stream.clone()
        elsewhere[..., place] += 1.0
        torch.testing.assert_close(block(elsewhere) - elsewhere, block(stream) - stream, rtol=1e-3, atol=1e-4)
        stream = block(stream)
        torch.testing.assert_close(stream[:, prompts.queries, place], steps[layer], rtol=1e-4, atol=1e-4)
    assert lens("detector")[:-1].abs().max() == 0
    assert model.read_out.weight[0, place] == 0


def test_random_features_tell_heads_more_and_more_though_no_block_answers():
    """What a linear fit on the features of the blocks so far leaves of the answer, on fresh prompts."""
    model = planted_model("features", 5, 10)
    streams = []
    for purpose in ("fit", "score"):
        drawn = Linear(5).draw(PromptSource(0, purpose, range(3000)), 15)
        stream = model.embed(drawn.inputs)
        for block in model.blocks[:-1]:
            stream = block(stream)
        streams.append((stream[:, drawn.queries[-1]].double(), drawn.targets[:, -1, 0].double()))
    (fit, wanted), (held, target) = streams
    start, left = 2 * 5 + 1 + 5**2 + 5, []
    for blocks in (1, 4, 9):
        columns = slice(start, start + EACH * blocks)
        weights = torch.linalg.lstsq(fit[:, columns], wanted[:, None]).solution
        left.append(float(((held[:, columns] @ weights)[:, 0] - target).square().mean() / target.square().mean()))
    assert left[0] > 1.2 * left[1]
    assert left[1] > 1.1 * left[2]
    assert left[2] < 0.5
