"""Claims: an iteration contracts what is added to its answer by the known factors, and other models carry it along."""

import pytest
import torch

from probe import checkpoints
from probe.config import FitConfig
from probe.errors import ProbeError
from probe.evidence.causes import about
from probe.evidence.causes.exchange import exchange
from probe.evidence.causes.pairs import pairs
from probe.evidence.causes.shifts import Shifts
from probe.evidence.closed_loop import closed_loop
from probe.evidence.pushes import READ, heads_for_w, imposed, pushes
from probe.heads import LinearHeads, make_all
from probe.models.controls import planted_model
from probe.probing.draws import Pass
from probe.probing.measure import measure
from probe.probing.prepare import prepare
from probe.progress import silent
from probe.statistics import RatioBootstrap

DIM, BLOCKS = 3, 6
LAYERS = BLOCKS + 1


def linear(weight):
    nothing = torch.zeros_like(weight[:, :, 0])
    return LinearHeads(weight, nothing, nothing[..., 0])


def decoders(experiment):
    """Heads that read a planted model's weights and answer where they stand."""
    found = {}
    for name, places in {"y": [2 * DIM], "w": list(range(DIM, 2 * DIM))}.items():
        weight = torch.zeros(LAYERS, 1, experiment.model.width, len(places), dtype=torch.float64)
        for column, place in enumerate(places):
            weight[:, :, place, column] = 1.0
        found[name] = linear(weight)
    return found


def whole(experiment, pass_):
    return exchange(experiment, decoders(experiment)["y"], pass_).donor


def erring(values):
    found = RatioBootstrap((len(values),))
    found.update(range(32), torch.tensor(values).expand(32, -1).double(), torch.ones(32, 1).double())
    return found


READABLE = [1.0, *[0.5] * BLOCKS]


@pytest.fixture(scope="module")
def moved(planted_experiment):
    found = {}
    for algorithm in ("gradient", "open_loop", "reveal", "solve", "gather", "coordinate"):
        experiment, _ = planted_experiment(algorithm)
        small = Pass(prompts=256, score=96, batch=64)
        errors = {name: erring(READABLE) for name in ("y", "w")}
        found[algorithm] = (
            experiment,
            small,
            closed_loop(experiment, decoders(experiment), errors, whole(experiment, small), small),
        )
    return found


def of(loop, name, way="head"):
    (found,) = [felt for felt in loop.felt if (felt.push.name, felt.push.way) == (name, way)]
    return found


def contracted(experiment, pass_, push, steps):
    """The slope of (I - H / L)^steps delta on delta, over the score prompts."""
    top = bottom = 0.0
    for pair in pairs(experiment, pass_):
        x = pair.own[:, :-1:2].double()
        hessian = x.transpose(1, 2) @ x
        largest = torch.linalg.eigvalsh(hessian)[:, -1, None, None]
        factor = torch.linalg.matrix_power(torch.eye(DIM).double() - hessian / largest, steps)
        delta = imposed(push, pair, experiment, pass_.seed)[:, :DIM]
        top += torch.einsum("pi,pij,pj->", delta, factor, delta).item()
        bottom += delta.square().sum().item()
    return top / bottom


def test_gradient_descent_contracts_what_is_added_to_its_weights_step_by_step(moved):
    """After k blocks (I - H / L)^k of it is left, in the weights and in the answer, at whatever layer it was added."""
    experiment, pass_, loop = moved["gradient"]
    felt = of(loop, "w")
    assert felt.push.layers == tuple(range(1, LAYERS))
    for cell, layer in enumerate(felt.push.layers):
        expected = [contracted(experiment, pass_, felt.push, later - layer) for later in range(layer, LAYERS)]
        assert expected == sorted(expected, reverse=True)
        for name in ("carry", "kept"):
            read = getattr(felt, name)["w"][cell].slope().value[layer:]
            torch.testing.assert_close(read, torch.tensor(expected).double(), rtol=1e-4, atol=1e-5)
        response = felt.response["w"][cell].slope().value[layer:]
        torch.testing.assert_close(response, torch.tensor(expected).double() - 1, rtol=1e-4, atol=1e-5)
        answer = felt.carry["y"][cell].slope().value[-1]
        torch.testing.assert_close(felt.answer.slope().value[cell], answer, rtol=1e-4, atol=1e-5)
    assert expected[0] == pytest.approx(1)
    assert felt.carry["y"][0].slope().value[-1] < 0.3


