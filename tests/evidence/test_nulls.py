"""Claims: nothing is read from models and targets in which there is nothing to read."""

import threading

import pytest
import torch
from torch import nn

from probe import checkpoints
from probe.capture import ModuleModel, capture
from probe.checkpoints import Checkpoint, from_model
from probe.config import FitConfig, ModelConfig
from probe.errors import ProbeError
from probe.evidence.nonlinear import compare_heads
from probe.evidence.nulls import control_errors, shuffled_errors, untrained, untrained_errors
from probe.evidence.transfer import transfer
from probe.heads import make_all
from probe.models import ResidualModel
from probe.probing.draws import Pass
from probe.probing.measure import measure
from probe.probing.prepare import prepare, same_on
from probe.progress import silent

LINEAR = make_all(("linear",))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small Mamba, far from its first weights."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("trained") / "m.pt"
    about = {"task": "linear", "dim": 3, "context": 4, "seed": 0, "step": 0, "command": ""}
    checkpoints.save(path, ResidualModel(ModelConfig(layout="M2", dim=3, width=8)), about)
    config = FitConfig(ckpt=(str(path),), task="linear", head=("linear",), context="2,4", prompts=256, score=128)
    return prepare(config)[0], Pass.of(config)


def test_the_untrained_model_has_the_same_shape_and_other_weights(trained):
    experiment, _ = trained
    fresh = untrained(experiment.checkpoint, 0)
    assert fresh.stream.description == experiment.model.description
    weights, before = fresh.model.state_dict(), experiment.checkpoint.model.state_dict()
    assert not torch.equal(weights["read_in.weight"], before["read_in.weight"])
    again, other = untrained(experiment.checkpoint, 0), untrained(experiment.checkpoint, 1)
    assert torch.equal(again.model.state_dict()["read_in.weight"], weights["read_in.weight"])
    assert not torch.equal(other.model.state_dict()["read_in.weight"], weights["read_in.weight"])


def test_its_errors_are_those_of_heads_fitted_to_it(trained):
    experiment, pass_ = trained
    found = untrained_errors(experiment, pass_)
    direct = measure(same_on(untrained(experiment.checkpoint, pass_.seed), experiment), LINEAR, pass_, "y", silent)[1]
    torch.testing.assert_close(found.ratio.estimate(), direct["linear"].ratio.estimate())
    assert (found.layers, found.contexts) == ([0, 1, 2], [2, 4])


def test_where_not_all_queries_count_all_errors_are_of_those_that_do(trained):
    """Among outliers, whose y is 1, heads would else look as if they knew another prompt's target."""
    found = trained[0].checkpoint
    task = "many_outlier:probability=0.7"
    config = FitConfig(ckpt="m", task=task, head="linear", context="2,4", prompts=1024, score=512)
    experiment, pass_ = prepare(config, [found])[0], Pass.of(config)
    found = untrained_errors(experiment, pass_)
    fresh = same_on(untrained(experiment.checkpoint, pass_.seed), experiment)
    direct = measure(fresh, LINEAR, pass_, "y", silent)[1]
    torch.testing.assert_close(found.ratio.estimate(), direct["linear"].ratio.estimate())
    assert shuffled_errors(experiment, pass_).ratio.estimate().min() > 0.95
    heads, errors = measure(experiment, LINEAR, pass_, "y", silent)
    matrix = transfer(experiment, heads["linear"], pass_)
    torch.testing.assert_close(matrix.estimate().diagonal(), errors["linear"].ratio.estimate()[:, -1])
    two = {one.target: one for one in compare_heads(experiment, pass_)}
    assert two["shuffled"].linear.estimate().min() > 0.95
    torch.testing.assert_close(two["y"].linear.estimate(), errors["linear"].ratio.estimate()[:, -1], rtol=0.05, atol=0)


def test_shuffled_targets_are_not_found_even_where_the_answer_stands_in_the_stream(planted_experiment):
    experiment, pass_ = planted_experiment("solve")
    assert shuffled_errors(experiment, pass_).ratio.estimate().min() > 0.95


def test_a_control_is_measured_on_the_subjects_own_prompts(planted_experiment):
    experiment, pass_ = planted_experiment("gradient")
    other, _ = planted_experiment("solve")
    errors = control_errors(other.checkpoint, experiment, pass_).ratio.estimate()[:, -1]
    assert errors[0] > 0.9
    assert errors[-1] < 0.01


def wrapped(model: ResidualModel) -> Checkpoint:
    """Returns a model of ours as one whose layout nobody knows."""
    blocks = [f"blocks.{i}" for i in range(len(model.blocks))]
    stream = ModuleModel(
        Theirs(model), [f"whole.{each}" for each in ("blocks.0:input", *blocks)], model.decode, inputs=3
    )
    return from_model(stream, "theirs", "linear", dim=3, context=4)


class Theirs(nn.Module):
    """A module that is not one of our own layouts."""

    def __init__(self, whole: ResidualModel) -> None:
        super().__init__()
        self.whole = whole

    def forward(self, inputs):
        return self.whole(inputs)


def test_a_module_of_others_is_copied_with_every_parameters_entries_in_another_order(trained):
    own = trained[0].checkpoint.model
    before = {name: weight.clone() for name, weight in own.named_parameters()}
    found = wrapped(own)
    weights, again, other = (dict(untrained(found, seed).model.whole.named_parameters()) for seed in (0, 0, 1))
    for name, weight in before.items():
        assert torch.equal(dict(own.named_parameters())[name], weight), "the model itself is as it was"
        assert torch.equal(weights[name].flatten().sort().values, weight.flatten().sort().values)
    first = weights["read_in.weight"]
    assert not torch.equal(first, before["read_in.weight"])
    assert not torch.equal(first, other["read_in.weight"])
    assert torch.equal(first, again["read_in.weight"])


def test_what_is_captured_of_the_copy_is_the_copys(trained):
    found = wrapped(trained[0].checkpoint.model)
    inputs, places = torch.randn(2, 5, 3), torch.tensor([4])
    own, fresh = (capture(one.stream, inputs, places).stream for one in (found, untrained(found, 0)))
    assert not torch.allclose(own, fresh)


def test_a_model_with_nothing_to_train_in_its_blocks_has_no_untrained_one(planted_experiment):
    experiment, pass_ = planted_experiment("gradient")
    with pytest.raises(ProbeError, match="gradient has blocks without parameters"):
        untrained(experiment.checkpoint, pass_.seed)
    with pytest.raises(ProbeError, match="theirs has blocks without parameters"):
        untrained(wrapped(experiment.checkpoint.model), pass_.seed)


def test_a_module_that_cannot_be_copied_is_told(trained):
    found = wrapped(trained[0].checkpoint.model)
    found.model.lock = threading.Lock()
    with pytest.raises(ProbeError, match="cannot be copied"):
        untrained(found, 0)
