"""Claims: each family is the algorithm it is named after, and contains those that are special cases of it."""

from math import exp

import pytest
import torch

from probe.evidence.families import FAMILIES
from probe.evidence.families.family import FASTEST
from probe.evidence.families.gd import even
from probe.evidence.families.moments import moments
from probe.learners import Examples, LeastSquares, Ridge
from probe.learners.gd import GradientDescent

BLOCKS = 5


@pytest.fixture
def examples():
    drawn = torch.Generator().manual_seed(0)
    x = torch.randn(6, 9, 3, generator=drawn, dtype=torch.float64)
    return Examples(x, torch.einsum("pnd,pd->pn", x, torch.randn(6, 3, generator=drawn, dtype=torch.float64)))


def path(name, numbers, examples):
    return torch.stack(FAMILIES[name].path(numbers, moments(examples), BLOCKS))


def with_one(rate, number):
    return torch.cat([even(BLOCKS, rate), torch.tensor([number], dtype=torch.float64)])


def test_a_rate_of_one_is_gradient_descent_by_the_largest_eigenvalue(examples):
    expected = GradientDescent(steps=BLOCKS, rate="inverse_lipschitz").iterates(examples)
    torch.testing.assert_close(path("gd_per_block", even(BLOCKS, 1.0), examples), expected)


@pytest.mark.parametrize(
    ("name", "number"), [("momentum", -60.0), ("gd_plus_plus_per_block", -60.0), ("recency_gd", 60.0)]
)
def test_families_with_one_number_more_contain_gradient_descent(name, number, examples):
    plain = path("gd_per_block", even(BLOCKS, 0.8), examples)
    torch.testing.assert_close(path(name, with_one(0.8, number), examples), plain)
    assert not torch.allclose(path(name, with_one(0.8, 0.0), examples)[2:], plain[2:], rtol=1e-2)


def test_a_preconditioner_of_one_is_gradient_descent_at_shared_rates(examples):
    numbers = torch.cat([even(BLOCKS, 0.8), torch.eye(3, dtype=torch.float64).flatten()])
    torch.testing.assert_close(
        path("preconditioned_gd", numbers, examples), path("gd_shared_rates", even(BLOCKS, 0.8), examples)
    )


def test_polyaks_ball_keeps_its_last_change(examples):
    found = path("momentum", with_one(0.8, 0.0), examples)
    given = moments(examples)
    step = 0.8 / given.largest * given.descent(found[2])
    torch.testing.assert_close(found[3], found[2] + step + 0.5 * (found[2] - found[1]))


def test_old_examples_count_less_and_the_limit_is_weighted_least_squares(examples):
    numbers = with_one(1.0, torch.logit(torch.tensor(0.7)).item())
    noisy = Examples(examples.x, examples.y + torch.randn(6, 9, generator=torch.Generator().manual_seed(1)))
    blocks = 4000
    many = torch.cat([even(blocks, 1.0), numbers[-1:]])
    found = FAMILIES["recency_gd"].path(many, moments(noisy), blocks)[-1]
    root = 0.7 ** (torch.arange(8, -1, -1, dtype=torch.float64) / 2)
    expected = LeastSquares().weights(Examples(noisy.x * root[:, None], noisy.y * root))
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_behind_a_mask_a_pair_is_corrected_by_the_pairs_up_to_it_alone(examples):
    found, given = path("causal_gd", even(BLOCKS, 0.8), examples), moments(examples)
    torch.testing.assert_close(found[1], 0.8 / given.unit * given.correlation)
    rate, second = 0.8 / given.unit, torch.zeros_like(found[1])
    for last in range(9):
        before = rate * torch.einsum("pnd,pn->pd", given.x[:, : last + 1], given.y[:, : last + 1])
        left = given.y[:, last] - (before * given.x[:, last]).sum(-1)
        second += rate * left[:, None] * given.x[:, last]
    torch.testing.assert_close(found[2], found[1] + second)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_starts_at_zero_and_says_its_numbers(name, examples):
    family = FAMILIES[name]
    for start in family.starts(BLOCKS, 3):
        found = path(name, start, examples)
        assert found.shape == (BLOCKS + 1, 6, 3)
        assert found[0].abs().max() == 0
        assert found.isfinite().all()
        told = family.told(start, BLOCKS)
        of_blocks = told.get("rate", told.get("penalty"))
        assert len(of_blocks) == BLOCKS
        assert all(0 < one < FASTEST for one in of_blocks)


def test_a_ridge_a_block_is_ridge_regression_with_its_penalty(examples):
    found, given = path("ridge_per_block", torch.linspace(1.0, -4.0, BLOCKS).double(), examples), moments(examples)
    for block, logarithm in enumerate(torch.linspace(1.0, -4.0, BLOCKS).tolist(), start=1):
        expected = Ridge(penalty=given.unit * exp(logarithm)).weights(examples)
        torch.testing.assert_close(found[block], expected)


def test_decay_ends_at_a_ridge_solution_and_without_it_is_gradient_descent(examples):
    given = moments(examples)
    long = torch.stack(FAMILIES["gd_with_decay"].path(torch.cat([even(4000, 1.0), torch.tensor([-2.0])]), given, 4000))
    torch.testing.assert_close(long[-1], Ridge(penalty=given.unit * exp(-2.0)).weights(examples))
    plain = path("gd_per_block", even(BLOCKS, 0.8), examples)
    torch.testing.assert_close(path("gd_with_decay", with_one(0.8, -60.0), examples), plain)


def test_inputs_that_are_transformed_lose_what_they_have_most_of(examples):
    found, given = path("gd_plus_plus_per_block", with_one(0.8, 0.0), examples), moments(examples)
    basis = torch.eye(3).double() - 0.5 * given.hessian / given.largest[..., None]
    moved = torch.einsum("pij,pkj,pk->pi", basis, basis, given.descent(found[1]))
    torch.testing.assert_close(found[2], found[1] + 0.8 / given.largest * moved)
