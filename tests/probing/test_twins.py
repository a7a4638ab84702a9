"""Claims: a twin has a model's weights and none of its hooks; what twins do side by side is what one model does."""

import pytest
import torch

from probe.capture import NativeModel, capture
from probe.config import ModelConfig
from probe.interventions import editing, swap
from probe.models import ResidualModel
from probe.probing.experiment import Experiment
from probe.probing.twins import each, twin
from probe.tasks import make

LAYOUTS = ("M4", "(AF)2", "{MA}2", "UE")


def native(layout: str) -> NativeModel:
    torch.manual_seed(0)
    model = ResidualModel(ModelConfig(layout=layout, dim=3, width=8, attention_heads=2))
    return NativeModel(model.eval().requires_grad_(False))


def experiment_of(layout: str, told: list[int]) -> Experiment:
    found = native(layout)
    place = torch.device("cpu")
    return Experiment(
        None,  # type: ignore[arg-type]  # of its checkpoint nothing is asked
        found,
        make("linear", 3),
        "linear",
        4,
        [4],
        torch.tensor([4]),
        place,
        told=lambda: told.append(1),
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_twin_stands_on_the_same_weights_with_modules_of_its_own(layout):
    model = native(layout)
    other = twin(model)
    places = {tensor.data_ptr() for tensor in model.model.parameters()}
    assert {tensor.data_ptr() for tensor in other.model.parameters()} == places
    assert not {id(module) for module in other.model.modules()} & {id(module) for module in model.model.modules()}
    inputs = torch.randn(2, 9, 3)
    assert torch.equal(other.run(inputs), model.run(inputs))
    with editing(other, swap(1)):
        assert not torch.equal(other.run(inputs), model.run(inputs))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_interventions_side_by_side_give_what_one_after_another_does(layout, threads):
    """Every part edits the model in its own way; none sees another's, and they come in order."""
    torch.manual_seed(1)
    parts = [(block, torch.randn(5, 9, 3)) for block in (1, 2, 3) * 4 if block < len(native(layout).places) - 1]

    def edited(experiment: Experiment, part: tuple[int, torch.Tensor]) -> torch.Tensor:
        with editing(experiment.model, swap(part[0])):
            return capture(experiment.model, part[1], torch.tensor([8])).stream

    told: list[int] = []
    experiment = experiment_of(layout, told)
    found = list(each(experiment, parts, edited, threads))
    assert [part for part, _ in found] == parts
    assert len(told) == len(parts)
    for part, stream in found:
        torch.testing.assert_close(stream, edited(experiment, part), rtol=1e-5, atol=1e-6)
