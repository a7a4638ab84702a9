"""Claims: a block's letters say what it holds; parameters add up; FLOPs are counted as for our own models."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from probe.capture import NativeModel
from probe.capture.huggingface import HuggingFaceModel
from probe.capture.huggingface.blocks import layout
from probe.config import ModelConfig
from probe.models import ResidualModel


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("ctrl", "[A?]3"),
        ("falcon_h1", "[DAF]3"),
        ("falcon_mamba", "M3"),
        ("gpt_neox", "[AF]3"),
        ("jamba", "[MF][AF][MF]"),
        ("llama", "[AF]3"),
        ("mamba2", "D3"),
        ("minimax", "[?F][AF][?F][AF]"),
        ("olmoe", "[AF]3"),
        ("opt", "[AF]3"),
        ("recurrent_gemma", "[?F]2[AF]"),
        ("rwkv", "[RC]3"),
        ("xlstm", "[?F]3"),
    ],
)
def test_the_layout_says_what_every_block_holds(tiny, kind, text):
    described = HuggingFaceModel(tiny(kind)).description
    assert described.layout == text
    assert len(described.letters) == len(described.residuals) == (4 if kind == "minimax" else 3)


def test_repeated_blocks_are_written_once():
    assert layout(["M", "M", "[AF]", "M"]) == "M2[AF]M"


@pytest.mark.parametrize("kind", ["cohere", "gpt2", "gptj", "jamba", "llama", "mamba", "opt", "rwkv"])
def test_parameters_up_to_the_last_layer_are_all_but_the_decoders_own(tiny, kind):
    model = HuggingFaceModel(tiny(kind))
    total = sum(parameter.numel() for parameter in model.model.parameters())
    head = model.model.get_output_embeddings()
    tied = head.weight is model.model.get_input_embeddings().weight
    norm = sum(parameter.numel() for parameter in model._norm.parameters())
    own = norm + (0 if tied else sum(parameter.numel() for parameter in head.parameters()))
    counts = model.description.parameters
    assert counts[-1] == total - own
    assert list(counts) == sorted(set(counts))
    assert counts[0] >= 50 * 32


@pytest.mark.parametrize(
    ("kind", "settings", "ours", "blocks"),
    [
        ("mamba", {"state_size": 16, "intermediate_size": 64}, "M3", 1),
        ("mamba2", {"state_size": 64, "num_heads": 2, "head_dim": 32}, "D3", 1),
        ("gpt2", {}, "(AF)3", 2),
        ("rwkv", {"intermediate_size": None}, "(RC)3", 2),
    ],
)
def test_flops_are_those_of_our_own_model_of_these_sizes(tiny, kind, settings, ours, blocks):
    native = NativeModel(ResidualModel(ModelConfig(layout=ours, dim=3, width=32, attention_heads=2)))
    counted = native.flops(11)
    expected = [counted[i] - counted[0] for i in range(0, len(counted), blocks)]
    assert HuggingFaceModel(tiny(kind, **settings)).flops(11) == expected


@pytest.mark.parametrize("kind", ["llama", "gptj", "opt"])
def test_flops_of_a_transformer_are_those_that_run(tiny, tokens, kind):
    """torch counts every matrix product; of the scores it counts those to later tokens too, which we do not."""
    model = HuggingFaceModel(tiny(kind, attn_implementation="eager"))
    time, heads = tokens.shape[1], 32
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.model(input_ids=tokens[:1], use_cache=False)
    later = 3 * 2 * time * (time - 1) * heads
    head = 2 * time * 32 * 50
    positions = (
        0
        if kind != "llama"
        else counter.get_flop_counts()["Global"].get(torch.ops.aten.bmm, 0) - (3 * 4 * time * time * heads)
    )
    assert counter.get_total_flops() - later - head - positions == model.flops(time)[-1]


def test_of_the_experts_only_those_that_a_token_is_sent_to_are_counted(tiny):
    few, all_of_them = (HuggingFaceModel(tiny("jamba", num_experts_per_tok=k)).flops(11) for k in (2, 4))
    expert = 3 * 32 * 48
    assert all_of_them[2] - few[2] == 2 * 11 * 2 * expert
    assert all_of_them[1] == few[1]
