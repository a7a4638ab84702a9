"""Claims: scikit-learn's greedy tree on each prompt, of a depth or grown to leaves of one value."""

import pytest
import torch
from sklearn.tree import DecisionTreeRegressor

from probe.learners import Tree, make


@pytest.mark.parametrize("depth", [2, 4])
def test_it_agrees_with_scikit_learn(draw, depth):
    examples, query = draw(12)
    for prompt, predicted in enumerate(Tree(depth).predict(examples, query)):
        tree = DecisionTreeRegressor(max_depth=depth, random_state=0).fit(examples.x[prompt], examples.y[prompt])
        assert predicted.item() == tree.predict(query[prompt : prompt + 1])[0]


def test_without_a_depth_it_recalls_its_examples(draw):
    examples, _ = draw(12)
    assert torch.equal(make("tree:depth=none").predict(examples, examples.x[:, 3]), examples.y[:, 3])
    assert not torch.equal(make("tree:depth=2").predict(examples, examples.x[:, 3]), examples.y[:, 3])
