"""Claims: a head of one's own works wherever a named one does, and is measured as what it says."""

from dataclasses import replace

import pytest
import torch

from probe.cli import main
from probe.commands.fit import fit
from probe.config import FitConfig
from probe.errors import ProbeError
from probe.heads import HEADS, FittedHeads, Head, make_all
from probe.heads.head import Judged
from probe.probing.draws import Pass
from probe.probing.measure import measure
from probe.probing.prepare import at_contexts, prepare, same_on, set_before
from probe.progress import silent


class FirstHalf(Head):
    """Ridge regression from the first half of the stream's coordinates."""

    def width(self, model):
        return model.width // 2

    def features(self, model, stream):
        return stream[..., : model.width // 2]


class Squares(FirstHalf):
    """Ridge regression from the squares of the stream's first half."""

    def features(self, model, stream):
        return stream[..., : model.width // 2].square()


class Same(Head):
    """Reads the stream, under another name than linear."""

    name = "same"

    def features(self, model, stream):
        return stream


class Nothing(Head):
    """Answers 0 at every layer, the error of which is 1."""

    def answer(self, experiment, stream):
        return torch.zeros(*stream.shape[:3], 1)


class Constant(Head):
    """Is judged on eleven prompts of its own, with a squared error of the layer's number where the target's is 2."""

    own_prompts = 11
    own_batch = 4

    def judge(self, experiment, seed, numbers):
        layers = torch.arange(experiment.layers, dtype=torch.float64)[:, None].expand(-1, len(numbers))
        two = torch.full((len(numbers),), 2.0, dtype=torch.float64)
        return Judged(layers, two, two[None] / 2, {"tilt": layers + 1})


@pytest.fixture
def config(toys):
    return FitConfig(ckpt=(str(toys / "m.pt"),), task="linear", prompts=128, score=64, batch=32)


def test_a_head_given_as_an_object_is_fitted_measured_and_named_in_the_record(config):
    record = fit(replace(config, head=["linear", Same(), FirstHalf, Nothing(), Constant()]))
    errors = {head: rows["error"].tolist() for head, rows in record.table.groupby("head")}
    assert errors["same"] == errors["linear"]
    assert errors["first_half"] != errors["linear"]
    assert errors["nothing"] == pytest.approx([1.0] * 15)
    assert errors["constant"] == pytest.approx([0.0, 0.5, 1.0])
    assert errors["chance_constant"] == pytest.approx([0.5])
    own = record.table[record.table["head"] == "constant"]
    assert own["tilt"].tolist() == pytest.approx([1.0, 2.0, 3.0])
    assert own["prompts"].tolist() == [11] * 3
    assert record.provenance["config"]["head"] == ("linear", "same", "FirstHalf", "nothing", "constant")


def test_a_line_in_the_registry_makes_a_head_known_by_name(config, monkeypatch, capsys):
    monkeypatch.setitem(HEADS, "first_half", FirstHalf)
    table = fit(replace(config, head="first-half")).table
    assert table.loc[table["head"] == "first_half", "layer"].nunique() == 3
    assert main(["list", "heads"]) == 0
    assert "Ridge regression from the first half of the stream's coordinates." in capsys.readouterr().out


def test_what_is_measured_says_what_it_was_fitted_on(config):
    experiment = prepare(config)[0]
    fitted, _ = measure(experiment, make_all(["linear", FirstHalf(), Squares]), Pass.of(config), "w", silent)
    assert isinstance(fitted, FittedHeads)
    assert list(fitted) == ["linear", "first_half", "squares", "chance"]
    assert not torch.allclose(fitted["squares"].weight, fitted["first_half"].weight)
    assert fitted["first_half"].directions.shape == (3, 5, 4, 2)
    origin = fitted["linear"].origin
    assert (origin.model, origin.target, origin.head, origin.task) == ("m", "w", "linear", "linear")
    assert (origin.layers, origin.contexts) == ((0, 1, 2), (0, 1, 2, 3, 4))
    assert fitted["chance"].origin.layers == (0,)
    _, _, captured = next(experiment.batches(Pass.of(config), "score"))
    predicted = fitted["linear"].predict(captured.stream)
    assert predicted.shape == (3, 32, 5, 2)
    with pytest.raises(ProbeError, match="Did you mean linear"):
        fitted["liner"]


def test_a_head_that_does_nothing_is_refused(config):
    class Idle(Head):
        """Overrides nothing."""

    with pytest.raises(ProbeError, match="idle overrides none of features, answer and judge"):
        prepare(replace(config, head=[Idle()]))


def test_a_head_that_names_a_learner_beside_it_is_refused(config):
    class LeastSquares(Same):
        """Bears the name of the learner that is shown beside the task."""

        name = "least_squares"

    with pytest.raises(ProbeError, match="so is a learner"):
        prepare(replace(config, head=[LeastSquares()]))


def test_an_experiment_is_moved_to_other_contexts_and_models(config, toys):
    experiment = prepare(replace(config, context="1,3"))[0]
    later = at_contexts(experiment, [0, 4])
    assert (later.contexts, later.longest) == ([0, 4], 4)
    direct = prepare(replace(config, context="0,4"))[0]
    one, other = (next(each.batches(Pass.of(config), "fit"))[2].stream for each in (later, direct))
    assert torch.equal(one, other)
    found = prepare(replace(config, ckpt=(str(toys / "t.pt"),), context="1,3"))[0]
    moved = same_on(found.checkpoint, experiment)
    one, other = (next(each.batches(Pass.of(config), "fit"))[2].stream for each in (moved, found))
    assert torch.equal(one, other)


def test_settings_of_any_command_that_probes_set_models_before_a_task(config):
    from probe.config import ClaimConfig, CompareConfig

    found, heads = prepare(config)[0], make_all(["linear"])
    for other in (
        ClaimConfig(ckpt="m", task="linear", prompts=128, score=64, batch=32),
        CompareConfig(ckpt=("m",), task="linear", prompts=128, score=64, batch=32),
    ):
        again = set_before([found.checkpoint], other, heads, found.contexts)[0]
        assert (again.contexts, again.longest, again.task) == (found.contexts, found.longest, found.task)
