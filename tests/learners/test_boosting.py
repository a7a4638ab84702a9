"""Claims: xgboost's regressor on each prompt; what is missing is said where it is not installed."""

import sys

import pytest

from probe.errors import ProbeError
from probe.learners import make


def test_it_agrees_with_xgboost(draw):
    xgboost = pytest.importorskip("xgboost", reason="xgboost is the optional extra boosting")
    examples, query = draw(12)
    for prompt, predicted in enumerate(make("boosting:trees=5,depth=2,rate=0.5").predict(examples, query)):
        fitted = xgboost.XGBRegressor(n_estimators=5, max_depth=2, learning_rate=0.5, n_jobs=1)
        fitted.fit(examples.x[prompt].numpy(), examples.y[prompt].numpy())
        assert predicted.item() == pytest.approx(fitted.predict(query[prompt : prompt + 1].numpy())[0])


def test_without_xgboost_the_extra_is_named(draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(
        ProbeError, match=r"needs xgboost, which is not installed\. Run pip install 'layerprobe\[boosting\]'\."
    ):
        make("boosting").predict(*draw(3))
