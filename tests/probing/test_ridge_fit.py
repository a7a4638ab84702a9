"""Claims: heads for several targets at once are those that are fitted to each target alone."""

import torch

from probe.heads import Moments, SelectionErrors, solve_path
from probe.probing.ridge_fit import Fitting


def test_heads_fitted_together_are_those_fitted_apart():
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(2, 3, 6, 3, generator=generator)
    fitting = Fitting()
    moments, batches = {"a": Moments((2, 3), 6, 1), "b": Moments((2, 3), 6, 2)}, []
    for purpose, rows in (("fit", 30), ("fit", 20), ("select", 25)):
        stream = torch.randn(2, rows, 3, 6, generator=generator)
        noisy = torch.einsum("lbcw,lcwt->bct", stream, mixing) + torch.randn(rows, 3, 3, generator=generator)
        targets = {"a": noisy[..., :1], "b": noisy[..., 1:]}
        batches.append((stream, targets))
        fitting.update(purpose, stream, targets)
    for stream, targets in batches[:2]:
        for name, one in moments.items():
            one.update(stream, targets[name])
    found = fitting.solve()
    for name, one in moments.items():
        errors = SelectionErrors(solve_path(one))
        errors.update(batches[2][0], batches[2][1][name])
        expected = errors.path.choose(errors.best())
        torch.testing.assert_close(found[name].penalty, expected.penalty)
        torch.testing.assert_close(found[name].weight, expected.weight)
        torch.testing.assert_close(found[name].intercept, expected.intercept)
    assert found["a"].penalty.unique().numel() > 1
