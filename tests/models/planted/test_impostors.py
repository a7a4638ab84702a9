"""Claims: planted models that do not iterate end at least squares, or near it, each by its own way."""

from itertools import pairwise

import pytest
import torch

from probe.models.controls import planted_model
from probe.models.planted import planted_width
from probe.models.planted.features import EACH
from probe.randomness import PromptSource
from probe.tasks import Linear

DIM, BLOCKS, CONTEXT = 3, 6, 8


@pytest.mark.parametrize(
    "algorithm",
    [
        "solve",
        "early",
        "late",
        "coordinate",
        "gather",
        "open_loop",
        "features",
        "detector",
        "overwrite",
        "partial",
        "bystander",
        "beside",
        "repair",
    ],
)
def test_all_but_reveals_and_means_end_at_least_squares(algorithm, prompts, lens, learned):
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


def steps_of(model, prompts):
    """Returns the streams of every layer, and what each block writes where all but the token is exchanged."""
    streams, elsewhere = [model.embed(prompts.inputs)], []
    noise = torch.Generator().manual_seed(0)
    for block in model.blocks:
        other = streams[-1].clone()
        other[..., DIM:] = torch.randn(other[..., DIM:].shape, generator=noise)
        elsewhere.append(block(other)[..., DIM : 2 * DIM])
        streams.append(block(streams[-1]))
    return streams, elsewhere


@pytest.mark.parametrize("algorithm", ["overwrite", "repair"])
def test_what_is_written_over_the_last_answer_does_not_depend_on_it(algorithm, prompts):
    streams, elsewhere = steps_of(planted_model(algorithm, DIM, BLOCKS), prompts)
    for layer in range(3, BLOCKS + 1):
        torch.testing.assert_close(elsewhere[layer - 1], streams[layer][..., DIM : 2 * DIM], rtol=1e-3, atol=1e-4)


def test_what_is_written_over_answers_as_the_open_loop_does_and_a_repair_answers_from_its_block_on(lens, learned):
    torch.testing.assert_close(lens("overwrite"), lens("open_loop"), rtol=1e-3, atol=1e-3)
    repair = lens("repair")
    assert repair[:3].abs().max() == 0
    for layer in range(3, BLOCKS + 1):
        torch.testing.assert_close(repair[layer], learned("least_squares"), rtol=1e-3, atol=1e-3)


def test_partial_data_answers_as_least_squares_on_the_first_pairs(prompts, lens):
    answers = lens("partial")[:, :, -1]
    for layer in range(1, BLOCKS):
        pairs = -(-layer * DIM // BLOCKS)
        solved = torch.linalg.pinv(prompts.x[:, :pairs].double()) @ prompts.y[:, :pairs, None].double()
        expected = (solved[..., 0] * prompts.x[:, -1].double()).sum(-1).float()
        torch.testing.assert_close(answers[layer], expected, rtol=1e-3, atol=1e-3)


def test_a_mean_of_estimates_grows_by_parts_whose_errors_are_strangers(prompts):
    model = planted_model("average", DIM, BLOCKS)
    streams, _ = steps_of(model, prompts)
    place = prompts.queries[-1]
    parts = [BLOCKS * (after - before)[:, place, DIM : 2 * DIM] for before, after in pairwise(streams)]
    errors = torch.stack(parts) - prompts.parameters["w"]
    alike = torch.einsum("lbd,mbd->lm", errors, errors) / errors[0].numel()
    assert alike.diagonal().sub(0.64).abs().max() < 0.3
    assert (alike - alike.diagonal().diag()).abs().max() < 0.3


@pytest.mark.parametrize("algorithm", ["bystander", "beside"])
def test_an_answer_at_hand_gets_better_and_reaches_no_output(algorithm, prompts, lens, learned):
    """A push into it stays where it is moved about, and the model answers as before."""
    model, steps = planted_model(algorithm, DIM, BLOCKS), lens("gradient")
    width, place = planted_width(DIM, algorithm, BLOCKS), prompts.queries
    stream = model.embed(prompts.inputs)
    for layer, block in enumerate(model.blocks, start=1):
        stream = block(stream)
        column = width - 2 if algorithm == "beside" else width - 3 + (layer - 1) % 2
        torch.testing.assert_close(stream[:, place, column], steps[layer], rtol=1e-3, atol=1e-3)
        if layer == 2:
            pushed = stream.clone()
            pushed[..., width - 3 - DIM * (algorithm == "beside") : width - 1] += 1.0
    for block in model.blocks[2:]:
        pushed = block(pushed)
    torch.testing.assert_close(model.decode(pushed), model.decode(stream))
    moved = (pushed - stream)[:, place[-1], column]
    assert moved.abs().min() > 0.9 if algorithm == "bystander" else 0 < moved.square().mean() < 0.9


def test_steps_hidden_at_context_tokens_are_what_a_query_uncovers(prompts, lens):
    torch.testing.assert_close(lens("reveal_at_pairs"), lens("gradient"), rtol=1e-3, atol=1e-3)
    model = planted_model("reveal_at_pairs", DIM, BLOCKS)
    stream = model.blocks[0](model.embed(prompts.inputs))
    memory = stream[..., 2 * DIM + 1 : -1]
    assert memory[:, ::2].abs().max() == 0
    emptied = stream.clone()
    emptied[:, 1::2, 2 * DIM + 1 : -1] = 0
    for block in model.blocks[1:]:
        emptied = block(emptied)
    torch.testing.assert_close(model.decode(emptied)[:, prompts.queries, 0], lens("reveal_at_pairs")[1])
