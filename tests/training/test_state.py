"""A state is what was written or is refused: by its digest, and by what every field and tensor must be."""

import json
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

import probe
from probe import checkpoints
from probe.config import TrainConfig
from probe.errors import ProbeError
from probe.files import write_atomically
from probe.training import state
from probe.training.state import TrainingState

TOY = TrainConfig(out="", task="linear", layout="M1AF", dim=2, width=8, context=3, batch=4, steps=60, warmup=5)
FLIPS = 60
MUTANTS = 300
ODD: list[Any] = [None, -1, 0, 7.5, 10**30, 1e308, float("nan"), True, "", "x" * 20_000, "M9", [], [[]], {}, {"a": 1}]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a training that was stopped at step 50 of 60."""
    out = tmp_path_factory.mktemp("state") / "a.pt"

    def stop(text: str, step: int, steps: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        probe.train(replace(TOY, out=str(out), kernel="reference", keep=(10,)), command="probe train", report=stop)
    return state.path_of(out)


def _same(one: TrainingState, other: TrainingState) -> bool:
    plain = [(s.plan, s.step, s.rows, s.sums, s.command, s.settings, s.changes, s.run, s.seconds) for s in (one, other)]
    tensors = one.tensors.keys() == other.tensors.keys()
    return plain[0] == plain[1] and tensors and all(torch.equal(one.tensors[n], other.tensors[n]) for n in one.tensors)


def _signed(path: Path, content: dict[str, Any]) -> Path:
    plain = {name: value for name, value in content.items() if name != "tensors"}
    write_atomically(path, checkpoints.state_writing(plain, content["tensors"]))
    return path


def test_a_training_that_names_no_batch_key_goes_on_with_the_batches_it_began_with(tmp_path: Path) -> None:
    """As all did before there was a choice: the weights are those of an unstopped training of that kind."""
    old = {}
    for kind, path in (("32bit", tmp_path / "old.pt"), ("whole", tmp_path / "new.pt")):
        probe.train(replace(TOY, out=str(path), batch_key=kind))
        old[kind] = checkpoints.load(str(path)).model.read_out.weight
    assert not torch.equal(old["32bit"], old["whole"])

    def stop(text: str, step: int, steps: int) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "stopped.pt"
    with pytest.raises(KeyboardInterrupt):
        probe.train(replace(TOY, out=str(out), batch_key="32bit"), report=stop)
    content = checkpoints.load_state(state.path_of(out))
    assert content["plan"].pop("batch_key") == "32bit"
    _signed(state.path_of(out), content)
    probe.train(TrainConfig(out=str(out), resume=True))
    assert torch.equal(checkpoints.load(str(out)).model.read_out.weight, old["32bit"])


def test_no_flipped_bit_changes_what_is_loaded(written: Path, tmp_path: Path) -> None:
    whole, known = written.read_bytes(), state.load(written)
    drawn, refused = random.Random(0), 0
    for _ in range(FLIPS):
        flipped = bytearray(whole)
        flipped[drawn.randrange(len(whole))] ^= 1 << drawn.randrange(8)
        (tmp_path / "a.pt.state").write_bytes(flipped)
        try:
            found = state.load(tmp_path / "a.pt.state")
        except ProbeError:
            refused += 1
        else:
            assert _same(found, known)
    assert refused > FLIPS / 3


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.99])
def test_a_truncated_state_is_refused(written: Path, tmp_path: Path, kept: float) -> None:
    whole = written.read_bytes()
    (tmp_path / "a.pt.state").write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(ProbeError, match="--overwrite"):
        state.load(tmp_path / "a.pt.state")


def _set(*place: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        for step in place[:-1]:
            content = content[step]
        content[place[-1]] = to

    return change


WEIGHT = "weights/read_out.weight"
MOMENT = "optimiser/read_out.weight/"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set("step", to=61), "step"),
        (_set("step", to=-1), "step"),
        (_set("step", to=True), "step"),
        (_set("seconds", to=-1.0), "seconds"),
        (_set("seconds", to="1"), "seconds"),
        (_set("command", to=3), "command"),
        (_set("run", to="../../mine"), "command"),
        (_set("sums", to=[0.0, 0.0, 0.0]), "sums"),
        (_set("sums", to=[float("nan"), 0.0, 0.0, 0.0]), "sums"),
        (_set("rows", 0, "step", to=51), "rows"),
        (_set("rows", 0, "loss", to=None), "rows"),
        (_set("rows", 0, "dim", to=3), "rows"),
        (_set("rows", to={}), "rows"),
        (_set("changes", to=[{"step": 99}]), "changes"),
        (_set("changes", to=[{"step": 1, "threads": "2"}]), "changes"),
        (_set("settings", "threads", to=0), r"settings|The run's|RunSettings"),
        (_set("settings", "kernel", to="fastest"), r"settings|The run's|RunSettings"),
        (_set("settings", "keep", to=[61]), r"settings|The run's|RunSettings"),
        (_set("settings", "keep", to=[20, 10]), r"settings|The run's|RunSettings"),
        (_set("settings", to=[]), r"settings|The run's|RunSettings"),
        (_set("plan", to=[]), r"plan|The training's|preset"),
        (_set("plan", to={}), r"model|ModelConfig"),
        (_set("plan", "batch", to=10**12), r"plan|The training's|preset"),
        (_set("plan", "schedule", to="linear"), r"plan|The training's|preset"),
        (_set("plan", "batch_key", to="64bit"), r"plan|The training's|preset"),
        (_set("plan", "preset", to="lap"), r"plan|The training's|preset"),
        (_set("plan", "dim", to=3), r"plan|The training's|preset"),
        (_set("plan", "task", to="linaer"), "Did you mean linear"),
        (_set("plan", "lr", to=float("nan")), "training's lr"),
        (_set("plan", "model", "width", to=9), "attention|width|split"),
        (_set("plan", "model", "width", to=16), "tensor"),
        (_set("plan", "model", "layout", to="M2000"), "1024 blocks"),
        (_set("plan", "model", "norm", to="rmsnorm"), r"model|ModelConfig"),
        (_set("tensors", WEIGHT, to=torch.zeros(1, 9)), "tensor weights/read_out.weight"),
        (_set("tensors", WEIGHT, to=torch.zeros(1, 8, dtype=torch.float64)), "tensor weights/read_out.weight"),
        (_set("tensors", WEIGHT, to=torch.full((1, 8), torch.inf)), "tensor weights/read_out.weight"),
        (_set("tensors", WEIGHT, to=torch.zeros(1, 8, requires_grad=True)), "tensor weights/read_out.weight"),
        (_set("tensors", MOMENT + "step", to=torch.tensor(50.0, requires_grad=True)), "tensor optimiser/read_out"),
        (_set("tensors", "weights/other", to=torch.zeros(1)), "names of its tensors"),
        (_set("tensors", MOMENT + "step", to=torch.tensor(51.0)), "moments of read_out.weight"),
        (_set("tensors", MOMENT + "step", to=torch.tensor(49.5)), "moments of read_out.weight"),
        (_set("tensors", MOMENT + "exp_avg_sq", to=torch.full((1, 8), -1.0)), "moments of read_out.weight"),
        (lambda content: content["tensors"].pop(WEIGHT), "names of its tensors"),
        (lambda content: content["tensors"].pop(MOMENT + "exp_avg"), "moments of read_out.weight"),
        (lambda content: content.pop("sums"), "fields"),
    ],
)
def test_a_signed_state_that_cannot_be_right_is_refused(
    written: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    content = checkpoints.load_state(written)
    change(content)
    with pytest.raises(ProbeError, match=said) as error:
        state.load(_signed(tmp_path / "a.pt.state", content))
    assert "a.pt.state" in str(error.value) and len(str(error.value)) < 500


def test_no_signed_mutant_traces_back(written: Path, tmp_path: Path) -> None:
    """Any value of the plain part, exchanged for another, is refused in a sentence or fits."""
    content, drawn = checkpoints.load_state(written), random.Random(1)
    text = json.dumps({name: value for name, value in content.items() if name != "tensors"})
    for _ in range(MUTANTS):
        mutant = json.loads(text)
        place: Any = mutant
        while True:
            name = drawn.choice(list(place) if isinstance(place, dict) else list(range(len(place))))
            if not isinstance(place[name], dict | list) or not place[name] or drawn.random() < 0.2:
                break
            place = place[name]
        place[name] = drawn.choice(ODD)
        with suppress(ProbeError):
            state.load(_signed(tmp_path / "a.pt.state", mutant | {"tensors": content["tensors"]}))


def test_a_state_that_is_none_is_never_written(written: Path) -> None:
    with pytest.raises(ValueError, match="step"):
        replace(state.load(written), step=100)


def test_a_state_of_before_there_were_digests_goes_on_to_the_same_weights(written: Path, tmp_path: Path) -> None:
    whole = probe.train(replace(TOY, out=str(tmp_path / "whole.pt"), kernel="reference"))
    now = state.load(written)
    parameters = [name for name, _ in checkpoints.blank(now.plan.model).named_parameters()]
    old = {
        "plan": asdict(now.plan),
        "weights": now.weights,
        "optimiser": {"state": now.moments(), "param_groups": [{"params": list(range(len(parameters)))}]},
        **{name: getattr(now, name) for name in ("step", "seconds", "rows", "command", "sums")},
    }
    torch.save(old, tmp_path / "old.pt.state")
    resumed = probe.train(TrainConfig(out=str(tmp_path / "old.pt"), resume=True, kernel="reference"))
    assert resumed.table["loss"].tolist() == whole.table["loss"].tolist()
    one, other = (checkpoints.load(str(tmp_path / name)).model.state_dict() for name in ("old.pt", "whole.pt"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    old["weights"]["read_out.weight"] = torch.zeros(3)
    torch.save(old, tmp_path / "old.pt.state")
    with pytest.raises(ProbeError, match=r"tensor weights/read_out\.weight"):
        state.load(tmp_path / "old.pt.state")
