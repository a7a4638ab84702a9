"""Tiny random models of every family, made once, and the folders that they are saved in."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

VOCABULARY = 50

SHARED = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 48,
    "max_position_embeddings": 32,
    "pad_token_id": None,
    "bos_token_id": None,
    "eos_token_id": None,
}
GPT = {"n_positions": 32, "n_embd": 32, "n_layer": 3, "n_head": 2}
MAMBA2 = {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 8, "mamba_n_groups": 1, "mamba_chunk_size": 8}
SETTINGS: dict[str, dict[str, Any]] = {
    "bert": {"is_decoder": True},
    "biogpt": {},
    "bloom": {},
    "cohere": {},
    "ctrl": {**GPT, "dff": 48},
    "deepseek_v3": {
        "q_lora_rank": 16, "kv_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 16,
        "n_routed_experts": 4, "n_group": 1, "topk_group": 1, "num_experts_per_tok": 2, "moe_intermediate_size": 16,
        "first_k_dense_replace": 1, "num_key_value_heads": 2,
    },
    "falcon": {},
    "falcon_h1": {**MAMBA2, "mamba_d_ssm": 64, "lm_head_multiplier": 0.3},
    "falcon_mamba": {"state_size": 4},
    "gemma2": {"head_dim": 16, "final_logit_softcapping": 3.0},
    "gpt2": GPT,
    "gpt_neox": {},
    "gptj": {**GPT, "rotary_dim": 8},
    "granite": {"logits_scaling": 4.0},
    "jamba": {
        "attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2, "expert_layer_offset": 1,
        "num_experts": 4, "num_experts_per_tok": 2, "mamba_d_state": 4, "mamba_dt_rank": 2,
    },
    "llama": {},
    "marian": {
        "d_model": 32, "decoder_layers": 3, "decoder_attention_heads": 2, "decoder_ffn_dim": 48, "is_decoder": True,
        "decoder_vocab_size": 50, "is_encoder_decoder": False,
    },
    "mamba": {"state_size": 4},
    "mamba2": {"state_size": 8, "num_heads": 4, "head_dim": 16, "n_groups": 1, "chunk_size": 8},
    "olmoe": {"num_experts": 4, "num_experts_per_tok": 2},
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "recurrent_gemma": {
        "block_types": ["recurrent", "recurrent", "attention"], "lru_width": 32, "logits_soft_cap": 3.0,
        "attention_window_size": 16,
    },
    "minimax": {
        "head_dim": 16, "block_size": 8, "num_local_experts": 2, "num_hidden_layers": 4,
        "layer_types": ["linear_attention", "full_attention"] * 2,
    },
    "xglm": {"d_model": 32, "num_layers": 3, "attention_heads": 2, "ffn_dim": 48},
    "xlstm": {"embedding_dim": 32, "num_heads": 2, "num_blocks": 3, "hidden_size": 32},
    "rwkv": {"rescale_every": 2, "attention_hidden_size": 32},
}  # fmt: skip


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is fetched, whatever a test names."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="the extra huggingface is not installed")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@cache
def _weights(kind: str, settings: tuple[tuple[str, Any], ...]) -> nn.Module:
    from transformers import AutoConfig, AutoModelForCausalLM

    from probe.checkpoints.huggingface.library import quiet

    config = AutoConfig.for_model(kind, **{**SHARED, **SETTINGS[kind], **dict(settings)})
    generator = torch.Generator().manual_seed(1)
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        # norms and biases start at 1 and 0, where many mistakes cancel
        parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1 if parameter.ndim == 1 else 0.02)
    return model


@pytest.fixture(scope="session")
def tiny() -> Callable[..., nn.Module]:
    """``tiny(kind, **settings)`` is a random model of a family, always with the same weights."""
    pytest.importorskip("transformers", reason="the extra huggingface is not installed")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from copy import deepcopy

    def make(kind: str, **settings: Any) -> nn.Module:
        return deepcopy(_weights(kind, tuple(settings.items())))

    return make


@pytest.fixture
def saved(tiny: Callable[..., nn.Module], tmp_path: Path) -> Callable[..., Path]:
    """``saved(kind, **settings)`` is the folder of such a model as transformers writes it."""

    def save(kind: str, shard: str = "5GB", **settings: Any) -> Path:
        from probe.checkpoints.huggingface.library import quiet

        with quiet():
            tiny(kind, **settings).save_pretrained(tmp_path / kind, max_shard_size=shard)
        return tmp_path / kind

    return save


@pytest.fixture
def tokens() -> Tensor:
    """Two different prompts of 11 random tokens."""
    return torch.randint(VOCABULARY, (2, 11), generator=torch.Generator().manual_seed(3))
