"""Claims: the response to each eigenvalue is the algorithm's own filter, and what no weights explain is told apart."""

from dataclasses import replace

import pytest
import torch

from probe.evidence.algorithms import path_of
from probe.evidence.answers import ask
from probe.evidence.spectral import BINS, Followed, spectrum

DIM, BLOCKS, CONTEXT = 3, 6, 10


@pytest.fixture(scope="module")
def asked(planted_experiment):
    found = {}
    for algorithm in ("gradient", "reveal", "open_loop", "solve"):
        experiment, pass_ = planted_experiment(algorithm)
        readings = {"lens": lambda stream, of=experiment: of.decode(stream)[..., 0]}
        found[algorithm] = ask(experiment, readings, CONTEXT, 2 * DIM + 2, pass_.seed, "score", 96)
    return found


def gradient_descent(relative, layer):
    return 1 - (1 - relative) ** layer


def path_of_ridge(relative, layer):
    if layer == 0:
        return torch.zeros_like(relative)
    return relative / (relative + 10.0 ** (-4 * (layer - 1) / (BLOCKS - 2)) * (layer < BLOCKS))


def one_solve(relative, layer):
    return torch.full_like(relative, float(layer > BLOCKS // 2))


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("gradient", gradient_descent),
        ("reveal", gradient_descent),
        ("open_loop", path_of_ridge),
        ("solve", one_solve),
    ],
)
def test_the_response_is_the_filter_of_the_algorithm(asked, algorithm, response):
    """In every bin, weighted by w along each eigenvector; the bins hold every eigenvalue once."""
    one = asked[algorithm]
    found = spectrum(one, 0)
    x = one.examples.x.double()
    eigenvalues, vectors = torch.linalg.eigh(x.transpose(1, 2) @ x)
    relative = eigenvalues / eigenvalues[:, -1:]
    w = torch.einsum("pde,pd->pe", vectors, torch.linalg.lstsq(one.queries, one.targets[..., None]).solution[..., 0])
    assert found.eigenvalues[-1].tolist() == pytest.approx([1, 1, 1])
    seen = 0
    for place, (mean, low, high) in enumerate(found.eigenvalues.tolist()):
        inside = (relative >= low) & (relative <= high)
        seen += inside.sum().item()
        assert relative[inside].mean().item() == pytest.approx(mean)
        for layer in range(BLOCKS + 1):
            expected = (response(relative, layer) * w.square())[inside].sum() / w.square()[inside].sum()
            got = found.responses["lens"].estimate()[layer, place]
            torch.testing.assert_close(got, expected, rtol=2e-3, atol=2e-3)
    assert seen == relative.numel()
    assert len(found.eigenvalues) == BINS + 1


def test_answers_that_are_linear_in_the_query_leave_nothing_and_others_their_share(asked):
    one = asked["gradient"]
    linear = spectrum(one, 0).nonlinear["lens"].estimate()
    assert linear[0].isnan()
    assert linear[1:].abs().max() < 1e-6
    bent = one.answers["lens"] + 0.5 * one.answers["lens"].square()
    share = spectrum(replace(one, answers={"lens": bent}), 0).nonlinear["lens"].estimate()
    assert (share[1:] > 0.05).all()
    assert (share[1:] < 1).all()


def test_directions_that_no_example_shows_are_a_bin_without_response(planted_experiment):
    experiment, pass_ = planted_experiment("gradient")
    readings = {"lens": lambda stream: experiment.decode(stream)[..., 0]}
    found = spectrum(ask(experiment, readings, 2, 2 * DIM + 2, pass_.seed, "score", 64), 0)
    assert found.eigenvalues[0].max() < 1e-5
    assert found.responses["lens"].estimate()[:, 0].abs().max() < 1e-3
    assert found.responses["lens"].estimate()[-1, -1] == pytest.approx(1, abs=1e-3)


def test_one_dimension_has_one_bin(asked):
    one = asked["gradient"]
    narrow = replace(one, examples=replace(one.examples, x=one.examples.x[..., :1]), queries=one.queries[..., :1])
    assert spectrum(narrow, 0).eigenvalues.tolist() == [[1, 1, 1]]


def test_rows_have_a_step_a_bin(asked):
    rows = spectrum(asked["open_loop"], 0).rows("m")
    assert {row["evidence"] for row in rows} == {"spectral"}
    eigenvalues = [row for row in rows if row["metric"] == "eigenvalue"]
    assert [row["step"] for row in eigenvalues] == list(range(1, BINS + 2))
    assert all(row["low"] <= row["value"] <= row["high"] for row in eigenvalues)
    responses = [row for row in rows if row["metric"] == "response"]
    assert len(responses) == (BLOCKS + 1) * (BINS + 1)
    assert all(row["low"] - 1e-9 <= row["value"] <= row["high"] + 1e-9 for row in responses)
    assert [row["layer"] for row in rows if row["metric"] == "nonlinear"] == list(range(1, BLOCKS + 1))
    assert {(row["context"], row["prompts"]) for row in rows} == {(CONTEXT, 96)}


def test_an_algorithm_that_the_layers_follow_has_their_response_in_rows_of_its_own(asked):
    one = asked["gradient"]
    weights = path_of(f"gd:steps={BLOCKS},rate=inverse_lipschitz", one.examples)
    found = spectrum(one, 0, [Followed("lens", "gd", weights)])
    apart = found.followed["lens", "gd"].estimate() - found.responses["lens"].estimate()
    assert apart.abs().max() < 2e-3
    half = spectrum(one, 0, [Followed("lens", "gd", 0.5 * weights)]).followed["lens", "gd"].estimate()
    torch.testing.assert_close(half, 0.5 * found.followed["lens", "gd"].estimate())
    rows, before = found.rows("m"), spectrum(one, 0).rows("m")
    added = [row for row in rows if row["metric"] == "followed response"]
    assert [row for row in rows if row["metric"] != "followed response"] == before
    assert {(row["site"], row["head"], row["evidence"]) for row in added} == {("gd", "lens", "spectral")}
    assert [(row["layer"], row["step"]) for row in added] == [
        (row["layer"], row["step"]) for row in before if row["metric"] == "response"
    ]
