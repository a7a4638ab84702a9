"""Claims: what transformers would leave out, make up or tell apart in silence is refused by the weight's name."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from probe.capture import check_invariants
from probe.checkpoints.huggingface import library, read
from probe.errors import ProbeError


def edit(folder, change):
    """Changes the weights that a folder holds in one file."""
    path = folder / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path, {"format": "pt"})
    return folder


def settings(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


@pytest.mark.parametrize(
    ("kind", "name", "shape"),
    [
        ("llama", "model.layers.1.self_attn.q_proj.bias", (32,)),
        ("llama", "model.layers.0.self_attn.q_norm.weight", (16,)),
        ("llama", "model.layers.2.mlp.gate_proj.bias", (48,)),
        ("llama", "model.norm.bias", (32,)),
        ("llama", "lm_head.bias", (50,)),
        ("gpt2", "transformer.h.1.attn.bias", (32,)),
        ("gpt2", "transformer.h.1.attn.rope.weight", (32, 4)),
        ("mamba", "backbone.layers.1.mixer.dt_norm.weight", (4,)),
        ("rwkv", "rwkv.blocks.1.attention.time_maa.weight", (32,)),
    ],
)
def test_a_weight_that_nothing_uses_is_refused_by_name(saved, kind, name, shape):
    folder = edit(saved(kind), lambda weights: weights.update({name: torch.ones(shape)}))
    with pytest.raises(ProbeError, match=rf"holds {name}, which the model of its settings does not use"):
        read(folder)


def test_biases_that_the_settings_switch_off_are_read_once_they_switch_them_on(saved, tokens):
    folder = saved("llama", attention_bias=True)
    expected = read(folder).run(tokens)
    with pytest.raises(ProbeError, match=r"self_attn\.\w_proj\.bias, which the model of its settings does not use"):
        read(settings(folder, attention_bias=False))
    assert torch.equal(read(settings(folder, attention_bias=True)).run(tokens), expected)


@pytest.mark.parametrize(
    ("kind", "extra"),
    [
        ("llama", {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(8)}),
        ("llama", {"model.rotary_emb.inv_freq": torch.ones(8)}),
        ("llama", {"model.layers.0.self_attn.rotary_emb.cos_cached": torch.ones(1, 1, 32, 16)}),
        ("gpt2", {"transformer.h.0.attn.bias": torch.ones(1, 1, 32, 32).bool().tril()}),
        ("gpt2", {"transformer.h.0.attn.masked_bias": torch.tensor(-1e4)}),
        ("gpt_neox", {"gpt_neox.layers.0.attention.bias": torch.ones(1, 1, 32, 32).tril()}),
        ("opt", {"model.decoder.position_ids": torch.arange(32)[None]}),
        ("llama", {"score.weight": torch.ones(2, 32)}),
        ("gpt2", {"v_head.summary.weight": torch.ones(1, 32)}),
        ("llama", {"mtp.layers.0.weight": torch.ones(2, 32)}),
    ],
)
def test_tables_masks_and_heads_for_other_purposes_are_harmless(saved, tokens, kind, extra):
    folder = saved(kind)
    expected = read(folder).run(tokens)
    assert torch.equal(read(edit(folder, lambda weights: weights.update(extra))).run(tokens), expected)


@pytest.mark.parametrize("kind", ["gpt2", "mamba", "opt"])
def test_two_tensors_for_one_tied_weight_are_refused(saved, tiny, kind):
    model = tiny(kind)
    names = {id(parameter): name for name, parameter in model.named_parameters(remove_duplicate=False)}
    table, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    assert table is head
    folder = saved(kind)
    same = edit(folder, lambda weights: weights.update({"lm_head.weight": table.clone()}))
    assert read(same).model.get_output_embeddings().weight.shape == table.shape
    other = edit(folder, lambda weights: weights.update({"lm_head.weight": table + 1}))
    with pytest.raises(ProbeError, match=r"lm_head\.weight and .*, which differ, but its settings make the two one"):
        read(other)
    assert names


def test_a_read_out_of_its_own_that_is_missing_is_refused(saved):
    folder = edit(saved("llama"), lambda weights: weights.pop("lm_head.weight"))
    with pytest.raises(ProbeError, match=r"lacks 1 of the model's weights \(lm_head\.weight\)"):
        read(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"model.layers.0.self_attn.q_proj.weight_scale_inv": torch.ones(1, 1)},
        {"model.layers.0.self_attn.q_proj.qweight": torch.ones(4, 4, dtype=torch.int32)},
        {"model.layers.0.self_attn.q_proj.SCB": torch.ones(32)},
        {"model.layers.0.self_attn.q_proj.weight": torch.ones(32, 32, dtype=torch.int8)},
        {"model.layers.0.self_attn.q_proj.weight": torch.ones(32, 32).to(torch.float8_e4m3fn)},
    ],
)
def test_quantised_weights_are_told_as_such_whatever_the_settings_say(saved, change):
    folder = edit(saved("llama"), lambda weights: weights.update(change))
    with pytest.raises(ProbeError, match=r"holds quantised weights \(model\.layers\.0\.self_attn\.q_proj"):
        read(folder)


@pytest.mark.parametrize("version", ["5.0.0", "5.22.1"])
def test_groups_of_a_mamba_2_are_refused_where_the_library_norms_over_all_of_them(saved, monkeypatch, version):
    folder = saved("mamba2", n_groups=2)
    assert read(folder).description.layout == "D3"
    monkeypatch.setattr(library.transformers(), "__version__", version)
    with pytest.raises(ProbeError, match=rf"a Mamba-2 with 2 groups, which transformers {version} computes wrongly"):
        read(folder)


def test_one_group_is_read_by_every_version(saved, monkeypatch):
    monkeypatch.setattr(library.transformers(), "__version__", "5.0.0")
    assert read(saved("mamba2")).description.layout == "D3"


def test_weights_of_the_base_model_alone_are_read_where_the_head_is_tied(saved, tokens):
    folder = saved("gpt2")
    expected = read(folder).run(tokens)

    def shorten(weights):
        for name in list(weights):
            weights[name.removeprefix("transformer.")] = weights.pop(name)

    model = read(edit(folder, shorten))
    assert torch.equal(model.run(tokens), expected)
    assert all(finding.held for finding in check_invariants(model, tokens))
