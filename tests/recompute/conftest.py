"""Tiny random language models as transformers writes them, and what runs of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

SHARED = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 32,
    "pad_token_id": None,
    "bos_token_id": None,
    "eos_token_id": None,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "falcon_mamba": {"state_size": 4},
    "gemma": {"head_dim": 8},
    "gptj": {"n_positions": 32, "n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 4},
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "gpt2": {"n_positions": 32, "n_embd": 32, "n_layer": 2, "n_head": 4},
    "mamba": {"state_size": 4},
    "mamba2": {"state_size": 8, "num_heads": 4, "head_dim": 16, "n_groups": 2, "chunk_size": 8},
    "qwen3": {"head_dim": 8},
    "rwkv": {"rescale_every": 1, "attention_hidden_size": 32},
}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is fetched, whatever a test names."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="the extra huggingface is not installed")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """``saved(kind, **settings)`` is the folder of a random model of a family, as transformers writes it."""
    pytest.importorskip("transformers", reason="the extra huggingface is not installed")

    def save(kind: str, **settings: Any) -> Path:
        from transformers import AutoConfig, AutoModelForCausalLM

        from probe.checkpoints.huggingface.library import quiet

        config = AutoConfig.for_model(kind, **{**SHARED, **SETTINGS.get(kind, {}), **settings})
        with quiet(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)
            # norms and biases start at 1 and 0, where many mistakes cancel
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
            model.save_pretrained(tmp_path / kind)
        return tmp_path / kind

    return save


@pytest.fixture
def tokens() -> torch.Tensor:
    """Two different prompts of 11 random tokens."""
    return torch.randint(50, (2, 11), generator=torch.Generator().manual_seed(3))
