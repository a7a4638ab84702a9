"""What is saved is what is loaded, and nothing else is."""

import json
import os
import pickle
import random
import shutil
from pathlib import Path

import pytest
import torch

from probe import checkpoints
from probe.checkpoints.digest import digest_of
from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.models import ResidualModel
from probe.processes.devices import device_named

DESCRIPTION = {"task": "linear", "context": 4, "seed": 0, "step": 1, "command": "probe train"}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "model.pt"
    checkpoints.save(path, ResidualModel(ModelConfig("M2AF", 3, 16)), DESCRIPTION)
    return path


def test_a_checkpoint_comes_back_bit_for_bit(saved: Path) -> None:
    model = ResidualModel(ModelConfig("M2AF", 3, 16))
    digest = checkpoints.save(saved, model, DESCRIPTION)
    found = checkpoints.load(str(saved))
    assert found.digest == digest
    assert found.name == "model"
    assert (found.task, found.context) == ("linear", 4)
    for name, tensor in model.state_dict().items():
        assert torch.equal(found.model.state_dict()[name], tensor)


def test_one_flipped_bit_in_the_weights_is_found(saved: Path) -> None:
    """Flips a bit in every tenth byte that holds a weight."""
    model = checkpoints.load(str(saved)).model
    whole = saved.read_bytes()
    for tensor in model.state_dict().values():
        raw = tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes()
        place = whole.find(raw)
        assert place >= 0
        damaged = bytearray(whole)
        damaged[place + len(raw) // 2] ^= 1
        saved.write_bytes(damaged)
        with pytest.raises(ProbeError, match="damaged"):
            checkpoints.load(str(saved))


def test_no_flipped_bit_anywhere_changes_what_is_loaded(saved: Path) -> None:
    """A flip is refused, or it lies in padding and the model is the same to the bit."""
    whole = saved.read_bytes()
    digest = checkpoints.load(str(saved)).digest
    for place in random.Random(0).sample(range(len(whole)), 50):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        saved.write_bytes(damaged)
        try:
            found = checkpoints.load(str(saved))
        except ProbeError:
            continue
        assert found.digest == digest
        assert checkpoints.save(saved.with_name("again.pt"), found.model, {**found.description}) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"context": 0},
        {"context": "4"},
        {"context": -1},
        {"task": 3},
        {"plan": []},
        {"plan": {}},
        {"plan": "x"},
        {"plan": {"seed": 0, "model": {}}},
        {"plan": {"seed": "0", "model": {"layout": "M1", "dim": 3, "width": 16}}},
        {"plan": {"seed": 0, "model": {"layout": "M1", "dim": 3, "width": 16, "norm": "batch"}}},
        {"source": "elsewhere"},
        {"seed": [1]},
        {"step": "late"},
        {"arch": 3},
        {"training_flops": {}},
    ],
)
def test_a_signed_file_that_does_not_say_what_it_learned_is_refused(saved: Path, change: dict[str, object]) -> None:
    found = checkpoints.load(str(saved))
    checkpoints.save(saved, found.model, found.description | change)
    with pytest.raises(ProbeError, match=r"what it was trained on|describes what cannot be"):
        checkpoints.load(str(saved))


@pytest.mark.parametrize(
    "change",
    [
        {"dropout": -1},
        {"dropout": 1.0},
        {"dropout": "none"},
        {"norm": "rmsnorm"},
        {"positions": "rotary"},
        {"init": "zeros"},
        {"width": 16.0},
        {"layout": ["M1"]},
    ],
)
def test_a_signed_file_of_a_model_that_cannot_be_is_refused(saved: Path, change: dict[str, object]) -> None:
    found = checkpoints.load(str(saved))
    content = torch.load(saved, weights_only=True)
    text = json.dumps(found.description | {"model": found.description["model"] | change})
    digest = digest_of(content["weights"], text)
    torch.save(content | {"description": text, "digest": digest}, saved)
    with pytest.raises(ProbeError, match=r"what it was trained on|describes what cannot be"):
        checkpoints.load(str(saved))


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.99])
def test_a_truncated_file_is_refused(saved: Path, kept: float) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(kept if kept >= 1 else kept * len(whole))])
    with pytest.raises(ProbeError, match=r"damaged or truncated|was not loaded"):
        checkpoints.load(str(saved))