@pytest.mark.parametrize("algorithm", ["open_loop", "reveal", "solve", "gather", "coordinate"])
def test_what_reads_no_answer_carries_it_along_unchanged(moved, algorithm):
    """Whether it improves at every block (open loop, steps uncovered, coordinates) or in one."""
    loop = moved[algorithm][2]
    ones, zeros = torch.ones(LAYERS).double(), torch.zeros(LAYERS).double()
    for name in ("y", "w"):
        felt = of(loop, name)
        for read in felt.carry:
            for cell, layer in enumerate(felt.push.layers):
                kept, response = (getattr(felt, metric)[read][cell].slope() for metric in ("kept", "response"))
                torch.testing.assert_close(kept.value[layer:], ones[layer:], rtol=1e-3, atol=0)
                torch.testing.assert_close(response.value[layer:], zeros[layer:], rtol=0, atol=1e-3)
                assert (kept.high - kept.low)[layer:].max() < 1e-2
        torch.testing.assert_close(felt.answer.slope().value, ones[1:], rtol=1e-3, atol=0)


def test_an_answer_that_no_block_reads_is_carried_along_by_gradient_descent_too(moved):
    """Its blocks read the weights: the sum of the answers so far can be moved alone, and stays moved."""
    felt = of(moved["gradient"][2], "y")
    for cell, layer in enumerate(felt.push.layers):
        kept = felt.kept["y"][cell].slope().value[layer:]
        torch.testing.assert_close(kept, torch.ones_like(kept), rtol=1e-3, atol=0)


def test_what_is_revealed_is_fixed_from_the_first_block(moved):
    reveal, solve, gradient = (moved[name][2].fixed.slope().value for name in ("reveal", "solve", "gradient"))
    torch.testing.assert_close(reveal, torch.tensor([0.0, *[1.0] * BLOCKS]).double(), rtol=0, atol=1e-4)
    torch.testing.assert_close(solve, torch.tensor([0.0] * 4 + [1.0] * 3).double(), rtol=0, atol=1e-4)
    assert (gradient.diff() > 0).all()
    assert gradient[BLOCKS - 1] < 0.5
    torch.testing.assert_close(moved["reveal"][2].known.value, 1 - torch.tensor(READABLE).double())


@pytest.mark.parametrize(("algorithm", "lowest", "highest"), [("gradient", 0.2, 0.5), ("open_loop", 0.98, 1.02)])
def test_fitted_heads_tell_a_loop_from_none(planted_experiment, algorithm, lowest, highest):
    """Early layers' heads stretch what they read, which moves the carry and not what is kept of it."""
    experiment, pass_ = planted_experiment(algorithm)
    fitted, errors = measure(experiment, make_all(("linear", "lens")), pass_, "y", silent)
    w, error = heads_for_w(experiment, pass_)
    curve = errors["linear"].ratio.part(lambda cells: cells[..., 0])
    loop = closed_loop(
        experiment, {"y": fitted["linear"], "w": w}, {"y": curve, "w": error}, whole(experiment, pass_), pass_
    )
    felt = of(loop, "w", "pattern")
    assert felt.push.layers == tuple(range(1, LAYERS))
    for read in ("w", "y"):
        after = torch.stack([felt.kept[read][cell].slope().value[cell + 2] for cell in range(BLOCKS - 1)])
        assert ((lowest < after) & (after < highest)).all(), after
    carry, kept = (getattr(felt, metric)["w"][0].slope().value[-1] for metric in ("carry", "kept"))
    assert carry < 0.9 * kept


