"""Claims: each point is predicted from the points before it, with what the task tells of them."""

from dataclasses import dataclass

import torch

from probe.learners import Examples, Learner, LeastSquares, run


@dataclass(frozen=True)
class Sum(Learner):
    """Adds up the clean y, the noise and the query."""

    def predict(self, examples, query):
        return (examples.y * examples.clean).sum(-1) + examples.noise + query.sum(-1)


def test_a_point_is_predicted_from_those_before_it():
    y, clean = torch.tensor([[1.0, 10.0, 100.0]]), torch.tensor([[True, False, True]])
    x = torch.tensor([[[1000.0], [2000.0], [3000.0]]])
    predicted = run(Sum(), x, y, [0, 2, 1], torch.tensor([0.5]), clean)
    assert predicted.tolist() == [[1000.5, 3001.5, 2001.5]]


def test_it_is_the_learner_context_by_context():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(3, 5, 2, generator=generator), torch.randn(3, 5, generator=generator)
    predicted = run(LeastSquares(), x, y, range(5))
    for context in range(5):
        alone = LeastSquares().predict(Examples(x[:, :context], y[:, :context]), x[:, context])
        assert torch.equal(predicted[:, context], alone)
