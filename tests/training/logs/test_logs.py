"""Claims: other libraries log what our own file does, go on where it was stopped, and are missed in a sentence."""

import csv
import sys
from pathlib import Path

import pytest

from probe.checkpoints import load_state
from probe.cli import main
from probe.training.logs import MEASURED
from probe.training.logs.tensorboard import TensorBoard

TRAIN = "train --layout AF --task linear --dim 2 --width 8 --context 3 --batch 8 --threads 1 --warmup 5".split()


def _scalars(folder: Path) -> dict[str, dict[int, float]]:
    """Returns what a folder of event files holds, by name and step."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder))
    read.Reload()
    return {name: {one.step: one.value for one in read.Scalars(name)} for name in read.Tags()["scalars"]}


def _own(path: Path) -> dict[int, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {int(row["step"]): row for row in csv.DictReader(file)}


@pytest.mark.filterwarnings("ignore")  # of the library that writes
def test_tensorboard_holds_our_own_log_and_goes_on_with_the_training(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    out = tmp_path / "m.pt"
    assert main([*TRAIN, "--steps", "120", "--log", "tensorboard", "csv", "--out", str(out)]) == 0
    own, logged = _own(tmp_path / "m-training.csv"), _scalars(tmp_path / "m-tensorboard")
    assert set(logged) == set(MEASURED)
    for name, values in logged.items():
        assert set(values) == set(own) == {50, 100, 120}
        assert values == pytest.approx({step: float(row[name]) for step, row in own.items()}, rel=1e-6)
    assert load_state(tmp_path / "m.pt.state")["settings"]["log"] == ["tensorboard", "csv"]
    assert main(["train", "--resume", "--out", str(out)]) == 0, "the state with its logs is read again"


@pytest.mark.filterwarnings("ignore")
def test_what_was_logged_beyond_the_state_that_a_training_goes_on_from_is_dropped(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    first = TensorBoard(tmp_path, 0)
    for step in (50, 100, 150):
        first.add(step, {"loss": float(step)})
    first.close()
    resumed = TensorBoard(tmp_path, 60)
    resumed.add(100, {"loss": 7.0})
    resumed.close()
    assert _scalars(tmp_path)["loss"] == {50: 50.0, 100: 7.0}


@pytest.mark.filterwarnings("ignore")
def test_weights_and_biases_is_asked_for_a_run_of_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb", reason="wandb is not installed")
    began: dict[str, object] = {}
    logged: dict[int, dict[str, float]] = {}

    class Run:
        ended = False

        def log(self, values: dict[str, float], step: int) -> None:
            logged[step] = values

        def finish(self) -> None:
            Run.ended = True

    def init(**settings: object) -> Run:
        began.update(settings)
        return Run()

    monkeypatch.setattr(wandb, "init", init)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    assert main([*TRAIN, "--steps", "60", "--log", "wandb", "--out", str(tmp_path / "m.pt")]) == 0
    own = _own(tmp_path / "m-training.csv")
    assert set(logged) == set(own) == {50, 60}
    assert logged[60]["loss"] == pytest.approx(float(own[60]["loss"]))
    assert (began["project"], began["name"], began["resume"]) == ("probe", "m", "allow")
    assert isinstance(began["config"], dict) and began["config"]["task"] == "linear"
    assert Run.ended


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_library_that_is_missing_is_named_before_the_first_step(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in ("torch.utils.tensorboard", "tensorboard", "wandb"):
        monkeypatch.setitem(sys.modules, module, None)
    assert main([*TRAIN, "--steps", "60", "--log", name, "--out", str(tmp_path / "m.pt")]) == 2
    assert f"--log {name} was given, but the package {name} is not installed" in capsys.readouterr().err
    assert not (tmp_path / "m.pt").exists()


def test_a_log_that_nobody_keeps_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--steps", "60", "--log", "tensorbord", "--out", str(tmp_path / "m.pt")]) == 2
    assert "tensorboard" in capsys.readouterr().err
