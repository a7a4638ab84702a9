"""Claims: tensors are those of the files, by the files' own names, whatever readers make of them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from probe import checkpoints
from probe.config import ModelConfig
from probe.models import ResidualModel
from probe.recompute import stored_weights
from probe.recompute.weights import ImpossibleError

FIXTURES = Path(__file__).parents[1] / "checkpoints" / "official" / "fixtures"


@pytest.mark.parametrize("megabytes", [None, 0.001])
def test_our_own_in_a_file_or_in_parts(tmp_path: Path, megabytes: float | None) -> None:
    model = ResidualModel(ModelConfig("MA", 3, 8, attention_heads=2))
    about = {"task": "linear", "context": 4, "dim": 3, "seed": 0, "step": 1, "command": "a test"}
    path = tmp_path / ("parts" if megabytes else "one.pt")
    checkpoints.save(path, model, about, megabytes)
    found = stored_weights(path)
    assert found.keys() == model.state_dict().keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in model.state_dict().items())


def test_official_ones_as_they_lie_there() -> None:
    found = stored_weights(FIXTURES / "garg-gpt2")
    assert found["_backbone.h.0.attn.c_attn.weight"].shape == (8, 24)  # [in, out]
    kept = next((FIXTURES / "park-rnn").glob("model_*.pt"))
    assert stored_weights(kept).keys() == stored_weights(FIXTURES / "park-rnn").keys()


def test_language_models_in_safetensors_or_bin(saved: Callable[..., Path]) -> None:
    folder = saved("gpt2")
    found = stored_weights(folder)
    assert found["transformer.h.0.attn.c_attn.weight"].shape == (32, 96)
    (folder / "model.safetensors").unlink()
    torch.save(dict(found), folder / "pytorch_model.bin")
    assert stored_weights(folder).keys() == found.keys()


def test_packed_weights_are_said_to_be_unknown(tmp_path: Path) -> None:
    (tmp_path / "packed.gguf").write_bytes(b"GGUF")
    for path in (tmp_path, tmp_path / "packed.gguf"):
        with pytest.raises(ImpossibleError, match="the packed weights of a GGUF file"):
            stored_weights(path)
