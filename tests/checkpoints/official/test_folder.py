"""Claims: a run is found by its folder or its files, read without executing anything, and refused in one sentence."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from probe import checkpoints
from probe.checkpoints import official
from probe.checkpoints.official.folder import are_weights, locate, name_of, read_weights, recognises
from probe.errors import ProbeError

FIXTURES = Path(__file__).parent / "fixtures"


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


@pytest.mark.parametrize(
    "step", [300_000, torch.tensor(300_000), torch.tensor([3e5], dtype=torch.float64), np.int64(300_000), 3e5]
)
def test_the_step_is_read_however_it_was_stored_and_the_curriculum_with_it(
    run_of: Callable[..., Path], step: object
) -> None:
    folder = run_of("park-mamba")
    content = torch.load(folder / "state.pt", weights_only=True)
    torch.save(content | {"train_step": step}, folder / "state.pt")
    found = official.read(folder)
    assert (found.description["step"], type(found.description["step"])) == (300_000, int)
    torch.save(content | {"train_step": torch.tensor(0)}, folder / "state.pt")
    early = official.read(folder)
    assert (early.description["step"], early.context) == (0, 1)
    assert found.context > early.context


@pytest.mark.parametrize("step", ["soon", None, -5, 2.5, torch.ones(2), True])
def test_what_is_no_step_is_not_taken_for_one(run_of: Callable[..., Path], step: object) -> None:
    folder = run_of("park-mamba")
    content = torch.load(folder / "state.pt", weights_only=True)
    torch.save(content | {"train_step": step}, folder / "state.pt")
    assert official.read(folder).description["step"] is None


@pytest.mark.parametrize("name", ["grazzi-mamba", "grazzi-s4", "park-mamba", "park-rnn", "park-standard", "garg-gpt2"])
@pytest.mark.parametrize("start", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model."])
def test_prefixes_of_wrappers_are_taken_off(run_of: Callable[..., Path], name: str, start: str) -> None:
    folder = run_of(name)
    state, _ = read_weights(locate(folder))
    (file,) = folder.glob("*.pt")
    torch.save({"state_dict": {start + key: tensor for key, tensor in state.items()}, "epoch": 1}, file)
    found = read_weights(locate(folder))[0]
    assert found.keys() == state.keys()
    assert official.read(folder).model.config == official.read(FIXTURES / name).model.config


def test_a_checkpoint_of_lightning_is_read_by_the_config_beside_it(run_of: Callable[..., Path]) -> None:
    folder = run_of("park-mamba")
    expected = checkpoints.load(str(folder)).stream.model.state_dict()
    state, _ = read_weights(locate(folder))
    (folder / "state.pt").unlink()
    content = {"pytorch-lightning_version": "2.4", "global_step": 1234, "optimizer_states": []}
    torch.save(
        content | {"state_dict": {f"model.{key}": value for key, value in state.items()}}, folder / "epoch=3.ckpt"
    )
    for path in (folder, folder / "epoch=3.ckpt"):
        found = checkpoints.load(str(path))
        assert found.description["step"] == 1234
        assert found.name == checkpoints.name_of(path)
        assert all(torch.equal(found.model.state_dict()[key], tensor) for key, tensor in expected.items())
    (folder / "config.yaml").unlink()
    with pytest.raises(ProbeError, match="is a checkpoint of Lightning, and nothing beside it says"):
        checkpoints.load(str(folder / "epoch=3.ckpt"))


def test_a_tied_read_out_is_filled_in_and_refused_where_it_differs(run_of: Callable[..., Path]) -> None:
    folder = run_of("park-gpt2-symbols", lambda state: state.pop("_read_out.weight"))
    found = official.read(folder).model
    assert torch.equal(found.read_in.weight, found.read_out.weight)
    content = torch.load(folder / "state.pt", weights_only=True)
    content["model_state_dict"]["_read_out.weight"] = content["model_state_dict"]["_read_in.weight"] + 1
    torch.save(content, folder / "state.pt")
    with pytest.raises(ProbeError, match=r"holds _read_in\.weight and _read_out\.weight, which differ"):
        official.read(folder)


def test_settings_that_unfold_without_end_are_refused_at_once(run_of: Callable[..., Path]) -> None:
    folder = run_of("park-mamba")
    lines = ["bomb0: &b0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"bomb{i}: &b{i} [{', '.join([f'*b{i - 1}'] * 9)}]" for i in range(1, 9)]
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text("\n".join(lines) + "\n" + text.replace("family: mamba", "family: *b8"))
    start = time.process_time()
    with pytest.raises(ProbeError, match="unfolds by its aliases to more than 20000 items") as raised:
        checkpoints.load(str(folder))
    assert time.process_time() - start < 2
    assert len(str(raised.value)) < 500
