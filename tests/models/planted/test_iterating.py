"""Claims: planted models that iterate answer at every layer what theory says, and read what was written before."""

from math import cos, pi

import pytest
import torch

from probe import learners
from probe.capture import NativeModel, capture
from probe.errors import ProbeError
from probe.models.controls import model_of, planted_model
from probe.models.planted.preconditioned import Preconditioned
from probe.models.planted.recency import KEPT
from probe.models.planted.shared_error import SharedError
from probe.models.planted.way import Seen

DIM, BLOCKS, CONTEXT = 3, 6, 8
ITERATING = [
    "gradient", "decreasing", "chebyshev", "momentum", "two_blocks", "alternating", "at_end", "newton", "higher_order",
    "recency", "shared_error", "preconditioned", "pausing", "decay",
]  # fmt: skip
OTHERS = [
    "solve", "early", "late", "coordinate", "gather", "open_loop", "reveal", "features", "detector",
    "partial", "average", "bystander", "beside", "reveal_at_pairs",
]  # fmt: skip


def momentum(eigenvalue, steps):
    """Returns the share of w* that the heavy ball has, by its recurrence for the share that is missing."""
    before = now = torch.ones_like(eigenvalue)
    for _ in range(steps):
        before, now = now, (1 - eigenvalue) * now + 0.5 * (now - before)
    return 1 - now


def by_rates(rates):
    return lambda eigenvalue, steps: 1 - torch.stack([1 - rate * eigenvalue for rate in rates[:steps]]).prod(0)


ROOTS = [cos(pi / 6), cos(pi / 2), cos(5 * pi / 6)]
RESPONSES = {
    "gradient": by_rates([1.0] * BLOCKS),
    "decreasing": by_rates([1.5, 1.26, 1.02, 0.78, 0.54, 0.3]),
    "chebyshev": by_rates([1 / (0.625 + 0.375 * root) for root in ROOTS] * 2),
    "momentum": momentum,
    "newton": lambda eigenvalue, steps: 1 - (1 - eigenvalue**2) ** (2 ** (steps - 1)),
    "higher_order": lambda eigenvalue, steps: 1 - (1 - eigenvalue**2) ** (3 ** (steps - 1)),
}
"""The share of w* along an eigenvector of X'X, by its eigenvalue over the largest, after so many steps."""


