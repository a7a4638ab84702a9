"""Claims: whitening is the solve with the noise's covariance, and without correlation it is ridge."""

import torch

from probe.learners import Examples, make


def test_the_weights_are_those_of_the_solve_with_the_whole_covariance(draw):
    examples, query = draw(7)
    apart = (torch.arange(7)[:, None] - torch.arange(7)).abs().double()
    inverse = torch.linalg.inv(0.6**apart / (1 - 0.6**2))
    normal = examples.x.mT @ inverse @ examples.x + 0.3 * torch.eye(4).double()
    w = torch.linalg.solve(normal, (examples.x.mT @ inverse @ examples.y[..., None]))[..., 0]
    learner = make("generalised_least_squares:correlation=0.6,penalty=0.3,corrected=false")
    torch.testing.assert_close(learner.predict(examples, query), (w * query).sum(-1))
    last = examples.y[:, -1] - (w * examples.x[:, -1]).sum(-1)
    corrected = make("generalised_least_squares:correlation=0.6,penalty=0.3")
    torch.testing.assert_close(corrected.predict(examples, query), (w * query).sum(-1) + 0.6 * last)


def test_without_correlation_it_is_ridge(draw):
    given, query = draw(6)
    examples = Examples(given.x, given.y, torch.full((6,), 0.3).double())
    ours = make("generalised_least_squares:correlation=0").predict(examples, query)
    torch.testing.assert_close(ours, make("ridge").predict(examples, query))


def test_it_is_the_filter_of_weights_that_stay(draw):
    """With the default penalty, for w ~ N(0, I) and noise of the stated correlation."""
    given, query = draw(9)
    examples = Examples(given.x, given.y, torch.full((6,), 0.5).double())
    ours = make("generalised_least_squares:correlation=0.7").predict(examples, query)
    theirs = make("kalman:decay=1,correlation=0.7,noise=0.5").predict(examples, query)
    torch.testing.assert_close(ours, theirs)
