"""Claims: heads on states recover the known iterate of planted rules and no other; an untrained state holds less."""

import pytest
import torch

from probe import checkpoints
from probe.capture.sites.narrow import Narrow
from probe.capture.sites.stepped import STEPPED
from probe.config import FitConfig, ModelConfig
from probe.errors import ProbeError
from probe.evidence.sites import Site, inside, read_sites
from probe.evidence.states import states, states_rows, untrained_states
from probe.models import ResidualModel
from probe.models.controls import planted_state_model
from probe.probing.draws import Pass
from probe.probing.prepare import prepare
from probe.randomness import PromptSource

DIM, CONTEXT = 3, 8


def experiment_of(path, model, task="linear", prompts=512, context="1,4,8"):
    about = {"task": task, "arch": "x", "dim": DIM, "context": CONTEXT, "seed": 0, "step": 0, "command": ""}
    checkpoints.save(path, model, about)
    config = FitConfig(ckpt=(str(path),), task=task, head=("linear",), context=context, prompts=prompts, score=128)
    return prepare(config)[0], Pass.of(config)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder, scores = tmp_path_factory.mktemp("states"), {}
    for rule in ("linear_attention", "delta_rule"):
        model = planted_state_model(rule, DIM, rate=0.5 / DIM)
        scores[rule] = states(*experiment_of(folder / f"{rule}.pt", model))
    return scores


def errors(scores):
    return dict(zip(scores.targets, scores.errors.estimate().tolist(), strict=True))


@pytest.mark.parametrize(("rule", "own"), [("linear_attention", "gradient"), ("delta_rule", "online_gd")])
@pytest.mark.parametrize("token", ["x", "y"])
def test_the_state_is_found_to_hold_its_own_iterate_and_no_other(found, rule, own, token):
    read = errors(found[rule].of(Site(2, "state", token)))
    assert read[own] < 1e-9
    others = {name: value for name, value in read.items() if name not in (own, "shuffled", "y")}
    assert min(others.values()) > 1e-2
    assert read["shuffled"] > 0.9


def test_what_is_known_of_w_grows_with_the_examples_as_the_iterate_does(found):
    """Beside the iterate itself, and beside least squares, which knows w from the third example on."""
    for rule, own in (("linear_attention", "gradient"), ("delta_rule", "online_gd")):
        cosines = found[rule].of(Site(2, "state", "y")).cosines.estimate()
        assert (cosines[0].diff() > 0).all()
        torch.testing.assert_close(cosines[0], found[rule].references[own].estimate(), rtol=0.05, atol=0.05)
        assert cosines[1].abs().max() < 0.2
        torch.testing.assert_close(found[rule].references["least_squares"].estimate()[1:], torch.ones(2).double())


def test_the_stream_before_the_block_tells_of_one_example_only(found):
    read = found["delta_rule"].of(Site(1, "stream", "y"))
    assert (read.numbers, read.features) == (2 * DIM + 2,) * 2
    assert read.cosines.estimate()[0].max() < 0.2


def test_rows_hold_every_site_and_reference(found):
    rows = states_rows(found["delta_rule"], "m")
    kinds = {(row["site"], row["layer"], row["head"]) for row in rows if row["metric"] == "cosine with w"}
    assert kinds >= {("state at y", 2, "linear"), ("stream at x", 0, "linear"), (None, None, "least_squares")}
    assert ("state at y", 2, "linear, shuffled") in kinds
    state = [row for row in rows if row["site"] == "state at y" and row["metric"] == "cosine with w"]
    assert [row["context"] for row in state if row["head"] == "linear"] == [1, 4, 8]
    assert all(row["low"] <= row["value"] <= row["high"] for row in state)


def test_a_mambas_sites_are_its_inner_quantities_and_wide_ones_are_projected(tmp_path):
    torch.manual_seed(0)
    experiment, _ = experiment_of(tmp_path / "m.pt", ResidualModel(ModelConfig(layout="MA", dim=DIM, width=8)))
    prompts = experiment.task.draw(PromptSource(0, "score", range(4)), CONTEXT)
    tokens = {"y": torch.tensor([1, 7]), "x": torch.tensor([16])}
    whole, numbers = read_sites(experiment, prompts.inputs, tokens, Narrow(0, 0))
    block = experiment.model.model.blocks[0]
    expected = block.mixer.inside(block.norm(experiment.model.model.embed(prompts.inputs)))
    assert {site.name for site in whole if site.layer == 1} == {
        "state",
        "delta",
        "B",
        "C",
        "gate",
        "convolution",
        "stream",
    }
    assert {site.name for site in whole if site.layer == 2} == {"stream"}
    torch.testing.assert_close(whole[Site(1, "state", "y")], expected.states[:, [1, 7]].flatten(2))
    torch.testing.assert_close(whole[Site(1, "delta", "x")], expected.delta[:, [16]])
    narrowed, again = (read_sites(experiment, prompts.inputs, tokens, Narrow(seed, 20))[0] for seed in (0, 0))
    state = narrowed[Site(1, "state", "y")]
    assert (state.shape, numbers[Site(1, "state", "y")]) == ((4, 2, 20), 256)
    assert torch.equal(state, again[Site(1, "state", "y")])
    torch.testing.assert_close(narrowed[Site(1, "delta", "x")], whole[Site(1, "delta", "x")])
    ratio = state.square().sum() / whole[Site(1, "state", "y")].square().sum()
    assert 0.2 < ratio < 5


@pytest.mark.parametrize("letter", "DVRSTUNLEG")
def test_every_recurrent_mixer_has_a_state_that_sees_no_later_token(letter):
    torch.manual_seed(0)
    mixer = ResidualModel(ModelConfig(layout=letter, dim=DIM, width=8, attention_heads=2)).blocks[0].mixer
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    hidden = torch.randn(2, 6, 8)
    later = hidden.clone()
    later[:, 3:] += 1
    first, second = (inside(mixer, one, range(6))["state"] for one in (hidden, later))
    assert first.shape[:2] == (2, 6)
    torch.testing.assert_close(first[:, :3], second[:, :3])
    assert ((first - second)[:, 3:].abs().amax(-1) > 1e-4).all()
    assert type(mixer) in STEPPED or letter in "LEG"


def test_an_untrained_model_knows_less_of_w(tmp_path):
    model = planted_state_model("delta_rule", DIM, rate=0.5 / DIM)
    experiment, pass_ = experiment_of(tmp_path / "m.pt", model, prompts=256, context="8")
    site = Site(2, "state", "y")
    fresh = errors(untrained_states(experiment, pass_).of(site))
    assert fresh["online_gd"] > 0.1
    assert fresh["w"] > errors(states(experiment, pass_).of(site))["w"]


def test_a_task_without_w_is_refused(tmp_path):
    model = planted_state_model("delta_rule", DIM)
    experiment, pass_ = experiment_of(tmp_path / "m.pt", model, task="relu_network", prompts=64)
    with pytest.raises(ProbeError, match="draws no w"):
        states(experiment, pass_)
    experiment, pass_ = experiment_of(tmp_path / "m.pt", model, prompts=64, context="0")
    with pytest.raises(ProbeError, match="no examples"):
        states(experiment, pass_)
