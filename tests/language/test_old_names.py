"""The old names of the language commands work for one version, with models and a tokenizer at hand."""

import pytest

import probe
from probe.config import EvaluateConfig, FitConfig
from probe.records import with_dtypes


def test_models_and_a_tokenizer_are_given_as_they_were(language, tokenizer):
    found = language.checkpoint(language.random("M1", len(tokenizer)))
    config = EvaluateConfig(ckpt=(), task="to_upper", prompts=32, context=1, kernel="reference")
    with pytest.warns(DeprecationWarning, match=r"is called probe\.evaluate now"):
        old = getattr(probe, "evaluate_language")(config, models=[found], tokenizer=tokenizer)  # noqa: B009
    assert set(old.table["task"]) == {"to_upper"}
    new = probe.evaluate(config, ckpt=found, tokenizer=tokenizer)
    assert new.table.equals(with_dtypes(old.table))
    assert isinstance(new, probe.EvaluateResult)
    fit = FitConfig(ckpt=(), task="to_upper", head=("lens",), context="1", score=32, kernel="reference")
    with pytest.warns(DeprecationWarning, match=r"is called probe\.fit now"):
        old = getattr(probe, "language_layers")(fit, models=[found], tokenizer=tokenizer)  # noqa: B009
    assert probe.fit(fit, ckpt=[found], tokenizer=tokenizer).table.equals(with_dtypes(old.table))
    with pytest.raises(probe.ProbeError, match="without its tokenizer"):
        probe.evaluate(config, ckpt=found)