@pytest.mark.parametrize("algorithm", RESPONSES)
def test_every_layer_has_the_share_of_w_that_theory_says_along_every_eigenvector(algorithm, lens, prompts):
    x, w = prompts.x.double(), prompts.parameters["w"].double()
    for context in (2, CONTEXT):
        seen = x[:, :context]
        values, vectors = torch.linalg.eigh(seen.mT @ seen)
        values = (values / values[:, -1:]).clamp(min=0)
        along = torch.einsum("bij,bi->bj", vectors, w)
        asked = torch.einsum("bij,bi->bj", vectors, x[:, context])
        for steps in range(1, BLOCKS + 1):
            expected = (RESPONSES[algorithm](values, steps) * along * asked).sum(-1)
            found = lens(algorithm)[steps][:, list(prompts.contexts).index(context)]
            torch.testing.assert_close(found, expected.float(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("algorithm", "learner"), [("gradient", "gd:rate=inverse_lipschitz,"), ("newton", "newton:")])
def test_layer_k_answers_as_the_learner_after_k_steps(algorithm, learner, lens, learned):
    answers = lens(algorithm)
    assert torch.equal(answers[0], torch.zeros_like(answers[0]))
    for steps in range(1, BLOCKS + 1):
        torch.testing.assert_close(answers[steps], learned(f"{learner}steps={steps}"), rtol=1e-3, atol=1e-3)


def test_of_two_blocks_the_first_only_prepares(lens):
    steps, answers = lens("gradient"), lens("two_blocks")
    for block in range(BLOCKS + 1):
        torch.testing.assert_close(answers[block], steps[block // 2], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("blocks", [BLOCKS, BLOCKS - 1])
def test_the_answer_that_alternates_is_that_of_gradient_descent_with_either_sign(blocks, lens):
    steps, answers = lens("gradient", blocks), lens("alternating", blocks)
    signs = torch.tensor([1.0, -1.0]).repeat(blocks)[: blocks + 1]
    torch.testing.assert_close(answers * signs[:, None, None] * signs[-1], steps, rtol=1e-4, atol=1e-4)


def test_an_answer_at_the_end_is_there_at_the_end_alone_and_its_weights_before(lens, prompts):
    answers = lens("at_end")
    assert answers[:-1].abs().max() == 0
    torch.testing.assert_close(answers[-1], lens("gradient")[-1], rtol=1e-4, atol=1e-4)
    plain, late = (planted_model(name, DIM, BLOCKS) for name in ("gradient", "at_end"))
    streams = [model.embed(prompts.inputs) for model in (plain, late)]
    for blocks in zip(plain.blocks, late.blocks, strict=True):
        streams = [block(stream) for block, stream in zip(blocks, streams, strict=True)]
        torch.testing.assert_close(streams[1][..., DIM : 2 * DIM], streams[0][..., DIM : 2 * DIM])


def test_recency_is_gradient_descent_on_pairs_that_are_scaled_by_their_age(lens, prompts):
    scale = KEPT ** (torch.arange(CONTEXT - 1, -1, -1.0) / 2)
    x, y = prompts.x.clone(), prompts.y.clone()
    x[:, :CONTEXT] *= scale[:, None]
    y[:, :CONTEXT] *= scale
    answers = lens("recency")
    for steps in range(1, BLOCKS + 1):
        rule = learners.make(f"gd:steps={steps},rate=inverse_lipschitz")
        expected = learners.run(rule, x, y, [CONTEXT])[:, 0].float()
        torch.testing.assert_close(answers[steps][:, -1], expected, rtol=1e-3, atol=1e-3)
    assert (answers[-1] - lens("gradient")[-1]).abs().max() > 0.05


def test_a_shared_error_is_gradient_descent_towards_weights_that_differ_by_a_tenth(lens, prompts):
    token = prompts.inputs.double()
    seen = Seen(token, token, token[..., :1], token)
    error = SharedError(DIM, BLOCKS, 0).error(seen)[:, 0]
    assert 0.07 < error.square().mean().sqrt() < 0.13
    assert torch.equal(error, SharedError(DIM, BLOCKS, 5).error(seen)[:, 0]), "all blocks share it"
    assert len(error.unique(dim=0)) == len(error), "every prompt has its own"
    y = prompts.y + torch.einsum("bnd,bd->bn", prompts.x, error.float())[:, : prompts.y.shape[1]]
    for steps in range(1, BLOCKS + 1):
        rule = learners.make(f"gd:steps={steps},rate=inverse_lipschitz")
        expected = learners.run(rule, prompts.x, y, prompts.contexts).float()
        torch.testing.assert_close(lens("shared_error")[steps], expected, rtol=1e-3, atol=1e-3)


def pushed(algorithm, prompts):
    """Returns by how much the last layer's weights move, over how much those after two blocks were moved."""
    model, blocks = planted_model(algorithm, DIM, BLOCKS), BLOCKS
    stream = model.embed(prompts.inputs)
    for block in model.blocks[:2]:
        stream = block(stream)
    push = torch.zeros_like(stream)
    push[..., DIM : 2 * DIM] = torch.randn(len(stream), 1, DIM, generator=torch.Generator().manual_seed(0))
    moved = stream + push
    for block in model.blocks[2:blocks]:
        stream, moved = block(stream), block(moved)
    last = (moved - stream)[:, prompts.queries[-1], DIM : 2 * DIM]
    return last.square().sum() / push[:, 0].square().sum()


def test_a_preconditioned_descent_is_plain_descent_in_coordinates_that_the_matrix_stretches(lens, prompts):
    """With P = A A', steps of A'(X'X)A: on inputs A'x, by the step size that the inputs themselves give."""
    x, y = prompts.x[:, :CONTEXT].double(), prompts.y[:, :CONTEXT].double()
    asked = prompts.x[:, CONTEXT].double()
    matrix = Preconditioned(DIM, BLOCKS, 0).matrix()
    values, vectors = torch.linalg.eigh(matrix)
    torch.testing.assert_close(values, torch.tensor([0.4, 1.0, 1.6], dtype=torch.float64))
    root = vectors * values.sqrt() @ vectors.mT
    length = torch.linalg.eigvalsh(x.mT @ x)[:, -1:]
    v = torch.zeros_like(asked)
    for steps in range(1, BLOCKS + 1):
        residual = y - torch.einsum("bnd,bd->bn", x @ root, v)
        v = v + torch.einsum("bn,bnd->bd", residual, x @ root) / length
        expected = torch.einsum("bd,bd->b", v @ root, asked).float()
        torch.testing.assert_close(lens("preconditioned")[steps][:, -1], expected, rtol=1e-3, atol=1e-3)
    other = planted_model("preconditioned", DIM, BLOCKS, seed=2)(prompts.inputs)
    assert (other - planted_model("preconditioned", DIM, BLOCKS)(prompts.inputs)).abs().max() > 0.05


def test_a_descent_that_pauses_steps_at_every_other_block_and_does_nothing_between(lens):
    steps, answers = lens("gradient"), lens("pausing")
    for block in range(BLOCKS + 1):
        torch.testing.assert_close(answers[block], steps[(block + 1) // 2], rtol=1e-4, atol=1e-4)


def test_a_descent_with_decay_approaches_the_ridge_solution_and_not_least_squares(lens, learned):
    answers, ridge, squares = lens("decay", 60)[-1], learned("ridge:penalty=1"), learned("least_squares")
    torch.testing.assert_close(answers[:, -1], ridge[:, -1], rtol=1e-2, atol=1e-2)
    assert (ridge - squares)[:, -1].abs().max() > 0.05


@pytest.mark.parametrize("algorithm", ["momentum", "newton", "open_loop", "reveal"])
def test_in_a_turned_stream_every_layer_answers_as_in_the_one_as_described(algorithm, prompts, lens):
    turned = NativeModel(model_of(f"P[algorithm={algorithm},dim={DIM},basis=3]{BLOCKS}"))
    stream = capture(turned, prompts.inputs, prompts.queries).stream
    torch.testing.assert_close(turned.decode(stream)[..., 0], lens(algorithm), rtol=1e-2, atol=1e-3)
    assert (stream[1:] - stream[:-1])[:-1].abs().mean((1, 2)).gt(1e-3).all(), "no coordinate is left alone"


def test_blocks_of_one_model_stand_in_one_basis():
    with pytest.raises(ProbeError, match="basis=1 and basis=2"):
        model_of("P[dim=3,basis=1]P[dim=3,basis=2]")


@pytest.mark.parametrize("algorithm", ITERATING)
def test_what_iterates_takes_back_what_is_pushed_into_its_weights(algorithm, prompts):
    assert pushed(algorithm, prompts) < 0.7


@pytest.mark.parametrize("algorithm", ["overwrite", "repair"])
def test_what_writes_over_what_stands_there_leaves_nothing_of_a_push(algorithm, prompts):
    assert pushed(algorithm, prompts) < 1e-6


@pytest.mark.parametrize("algorithm", OTHERS)
def test_what_does_not_iterate_carries_it_along(algorithm, prompts):
    torch.testing.assert_close(pushed(algorithm, prompts), torch.tensor(1.0), rtol=1e-4, atol=1e-4)


def test_residuals_at_the_pairs_take_the_steps_of_causal_linear_attention(lens, prompts):
    """By the triangle of Gram's matrix, in which no example knows a later one."""
    x, y, asked = prompts.x[:, :CONTEXT].double(), prompts.y[:, :CONTEXT].double(), prompts.x[:, CONTEXT].double()
    rate, triangle = 0.25 / DIM, torch.tril(x @ x.mT)
    residual, w = y.clone(), torch.zeros_like(asked)
    for steps in range(1, BLOCKS + 1):
        w = w + rate * torch.einsum("bn,bnd->bd", residual, x)
        residual = residual - rate * torch.einsum("bnm,bm->bn", triangle, residual)
        expected = (w * asked).sum(-1).float()
        torch.testing.assert_close(lens("at_pairs")[steps][:, -1], expected, rtol=1e-3, atol=1e-3)


def test_what_is_pushed_at_the_query_stays_and_what_is_pushed_at_the_pairs_is_taken_back(prompts):
    """Their residuals are what runs: a push into them makes later changes others, one into the weights does not."""
    assert pushed("at_pairs", prompts) == pytest.approx(1.0, rel=1e-4)
    model = planted_model("at_pairs", DIM, BLOCKS)
    stream = moved = model.embed(prompts.inputs)
    moved = moved.clone()
    moved[:, 1::2, -2] += 1.0
    sizes = []
    for block in model.blocks:
        stream, moved = block(stream), block(moved)
        sizes.append(float((moved - stream)[:, 1::2, -2].square().mean()))
    assert sizes[-1] < 0.5
    assert (moved - stream)[:, prompts.queries[-1], 2 * DIM].abs().max() > 0.1
