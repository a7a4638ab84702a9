"""Claims: scikit-learn's nearest neighbours, and all examples where there are fewer."""

import pytest
from sklearn.neighbors import KNeighborsRegressor

from probe.learners import NearestNeighbours, make


@pytest.mark.parametrize(("count", "neighbours"), [(9, 1), (9, 3), (9, 5), (4, 4)])
def test_it_agrees_with_scikit_learn(draw, count, neighbours):
    examples, query = draw(count)
    for prompt, predicted in enumerate(make(f"knn:neighbours={neighbours}").predict(examples, query)):
        fitted = KNeighborsRegressor(neighbours).fit(examples.x[prompt], examples.y[prompt])
        assert predicted.item() == pytest.approx(fitted.predict(query[prompt : prompt + 1])[0])


def test_with_fewer_examples_it_averages_them_all(draw):
    examples, query = draw(2)
    assert NearestNeighbours().predict(examples, query).tolist() == pytest.approx(examples.y.mean(1).tolist())
