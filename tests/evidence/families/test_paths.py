"""Claims: each family is the algorithm it is named after, and contains those that are special cases of it."""

import pytest
import torch

from probe.evidence.families import FAMILIES
from probe.evidence.families.family import FASTEST
from probe.evidence.families.gd import even
from probe.evidence.families.moments import moments
from probe.learners import Examples, LeastSquares
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
        assert len(told["rate"]) == BLOCKS
        assert all(0 < rate < FASTEST for rate in told["rate"])
