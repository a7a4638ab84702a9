"""Claims: the inputs are put together again, and a singular value that is rounding alone is 0."""

import torch

from probe.learners.singular import decompose


def test_the_factors_are_those_of_the_inputs(draw):
    examples, _ = draw(9)
    left, values, right = decompose(examples.x)
    assert torch.allclose(left @ torch.diag_embed(values) @ right, examples.x)
    assert (values > 0).all()


def test_repeated_inputs_have_one_singular_value(draw):
    examples, _ = draw(1)
    _, values, _ = decompose(examples.x.expand(-1, 5, -1) * torch.arange(1.0, 6.0)[None, :, None])
    assert ((values > 0).sum(-1) == 1).all()
    assert decompose(examples.x[:, :0])[1].shape == (6, 0)
