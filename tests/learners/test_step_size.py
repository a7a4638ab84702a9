"""Claims: the steps by the Hessian's eigenvalues, and none where it is 0."""

import pytest
import torch

from probe.learners.step_size import step_size

HESSIANS = torch.stack([torch.diag(torch.tensor(row).double()) for row in ([3.0, 1.0], [0.0, 4.0], [0.0, 0.0])])


@pytest.mark.parametrize(
    ("rate", "expected"), [("optimal", [0.5, 0.5, 0]), ("inverse_lipschitz", [1 / 3, 0.25, 0]), (0.7, [0.7] * 3)]
)
def test_the_step_of_each_prompt(rate, expected):
    assert step_size(HESSIANS, rate).flatten().tolist() == pytest.approx(expected)


def test_a_prompt_that_diverged_has_no_step_and_stops_no_other():
    hessians = HESSIANS.clone()
    hessians[0, 0, 0] = torch.inf
    assert step_size(hessians, "optimal").isnan().flatten().tolist() == [True, False, False]
