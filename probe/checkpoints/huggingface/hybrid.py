"""Hybrids of the package mamba_ssm: attention, feed-forwards and layer norms beside its mixers, in residual blocks.

Written from the package's `modules.mha.MHA`, `modules.mlp.GatedMLP`, `modules.block.Block` and flash_attn's rotary
embedding (Su et al., 2021, arXiv:2104.09864), whose parameter names these modules bear.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-5
ROUNDED = 128  # hidden sizes of feed-forwards are filled up to a multiple of this


@dataclass(frozen=True)
class AttentionConfig:
    """The package's own settings of attention; it must be causal.

    Args:
        num_heads_kv: keys and values that groups of heads share; by default one a head.
        head_dim: by default the width shared out among the heads.
        mlp_dim: a feed-forward within the attention; 0 is what can be read.
        softmax_scale: what scores are multiplied by; by default one over the root of the head's size.
        d_conv: the length of a short convolution over queries, keys and values; 0 for none.
        rotary_emb_dim: how many coordinates of a head are turned by their position; 0 for none.
        rotary_emb_interleaved: whether coordinates are turned with their neighbours, rather than half the way off.
    """

    num_heads: int
    num_heads_kv: int | None = None
    head_dim: int | None = None
    mlp_dim: int = 0
    qkv_proj_bias: bool = True
    out_proj_bias: bool = True
    softmax_scale: float | None = None
    causal: bool = False
    d_conv: int = 0
    rotary_emb_dim: int = 0
    rotary_emb_base: float = 10000.0
    rotary_emb_interleaved: bool = False


@dataclass(frozen=True)
class HybridConfig:
    """The type and the sizes of a hybrid, by transformers' names."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    model_type: str = "mamba_ssm"