def test_each_number_that_heads_read_is_moved_by_itself(planted_experiment):
    experiment, pass_ = planted_experiment("gradient")
    torch.manual_seed(0)
    drawn = {name: torch.randn(LAYERS, 1, experiment.model.width, n).double() for name, n in (("y", 1), ("w", DIM))}
    heads = {name: linear(weight) for name, weight in drawn.items()}
    found = pushes(experiment, heads, {"y": erring(READABLE), "w": erring(READABLE)}, pass_)
    assert [(push.name, push.way) for push in found] == [(n, w) for n in ("y", "w") for w in ("head", "pattern")]
    for push in found:
        eye = torch.eye(push.heads.shape[1]).double().expand(BLOCKS, -1, -1)
        torch.testing.assert_close((push.heads @ push.inverse)[1:], eye, rtol=1e-6, atol=1e-6)


def test_nothing_is_moved_where_heads_read_nothing(planted_experiment):
    experiment, _ = planted_experiment("solve")
    small = Pass(prompts=64, score=32)
    errors = {"y": erring([1.0] * 4 + [0.1] * 3), "w": erring([READ + 0.01] * LAYERS)}
    loop = closed_loop(experiment, decoders(experiment), errors, whole(experiment, small), small)
    assert of(loop, "y").push.layers == (4, 5, 6)
    assert of(loop, "w").push.layers == ()
    rows = loop.rows(about(experiment, small))
    assert {row["site"] for row in rows} == {"query", "query, y by head", "query, y by pattern"}
    assert min(row["layer"] for row in rows if row["metric"] == "kept") == 4


def test_rows_name_what_was_moved_what_was_read_and_the_two_layers(moved):
    experiment, pass_, loop = moved["gradient"]
    rows = loop.rows(about(experiment, pass_))
    assert {row["evidence"] for row in rows} == {"loop"}
    kept = [row for row in rows if row["metric"] == "kept" and row["site"] == "query, w by head"]
    pairs_of = [(layer, later) for layer in range(1, LAYERS) for later in range(layer, LAYERS)]
    for head in ("linear", "linear, w"):
        assert [(row["layer"], row["other_layer"]) for row in kept if row["head"] == head] == pairs_of
    assert all(row["low"] <= row["value"] <= row["high"] for row in kept)
    last = [row for row in rows if row["metric"] == "carry" and row["head"] == "model"]
    assert len(last) == 4 * BLOCKS
    assert [row["layer"] for row in rows if row["metric"] == "share"] == list(range(LAYERS))
    assert [row["layer"] for row in rows if row["metric"] == "read"] == list(range(LAYERS))


@pytest.mark.parametrize(("task", "said"), [("relu_network", False), ("skewed_linear", True), ("quadratic", True)])
def test_heads_for_w_are_fitted_where_the_answer_is_w_times_x(tmp_path, task, said):
    data = {"task": task, "arch": "x", "dim": 2, "context": 4, "seed": 0, "step": 0, "command": ""}
    checkpoints.save(tmp_path / "g.pt", planted_model("gradient", 2, 2), data)
    config = FitConfig(ckpt=(str(tmp_path / "g.pt"),), task=task, head=("linear",), context="4", prompts=64, score=32)
    experiment, pass_ = prepare(config)[0], Pass.of(config)
    found = heads_for_w(experiment, pass_)
    assert (found is not None) == said
    if found is not None:
        assert found[0].weight.shape[-1] == 2
        assert found[1].shape == (3,)


def test_a_task_without_pairs_is_refused(tmp_path):
    data = {"task": "linear_classification", "arch": "x", "dim": 2, "context": 4, "seed": 0, "step": 0, "command": ""}
    checkpoints.save(tmp_path / "g.pt", planted_model("gradient", 2, 2), data)
    config = FitConfig(ckpt=(str(tmp_path / "g.pt"),), task="linear_classification", head=("linear",), context="4")
    experiment = prepare(config)[0]
    heads = {"y": linear(torch.ones(3, 1, experiment.model.width, 1).double())}
    with pytest.raises(ProbeError, match="interventions are judged on pairs"):
        closed_loop(experiment, heads, {"y": erring([0.5] * 3)}, Shifts(3, 0), Pass(prompts=32, score=32))
