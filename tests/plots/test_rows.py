"""Claims: a record of several checkpoints is drawn part by part, each part as that checkpoint's own picture is."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from probe.errors import ProbeError
from probe.plots import KINDS, View
from probe.plots.rows import each_model
from probe.plots.spectral import draw_spectral, spectral_figure
from probe.records import Record, load, with_dtypes

FIGURES = Path(__file__).parents[2] / "figures"
KINDS_OF_CLAIM = ("claim", "claim-known", "claim-states", "claim-influence")


def together() -> Record:
    both = [load(FIGURES / name) for name in ("claim-mamba", "claim-transformer")]
    models = both[0].provenance["models"] | both[1].provenance["models"]
    table = pd.concat([one.table for one in both], ignore_index=True)
    return Record(table, both[0].provenance | {"models": models})


def of(record: Record, model: str) -> Record:
    return Record(record.table[record.table["model"] == model], record.provenance)


def heights(part) -> list[np.ndarray]:
    return [line.get_ydata() for axes in part.axes for line in axes.get_lines()]


@pytest.mark.parametrize("kind", KINDS_OF_CLAIM)
def test_each_part_is_the_picture_of_its_checkpoint_and_bears_its_name(kind):
    record = together()
    figure = KINDS[kind]([record], View())
    assert [part.get_suptitle().split(":")[0] for part in figure.subfigs] == ["mamba", "transformer"]
    for part, model in zip(figure.subfigs, ("mamba", "transformer"), strict=True):
        alone = KINDS[kind]([of(record, model)], View())
        expected = heights(alone)
        assert len(expected) > 1
        for line, own in zip(heights(part), expected, strict=True):
            np.testing.assert_array_equal(line, own)


def spectral(*models: str) -> pd.DataFrame:
    keys = {"evidence": "spectral", "low": 0.1, "high": 0.3, "value": 0.2, "step": 1, "context": 4, "prompts": 8}
    rows = [
        keys | {"model": model, "metric": metric, "head": head, "layer": layer}
        for model in models
        for metric, head, layer in (("eigenvalue", None, None), ("response", "linear", 0), ("nonlinear", "linear", 0))
    ]
    return with_dtypes(pd.DataFrame(rows).assign(site=None, other_layer=None))


def test_a_checkpoint_with_nothing_to_draw_is_said_to_have_nothing():
    lacks = spectral("b").assign(evidence="trend")
    table = pd.concat([spectral("a"), lacks], ignore_index=True)
    figure = spectral_figure([Record(table, {"kind": "claim", "models": {"a": {}, "b": {}}})])
    assert "no such rows of b" in figure.get_suptitle().replace("\n", " ")
    assert len(figure.axes) == 2
    with pytest.raises(ProbeError, match="no rows of spectral"):
        each_model(draw_spectral, pd.concat([lacks, lacks.assign(model="c")]))


def test_a_page_of_parts_is_as_high_as_their_pages_together():
    one, _ = each_model(draw_spectral, spectral("a"))
    two, _ = each_model(draw_spectral, spectral("a", "b"))
    assert two.get_figheight() == pytest.approx(2 * one.get_figheight(), rel=0.02)
