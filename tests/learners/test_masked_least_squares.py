"""Claims: outliers count for nothing, and not knowing them is refused."""

from dataclasses import replace

import pytest
import torch

from probe.errors import ProbeError
from probe.learners import Examples, LeastSquares, MaskedLeastSquares


@pytest.mark.parametrize("kept", [0, 2, 4, 7])
def test_it_is_least_squares_on_the_clean_examples(draw, kept):
    examples, _ = draw(9)
    order = torch.rand(6, 9, generator=torch.Generator().manual_seed(kept)).argsort(-1)
    clean = order < kept
    weights = MaskedLeastSquares().weights(replace(examples, clean=clean))
    only = Examples(examples.x[clean].reshape(6, kept, 4), examples.y[clean].reshape(6, kept))
    assert torch.allclose(weights, LeastSquares().weights(only), rtol=1e-9, atol=1e-11)


def test_it_needs_to_know_the_outliers(draw):
    with pytest.raises(ProbeError, match="needs to know which are clean"):
        MaskedLeastSquares().weights(draw(3)[0])
