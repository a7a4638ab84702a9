"""Claims: what acts is exchanged completely, what is only decoded is not, and what was not meant stays as it was."""

import pytest

from probe.evidence.causes import about
from probe.evidence.causes.completeness import counterfactual


@pytest.fixture(scope="module")
def found(planted):
    def of(algorithm):
        experiment, pass_, heads = planted(algorithm)
        return counterfactual(experiment, heads, pass_).rows(about(experiment, pass_))

    known = {}
    return lambda algorithm: known.setdefault(algorithm, of(algorithm))


def by_layer(rows, metric, way="head"):
    site = f"counterfactual:{way}"
    return {row["layer"]: row["value"] for row in rows if row["metric"] == metric and row["site"] == site}


def test_an_answer_that_is_decoded_and_acts_on_nothing_is_not_reliably_exchanged(planted):
    """The head reads the detector's own answer; the last block answers by another."""
    experiment, pass_, heads = planted("detector")
    heads.weight[:-1] = 0.0
    # the memory's last coordinate stands before the one that no answer needs
    heads.weight[:-1, :, experiment.model.width - 2] = 1.0
    rows = counterfactual(experiment, heads, pass_).rows(about(experiment, pass_))
    reliable = by_layer(rows, "reliability")
    assert max(value for layer, value in reliable.items() if layer < 6) < 0.05
    assert reliable[6] > 0.8


def test_the_answer_that_a_solver_wrote_is_exchanged_whole_and_nothing_before(found):
    complete = by_layer(found("solve"), "completeness")
    assert max(complete[layer] for layer in (0, 1, 2, 3)) < 1e-3
    assert min(complete[layer] for layer in (4, 5, 6)) > 0.99


def test_the_answer_alone_is_more_selective_than_the_whole_stream(found):
    """The shortest vector of the planted answer leaves w and the query's x where they were."""
    alone, whole = (by_layer(found("gradient"), "selectivity", way) for way in ("head", "stream"))
    assert alone[0] == whole[0] == 1
    assert all(alone[layer] > whole[layer] + 0.05 for layer in range(1, 7))


def test_reliability_is_the_harmonic_mean(found):
    rows = found("gradient")
    for way in ("head", "pattern", "stream"):
        complete, selective, reliable = (
            by_layer(rows, metric, way) for metric in ("completeness", "selectivity", "reliability")
        )
        for layer, value in reliable.items():
            both = complete[layer] + selective[layer]
            assert value == pytest.approx(2 * complete[layer] * selective[layer] / max(both, 1e-12))
