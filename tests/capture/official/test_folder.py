"""Claims: a run is found by its folder or its files, read without executing anything, and refused in one sentence."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from probe.capture.official.folder import are_weights, locate, name_of, read_weights, recognises
from probe.errors import ProbeError


def test_a_folder_and_the_weights_within_it_are_recognised(run_of: Callable[..., Path], tmp_path: Path) -> None:
    folder = run_of("park-mamba")
    shutil.copy(folder / "state.pt", folder / "model_100.pt")
    shutil.copy(folder / "state.pt", folder / "other.pt")
    assert [recognises(folder / name) for name in ("", "state.pt", "model_100.pt")] == [True] * 3
    assert not recognises(folder / "other.pt")
    assert not recognises(folder / "config.yaml")
    assert not recognises(folder / "nowhere.pt")
    assert not recognises(tmp_path)


def test_our_own_file_beside_another_tools_config_is_not_taken_for_theirs(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("rate: 1\n")
    (tmp_path / "model_5.pt").write_bytes(b"")
    assert not recognises(tmp_path / "model_5.pt")
    (tmp_path / "model_5.pt").unlink()
    (tmp_path / "config.json").write_text("{}")
    assert not recognises(tmp_path)


def test_our_own_file_within_a_run_is_not_taken_for_theirs(run_of: Callable[..., Path]) -> None:
    folder = run_of("park-mamba")
    (folder / "model_ours.pt").write_bytes(b"")
    assert not recognises(folder / "model_ours.pt")


def test_the_state_is_preferred_then_the_most_steps_and_a_named_file_before_both(run_of: Callable[..., Path]) -> None:
    folder = run_of("park-mamba")
    for kept in ("model_900.pt", "model_1000.pt", "model_best_ema_last_loss.pt"):
        shutil.copy(folder / "state.pt", folder / kept)
    assert locate(folder).weights.name == "state.pt"
    (folder / "state.pt").unlink()
    assert locate(folder).weights.name == "model_1000.pt"
    assert locate(folder / "model_900.pt").weights.name == "model_900.pt"
    (folder / "model_900.pt").unlink()
    (folder / "model_1000.pt").unlink()
    assert locate(folder).weights.name == "model_best_ema_last_loss.pt"


def test_a_run_is_called_by_its_folder_whatever_dots_it_has(tmp_path: Path) -> None:
    folder = tmp_path / "512_pr0.9_lr1e-4"
    folder.mkdir()
    assert name_of(folder) == "512_pr0.9_lr1e-4"
    assert name_of(folder / "state.pt") == "512_pr0.9_lr1e-4"
    assert name_of(folder / "model_5000.pt") == "512_pr0.9_lr1e-4-5000"


def test_weights_alone_and_within_a_state_are_the_same_and_tell_their_step(run_of: Callable[..., Path]) -> None:
    folder = run_of("park-mamba")
    state, step = read_weights(locate(folder))
    torch.save(state, folder / "model_700.pt")
    torch.save(state, folder / "model_best_ema_last_loss.pt")
    alone, kept = read_weights(locate(folder / "model_700.pt"))
    assert (step, kept) == (400_000, 700)
    assert alone.keys() == state.keys()
    assert all(torch.equal(alone[key], state[key]) for key in state)
    assert read_weights(locate(folder / "model_best_ema_last_loss.pt"))[1] is None


def test_a_missing_config_or_missing_weights_are_said(run_of: Callable[..., Path]) -> None:
    folder = run_of("park-mamba")
    config = (folder / "config.yaml").rename(folder / "elsewhere")
    assert recognises(folder)
    with pytest.raises(ProbeError, match=r"holds the weights of an official run, but no config.yaml"):
        locate(folder)
    config.rename(folder / "config.yaml")
    (folder / "state.pt").unlink()
    with pytest.raises(ProbeError, match=r"holds a config.yaml, but neither state.pt nor model_STEP.pt"):
        locate(folder)


class _Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.target}",)


def test_code_in_the_weights_is_not_run(run_of: Callable[..., Path], tmp_path: Path) -> None:
    folder, proof = run_of("park-mamba"), tmp_path / "it-ran"
    torch.save({"model_state_dict": {"a": torch.ones(1)}, "args": _Malicious(proof)}, folder / "state.pt")
    with pytest.raises(ProbeError, match="holds something other than plain weights"):
        read_weights(locate(folder))
    assert not proof.exists()


@pytest.mark.parametrize("kept", [0, 100, 0.5])
def test_truncated_weights_are_refused(run_of: Callable[..., Path], kept: float) -> None:
    folder = run_of("park-mamba")
    whole = (folder / "state.pt").read_bytes()
    (folder / "state.pt").write_bytes(whole[: int(kept if kept >= 1 else kept * len(whole))])
    with pytest.raises(ProbeError, match=r"damaged"):
        read_weights(locate(folder))


@pytest.mark.parametrize("content", [[1], {}, {"model_state_dict": {"a": 1}}, {"model_state_dict": {}}, torch.ones(2)])
def test_a_file_of_something_else_is_refused(run_of: Callable[..., Path], content: object) -> None:
    folder = run_of("park-mamba")
    torch.save(content, folder / "state.pt")
    with pytest.raises(ProbeError, match="holds no weights of an official run"):
        read_weights(locate(folder))


def test_official_weights_are_known_by_their_keys() -> None:
    assert are_weights({"model_state_dict": {}})
    assert are_weights({"_read_in.weight": torch.ones(1)})
    assert not are_weights({"probe": 1})
    assert not are_weights([1])
