"""Claims: layers are read by w where heads for y read nothing, and the calibrated lens forgives a scale alone."""

import pytest
import torch

from probe.evidence.layers import stretch_rows
from probe.evidence.lens import calibrated_errors
from probe.evidence.pushes import heads_for_w
from probe.evidence.reading import reading
from probe.heads import make_all
from probe.probing.draws import Pass
from probe.probing.measure import measure
from probe.progress import silent
from probe.statistics import RatioBootstrap

SMALL = Pass(prompts=512, score=128, batch=64)


@pytest.fixture(scope="module")
def read(planted_experiment):
    def make(algorithm):
        experiment, _ = planted_experiment(algorithm)
        heads, errors = measure(experiment, make_all(("linear", "lens")), SMALL, "y", silent)
        return experiment, reading(experiment, heads["linear"], heads_for_w(experiment, SMALL)[0], SMALL), errors

    return make


def test_a_running_answer_is_read_by_y(read):
    _, found, errors = read("gradient")
    assert found.name == "y"
    expected = errors["linear"].ratio.estimate()[:, -1]
    torch.testing.assert_close(found.errors(SMALL).estimate(), expected, atol=1e-6, rtol=1e-5)


def test_weights_whose_answer_is_not_yet_written_are_read_by_w(read):
    _, found, errors = read("at_end")
    assert found.name == "w"
    assert errors["linear"].ratio.estimate()[1:-1, -1].min() > 0.9
    curve = found.errors(SMALL).estimate()
    assert (curve.diff() < 0)[:-1].all() and curve[-2] < 0.1


def test_a_shift_is_read_without_the_intercept(read):
    _, found, _ = read("gradient")
    stream, x = torch.randn(len(found.heads), 5, found.heads.shape[1] - 1), torch.randn(5, 3)
    both = found.of(stream + 1.0, x) - found.of(torch.ones_like(stream), x)
    torch.testing.assert_close(found.of(stream, x, shift=True), both)


def test_a_lens_that_is_calibrated_sees_an_answer_with_its_sign_turned(read):
    experiment, _, errors = read("alternating")
    plain, calibrated = errors["lens"].ratio.estimate()[:, -1], calibrated_errors(experiment, SMALL).estimate()
    assert plain.max() > 2
    assert (calibrated.diff() < 0.02).all()
    assert calibrated[-1] < 0.1


def curve(*values: float) -> RatioBootstrap:
    found = RatioBootstrap((len(values),))
    noise = 1 + 0.05 * torch.randn(64, len(values), generator=torch.Generator().manual_seed(0)).double()
    found.update(range(64), torch.tensor(values).double() * noise, torch.ones(64, 1).double())
    return found


@pytest.mark.parametrize(
    ("values", "gradual"),
    [
        ((1.0, 1.0, 1.0, 1.0, 0.5, 0.25, 0.12, 0.06, 0.06, 0.06, 0.06), True),
        ((1.0, 1.0, 0.9, 0.9, 0.05, 0.05, 0.045, 0.045), False),
    ],
)
def test_flat_ends_make_no_step_of_a_gradual_fall(values, gradual):
    (row,) = stretch_rows("m", "read", curve(*values))
    assert (row["low"] > 0) is gradual
    assert (row["high"] < 0) is not gradual


def test_a_fall_at_one_block_has_no_stretch_to_describe():
    assert not list(stretch_rows("m", "read", curve(1.0, 1.0, 1.0, 0.05, 0.05)))
