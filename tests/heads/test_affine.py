"""Claims: scale and shift are least squares, prompt by prompt, and defined where nothing varies."""

import numpy as np
import torch

from probe.heads.affine import apply, fit_affine


def test_scale_and_shift_are_least_squares_for_each_prompt():
    generator = torch.Generator().manual_seed(0)
    predicted = torch.randn(3, 4, 10, generator=generator) + 2
    target = torch.randn(3, 4, 10, generator=generator) - 0.5 * predicted
    scale, shift = fit_affine(predicted, target)
    for place in np.ndindex(3, 4):
        expected = np.polyfit(predicted[place].double(), target[place].double(), 1)
        np.testing.assert_allclose([scale[place], shift[place]], expected, rtol=1e-9)


def test_an_affine_relation_is_recovered_and_applied():
    predicted = torch.randn(5, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    target = 3 * predicted - 7
    scale, shift = fit_affine(predicted, target)
    torch.testing.assert_close(apply(predicted, scale, shift), target)


def test_predictions_that_do_not_vary_get_the_mean():
    target = torch.randn(2, 6, generator=torch.Generator().manual_seed(2))
    for constant in (0.0, 0.1, 1e5 + 0.1):
        scale, shift = fit_affine(torch.full((2, 6), constant), target)
        assert (scale == 0).all()
        torch.testing.assert_close(shift, target.double().mean(-1))


def test_one_query_gets_its_own_target():
    scale, shift = fit_affine(torch.tensor([[2.0]]), torch.tensor([[5.0]]))
    assert scale.item() == 0
    assert shift.item() == 5