class _Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("writer", ["pickle", "torch"])
def test_code_in_a_file_is_not_run(tmp_path: Path, writer: str) -> None:
    path, proof = tmp_path / "evil.pt", tmp_path / "it-ran"
    if writer == "pickle":
        path.write_bytes(pickle.dumps(_Malicious(proof)))
    else:
        torch.save({"probe": 1, "weights": _Malicious(proof)}, path)
    with pytest.raises(ProbeError, match=r"was not loaded|is no file of weights"):
        checkpoints.load(str(path))
    assert not proof.exists()


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    model = ResidualModel(ModelConfig("M1", 3, 16))
    with torch.no_grad():
        model.blocks[0].mixer.D[3] = float("nan")
    checkpoints.save(tmp_path / "nan.pt", model, DESCRIPTION)
    with pytest.raises(ProbeError, match=r"not finite \(blocks.0.mixer.D\)"):
        checkpoints.load(str(tmp_path / "nan.pt"))


def test_a_foreign_file_is_named_as_such(tmp_path: Path) -> None:
    torch.save({"model_state_dict": {}}, tmp_path / "foreign.pt")
    with pytest.raises(ProbeError, match="not written by probe train"):
        checkpoints.load(str(tmp_path / "foreign.pt"))


def test_a_description_that_does_not_fit_the_weights_is_refused(tmp_path: Path) -> None:
    model = ResidualModel(ModelConfig("M1", 3, 16))
    object.__setattr__(model.config, "width", 32)
    checkpoints.save(tmp_path / "odd.pt", model, DESCRIPTION)
    with pytest.raises(ProbeError, match="weights do not fit"):
        checkpoints.load(str(tmp_path / "odd.pt"))


def test_a_bare_name_is_sought_in_checkpoints(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "checkpoints").mkdir()
    shutil.move(saved, tmp_path / "checkpoints" / "kept.pt")
    monkeypatch.chdir(tmp_path)
    for name in ("kept", "kept.pt", "checkpoints/kept", "checkpoints/kept.pt"):
        assert checkpoints.find(name).name == "kept.pt"
    with pytest.raises(ProbeError, match="There is no checkpoint other"):
        checkpoints.find("other")
    with pytest.raises(ProbeError, match="is a folder"):
        checkpoints.find("checkpoints")


def test_a_name_close_to_a_checkpoint_s_is_suggested_and_where_it_was_sought_is_said(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "checkpoints").mkdir()
    shutil.move(saved, tmp_path / "checkpoints" / "mamba.pt")
    monkeypatch.chdir(tmp_path)
    for given in ("mamb", "mamb.pt", "checkpoints/mamb.pt"):
        with pytest.raises(
            ProbeError, match=r"it was sought (here|in checkpoints).*Did you mean (checkpoints/)?mamba\.pt\?"
        ):
            checkpoints.find(given)
    with pytest.raises(ProbeError, match=r"no checkpoint xyz; it was sought here and in checkpoints"):
        checkpoints.find("xyz")


@pytest.mark.parametrize("start", ["module.", "_orig_mod.", "_orig_mod.module."])
def test_weights_of_a_wrapped_model_of_ours_are_read(tmp_path: Path, start: str) -> None:
    model = ResidualModel(ModelConfig("M1A1", 3, 16))
    wrapped: torch.nn.Module = model
    for part in reversed(start.rstrip(".").split(".")):
        holder = torch.nn.Module()
        holder.add_module(part, wrapped)
        wrapped = holder
    wrapped.config = model.config
    checkpoints.save(tmp_path / "wrapped.pt", wrapped, DESCRIPTION)
    found = checkpoints.load(str(tmp_path / "wrapped.pt")).model
    assert all(torch.equal(found.state_dict()[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda weights: weights.pop("norm_f.weight"), r"lacks 1 of the model's weights \(norm_f\.weight\)"),
        (lambda weights: weights.update({"blocks.0.mixer.q": torch.ones(3)}), r"holds blocks\.0\.mixer\.q, which"),
        (lambda weights: weights.update({"norm_f.weight": torch.ones(3)}), r"shape \[3\] \(norm_f\.weight\)"),
    ],
)
def test_a_signed_file_that_is_not_the_whole_model_names_the_weight(saved: Path, change, sentence: str) -> None:
    content = torch.load(saved, weights_only=True)
    change(content["weights"])
    content["digest"] = digest_of(content["weights"], content["description"])
    torch.save(content, saved)
    with pytest.raises(ProbeError, match=sentence):
        checkpoints.load(str(saved))


def test_an_unknown_device_is_refused() -> None:
    assert device_named("cpu") == torch.device("cpu")
    with pytest.raises(ProbeError, match="no such device"):
        device_named("abacus")
