"""Claims: the released protocol gives the numbers of Grazzi et al.'s released script, and it reads what they read.

The run folder and the expected numbers were written by their code itself, run by analyses/compare_protocol.py: a small
GPT-2 trained for a short time, and scale, shift and error of a few prompts at every layer, in float32 and in float64.
The table of unused word vectors is cut to four rows.
"""

from functools import partial
from pathlib import Path

import pytest
import torch

from probe.config import FitConfig
from probe.heads.calibrated import PROTOCOLS, calibrate_prompts
from probe.models import attention
from probe.probing.experiment import Experiment
from probe.probing.prepare import prepare
from probe.tasks.prompts import Prompts, paired

FIXTURE = Path(__file__).parents[1] / "fixtures" / "grazzi-released"
RELEASED, EXAMPLES = PROTOCOLS["released"], 40
WHOLE_LAYERS = [2, 4, 6]  # theirs hold attention and feed-forward, two blocks of ours
# of each layer's largest number; they fit the line in float32, which enlarges rounding where predictions vary little
TOLERANCES = {"float32": 1e-5, "float64": 1e-11}


@pytest.fixture
def experiment() -> Experiment:
    config = FitConfig(
        ckpt=(str(FIXTURE),),
        task="skewed_linear",
        head=("calibrated",),
        context=str(EXAMPLES),
        protocol="released",
        device="cpu",
    )
    return prepare(config)[0]


def read(precision: str) -> tuple[Prompts, dict[str, torch.Tensor]]:
    expected = torch.load(FIXTURE / "expected.pt", weights_only=True)
    dtype = getattr(torch, precision)
    return paired(expected["x"].to(dtype), expected["y"].to(dtype), {}), expected[precision]


def compare(experiment: Experiment, precision: str, theirs_in: str) -> None:
    """Compares what is calibrated in a precision with what their script gave in the same or in the other."""
    prompts, _ = read(precision)
    _, expected = read(theirs_in)
    experiment.checkpoint.model.to(getattr(torch, precision))
    found = calibrate_prompts(experiment, prompts, RELEASED, EXAMPLES)
    for name, theirs in expected.items():
        ours = getattr(found, name)[WHOLE_LAYERS]
        assert ours.shape == theirs.shape == (3, 6)
        for layer in range(3):
            largest = theirs[layer].abs().max()
            assert (ours[layer] - theirs[layer]).abs().max() < TOLERANCES[precision] * largest, (name, layer)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_scale_shift_and_error_of_every_layer_are_those_of_the_released_script(
    experiment: Experiment, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On torch's attention, which theirs is run on: in float32 another's rounding is enlarged as much as its own."""
    monkeypatch.setattr(attention, "causal_attention", partial(attention.causal_attention, backend="torch"))
    compare(experiment, precision, precision)


def test_on_the_fused_attention_they_are_the_released_scripts_in_double_precision(experiment: Experiment) -> None:
    compare(experiment, "float32", "float64")


def test_the_numbers_tell_layers_prompts_and_protocols_apart(experiment: Experiment) -> None:
    """Else equality would say little: neighbouring layers, prompts and the published protocol give other numbers."""
    prompts, expected = read("float32")
    for theirs in expected.values():
        largest = theirs.abs().amax(-1)
        assert ((theirs[1:] - theirs[:-1]).abs().amax(-1) > 0.01 * largest[1:]).all()
        assert ((theirs[:, 1:] - theirs[:, :-1]).abs().amax(-1) > 0.01 * largest).all()
    # the same 70 points by the published protocol: 10 fitted alone after 40 examples, 20 tested
    published = PROTOCOLS["published"]
    other = calibrate_prompts(experiment, prompts, published, EXAMPLES)
    found = calibrate_prompts(experiment, prompts, RELEASED, EXAMPLES)
    assert ((other.scale - found.scale).abs().amax(-1) > 0.01 * found.scale.abs().amax(-1)).all()


def test_every_example_is_read(experiment: Experiment) -> None:
    """The fitted predictions see the examples before them, the tested all forty: none is cut off."""
    prompts, _ = read("float32")
    found = calibrate_prompts(experiment, prompts, RELEASED, EXAMPLES)
    for example in (0, 29, 39):
        y = prompts.y.clone()
        y[:, example] += 3
        changed = calibrate_prompts(experiment, paired(prompts.x, y, {}), RELEASED, EXAMPLES)
        assert (changed.squared[-1] != found.squared[-1]).all()
        # the last example's y comes after the last fitted query; it is a target of the fit all the same
        assert (changed.scale[-1] != found.scale[-1]).all()