class MultiHeadAttention(nn.Module):
    """Causal attention as `MHA` has it."""

    def __init__(self, width: int, config: AttentionConfig) -> None:
        super().__init__()
        self.config, self.head_dim = config, config.head_dim or width // config.num_heads
        self.groups = config.num_heads_kv or config.num_heads
        inner = self.head_dim * (config.num_heads + 2 * self.groups)
        self.in_proj = nn.Linear(width, inner, bias=config.qkv_proj_bias)
        if config.d_conv:
            self.conv1d = nn.Conv1d(inner, inner, config.d_conv, padding=config.d_conv - 1, groups=inner)
        self.out_proj = nn.Linear(self.head_dim * config.num_heads, width, bias=config.out_proj_bias)

    def forward(self, stream: Tensor) -> Tensor:
        """Returns the attention's output."""
        mixed = self.in_proj(stream)
        time = mixed.shape[1]
        if self.config.d_conv:
            mixed = self.conv1d(mixed.mT)[..., :time].mT
        heads = mixed.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
        query, key, value = heads.split([self.config.num_heads, self.groups, self.groups], dim=1)
        query, key = self._turned(query), self._turned(key)
        key, value = (part.repeat_interleave(self.config.num_heads // self.groups, dim=1) for part in (key, value))
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=self.config.softmax_scale)
        written: Tensor = self.out_proj(seen.transpose(1, 2).flatten(2))
        return written

    def _turned(self, heads: Tensor) -> Tensor:
        """Returns ``[batch, head, time, size]`` with the first coordinates of each head turned by their position."""
        count = self.config.rotary_emb_dim
        if not count:
            return heads
        turned, rest = heads[..., :count].float(), heads[..., count:]
        steps = torch.arange(0, count, 2, device=heads.device, dtype=torch.float32) / count
        places = torch.arange(heads.shape[2], device=heads.device, dtype=torch.float32)
        angles = torch.outer(places, self.config.rotary_emb_base**-steps)
        cos, sin = angles.cos(), angles.sin()
        if self.config.rotary_emb_interleaved:
            one, other = turned[..., ::2], turned[..., 1::2]
            pairs = torch.stack([one * cos - other * sin, one * sin + other * cos], dim=-1).flatten(-2)
        else:
            one, other = turned.chunk(2, dim=-1)
            pairs = torch.cat([one * cos - other * sin, one * sin + other * cos], dim=-1)
        return torch.cat([pairs.to(heads.dtype), rest], dim=-1)


class GatedMLP(nn.Module):
    """A feed-forward layer, one half of which gates the other."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        hidden = -(-hidden // ROUNDED) * ROUNDED
        self.fc1 = nn.Linear(width, 2 * hidden, bias=False)
        self.fc2 = nn.Linear(hidden, width, bias=False)

    def forward(self, stream: Tensor) -> Tensor:
        """Returns the feed-forward's output."""
        value, gate = self.fc1(stream).chunk(2, dim=-1)
        written: Tensor = self.fc2(value * F.silu(gate))
        return written


class Block(nn.Module):
    """A norm and a mixer and, if it has one, a norm and a feed-forward, each added to the stream."""

    def __init__(self, norm: nn.Module, mixer: nn.Module, norm2: nn.Module | None, mlp: nn.Module | None) -> None:
        super().__init__()
        self.norm, self.mixer = norm, mixer
        if norm2 is not None:
            self.norm2, self.mlp = norm2, mlp

    def forward(self, stream: Tensor) -> Tensor:
        """Returns the stream after the block."""
        stream = stream + self.mixer(self.norm(stream))
        return stream + self.mlp(self.norm2(stream)) if hasattr(self, "mlp") else stream  # type: ignore[misc]


class Hybrid(nn.Module):
    """A model of mamba_ssm that takes its mixers, and by default its norms, from a model of transformers.

    Args:
        plain: the same stack without attention, feed-forwards and layer norms, of which parts are taken.
        attention: the settings of attention, where there is some.
        attending: the blocks whose mixer is attention.
        hidden: the hidden size of the feed-forwards, before it is rounded; 0 for none.
        layer_norm: whether norms are layer norms rather than RMS norms.
    """

    def __init__(
        self,
        plain: Any,
        attention: AttentionConfig | None,
        attending: frozenset[int],
        hidden: int,
        layer_norm: bool,
    ) -> None:
        super().__init__()
        width, layers = int(plain.config.hidden_size), len(plain.backbone.layers)
        heads = attention.num_heads if attention else 0
        self.config = HybridConfig(width, layers, heads)
        kind: type[nn.Module] = type(plain.backbone.norm_f)

        def norm() -> nn.Module:
            return nn.LayerNorm(width, eps=EPSILON) if layer_norm else kind(width, eps=EPSILON)

        blocks = []
        for number, layer in enumerate(plain.backbone.layers):
            mixer = MultiHeadAttention(width, attention) if attention and number in attending else layer.mixer
            mlp = (norm(), GatedMLP(width, hidden)) if hidden else (None, None)
            blocks.append(Block(norm(), mixer, *mlp))
        self.backbone = nn.Module()
        self.backbone.embeddings = plain.backbone.embeddings
        self.backbone.layers = nn.ModuleList(blocks)
        self.backbone.norm_f = norm()
        self.lm_head = plain.lm_head

    def get_input_embeddings(self) -> nn.Module:
        """Returns the table of symbols."""
        table = self.backbone.embeddings
        assert isinstance(table, nn.Module)
        return table

    def get_output_embeddings(self) -> nn.Module:
        """Returns the read-out of symbols."""
        head: nn.Module = self.lm_head
        return head

    def forward(self, input_ids: Tensor, use_cache: bool = False, return_dict: bool = True) -> SimpleNamespace:
        """Returns the logits by that name, ``[batch, time, symbols]``; it keeps no cache."""
        stream = self.get_input_embeddings()(input_ids)
        for block in self.backbone.layers:  # type: ignore[union-attr]
            stream = block(stream)
        return SimpleNamespace(logits=self.lm_head(self.backbone.norm_f(stream)))  # type: ignore[operator]
