"""Claims: a folder of the official mamba_ssm package is read without it, as the same model as our own mixers."""

import json

import pytest
import torch
from safetensors.torch import save_file

from probe.capture import NativeModel, capture, check_invariants
from probe.checkpoints.huggingface import read, recognises
from probe.checkpoints.huggingface.hybrid import AttentionConfig, MultiHeadAttention
from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.models import ResidualModel

SYMBOLS = 46  # padded to 48, the next multiple of 8
CONFIG = {
    "d_model": 32, "n_layer": 3, "vocab_size": SYMBOLS, "ssm_cfg": {}, "rms_norm": True, "residual_in_fp32": True,
    "fused_add_norm": True, "pad_vocab_size_multiple": 8, "tie_embeddings": False,
}  # fmt: skip
MAMBA2 = {"layer": "Mamba2", "d_state": 64, "headdim": 8}  # our Mamba-2 has eight heads


def native(layout):
    """One of our own models: its mixers bear the official package's parameter names."""
    torch.manual_seed(0)
    model = ResidualModel(ModelConfig(layout=layout, dim=1, width=32, symbols=48, outputs=48, norm="rms")).eval()
    torch.nn.init.zeros_(model.read_out.bias)
    for parameter in model.parameters():
        if parameter.ndim == 1 and parameter is not model.read_out.bias:
            parameter.data.add_(0.1 * torch.randn_like(parameter))
    return model.requires_grad_(False)


def official(model):
    """The same weights by the names that MambaLMHeadModel gives them."""
    weights = {"backbone.embedding.weight": model.read_in.weight, "backbone.norm_f.weight": model.norm_f.weight}
    weights["lm_head.weight"] = model.read_out.weight
    for i, block in enumerate(model.blocks):
        weights[f"backbone.layers.{i}.norm.weight"] = block.norm.weight
        weights |= {f"backbone.layers.{i}.mixer.{name}": value for name, value in block.mixer.state_dict().items()}
    return {name: value.clone() for name, value in weights.items()}


def write(folder, weights, **settings):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | settings))
    torch.save(weights, folder / "pytorch_model.bin")
    return folder


@pytest.mark.parametrize(("layout", "blocks"), [("M3", {}), ("M3", {"layer": "Mamba1"}), ("D3", MAMBA2)])
def test_its_stream_is_that_of_our_own_model_with_these_weights(tmp_path, tokens, layout, blocks):
    model = native(layout)
    folder = write(tmp_path / "official", official(model), ssm_cfg=blocks)
    assert recognises(folder)
    found, everywhere = read(folder), torch.arange(tokens.shape[1])
    assert (found.description.layout, found.description.symbols) == (layout, 48)
    theirs, ours = capture(found, tokens % 48, everywhere), capture(NativeModel(model), tokens % 48, everywhere)
    torch.testing.assert_close(theirs.stream, ours.stream, rtol=1e-4, atol=2e-5)
    torch.testing.assert_close(theirs.output, ours.output, rtol=1e-4, atol=2e-5)
    assert (ours.stream[3] - ours.stream[0]).abs().max() > 0.1
    assert all(finding.held for finding in check_invariants(found, tokens % 48))


def test_a_tied_read_out_may_be_left_out(tmp_path, tokens):
    weights = official(native("M3"))
    del weights["lm_head.weight"]
    model = read(write(tmp_path / "tied", weights, tie_embeddings=True)).model
    assert model.lm_head.weight is model.backbone.embeddings.weight
    assert torch.equal(model.lm_head.weight, weights["backbone.embedding.weight"])


def test_a_read_out_of_its_own_is_never_made_up(tmp_path):
    weights = official(native("M3"))
    del weights["lm_head.weight"]
    with pytest.raises(ProbeError, match=r"lm_head\.weight"):
        read(write(tmp_path / "untied", weights, tie_embeddings=False))


def test_a_tied_read_out_that_differs_is_refused(tmp_path):
    with pytest.raises(ProbeError, match=r"holds lm_head\.weight and backbone\.embeddings\.weight, which differ"):
        read(write(tmp_path / "tied", official(native("M3")), tie_embeddings=True))


def in_parts(folder, ending):
    """Distributes what `write` has written over three files with an index."""
    weights = torch.load(folder / "pytorch_model.bin", weights_only=True)
    (folder / "pytorch_model.bin").unlink()
    name, names = "model.safetensors" if ending == "safetensors" else "pytorch_model.bin", list(weights)
    where = {key: f"{name.split('.')[0]}-{i % 3 + 1:05d}-of-00003.{ending}" for i, key in enumerate(names)}
    for file in set(where.values()):
        part = {key: weights[key] for key in names if where[key] == file}
        save_file(part, folder / file) if ending == "safetensors" else torch.save(part, folder / file)
    index = folder / f"{name}.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return index


@pytest.mark.parametrize("ending", ["safetensors", "bin"])
def test_weights_in_several_files_are_read_whole(tmp_path, tokens, ending):
    folder = write(tmp_path / "official", official(native("M3")))
    expected = read(folder).run(tokens % 48)
    index = in_parts(folder, ending)
    assert torch.equal(read(folder).run(tokens % 48), expected)
    told = json.loads(index.read_text())
    lost = told["weight_map"] | {"backbone.layers.0.mixer.D2": next(iter(told["weight_map"].values()))}
    index.write_text(json.dumps({"weight_map": lost}))
    with pytest.raises(ProbeError, match=r"names backbone\.layers\.0\.mixer\.D2, which none of the folder's files"):
        read(folder)
    next(folder.glob("*-00002-*")).unlink()
    with pytest.raises(ProbeError, match=r"lacks .*-00002-of-00003.*, 1 of the 3 files"):
        read(folder)


@pytest.mark.parametrize("start", ["module.", "_orig_mod.", "_orig_mod.module.", "module._orig_mod.", "model."])
@pytest.mark.parametrize("inside", [None, "state_dict", "model"])
def test_weights_are_found_below_prefixes_and_within_other_things(tmp_path, tokens, start, inside):
    weights = official(native("M3"))
    expected = read(write(tmp_path / "official", weights)).run(tokens % 48)
    named = {start + name: tensor for name, tensor in weights.items()}
    found = read(write(tmp_path / "official", {inside: named, "epoch": 3} if inside else named))
    assert torch.equal(found.run(tokens % 48), expected)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["backbone.layers.1.mixer.in_proj.bias"], r"backbone\.layers\.1\.mixer\.in_proj\.bias"),
        (["backbone.layers.1.mixer.in_proj.qweight"], r"quantised weights \(.*qweight\)"),
        (["base_model.model.backbone.layers.1.mixer.in_proj.lora_A.weight"], "an adapter .*merge_and_unload"),
    ],
)
def test_weights_too_many_are_named(tmp_path, names, sentence):
    weights = official(native("M3")) | {name: torch.ones(3) for name in names}
    with pytest.raises(ProbeError, match=sentence):
        read(write(tmp_path / "official", weights))


ATTENTION = {
    "causal": True, "num_heads": 4, "num_heads_kv": 2, "head_dim": 8, "rotary_emb_dim": 4, "d_conv": 4,
    "qkv_proj_bias": False, "out_proj_bias": True, "softmax_scale": 0.4,
}  # fmt: skip


def drawn(shapes):
    generator = torch.Generator().manual_seed(5)
    return {name: 0.3 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def plain_attention(weights, x, heads, groups, size, turned, scale, interleaved=False):
    """Attention as the package has it, one head and one pair of symbols after another."""
    mixed = x @ weights["in_proj.weight"].T + weights.get("in_proj.bias", 0)
    if "conv1d.weight" in weights:
        kernel, padded = weights["conv1d.weight"][:, 0], torch.cat([torch.zeros(3, mixed.shape[1]), mixed])
        mixed = torch.stack([(padded[t : t + 4] * kernel.T).sum(0) for t in range(len(x))]) + weights["conv1d.bias"]
    parts = mixed.split([heads * size, groups * size, groups * size], dim=1)
    query, key, value = (part.reshape(len(x), -1, size).clone() for part in parts)
    for part in (query, key):
        for place in range(len(x)):
            for i in range(turned // 2):
                one, other = (2 * i, 2 * i + 1) if interleaved else (i, i + turned // 2)
                angle = torch.tensor(place * 10000.0 ** (-2 * i / turned))
                a, b = part[place, :, one].clone(), part[place, :, other].clone()
                part[place, :, one] = a * angle.cos() - b * angle.sin()
                part[place, :, other] = a * angle.sin() + b * angle.cos()
    found = torch.zeros(len(x), heads, size)
    for head in range(heads):
        group = head // (heads // groups)
        for t in range(len(x)):
            scores = scale * key[: t + 1, group] @ query[t, head]
            found[t, head] = scores.softmax(0) @ value[: t + 1, group]
    return found.flatten(1) @ weights["out_proj.weight"].T + weights.get("out_proj.bias", 0)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"rotary_emb_interleaved": True, "d_conv": 0},
        {"num_heads_kv": None, "head_dim": None, "rotary_emb_dim": 0, "qkv_proj_bias": True, "softmax_scale": None},
    ],
)
def test_attention_is_the_package_s(changes):
    config = AttentionConfig(**ATTENTION | changes)
    module = MultiHeadAttention(32, config)
    weights = drawn({name: value.shape for name, value in module.state_dict().items()})
    module.load_state_dict(weights)
    x = torch.randn(7, 32, generator=torch.Generator().manual_seed(1))
    groups, size = config.num_heads_kv or config.num_heads, config.head_dim or 32 // config.num_heads
    scale = config.softmax_scale or size**-0.5
    expected = plain_attention(
        weights, x, config.num_heads, groups, size, config.rotary_emb_dim, scale, config.rotary_emb_interleaved
    )
    torch.testing.assert_close(module(x[None])[0], expected, rtol=1e-4, atol=1e-5)


def hybrid(layout, attending, hidden=0, layer_norm=False):
    """Weights of a hybrid by the package's names: a model of ours, with attention, feed-forwards and biases put in."""
    weights, size = official(native(layout)), 128
    inner = ATTENTION["head_dim"] * (ATTENTION["num_heads"] + 2 * ATTENTION["num_heads_kv"])
    shapes = {"in_proj.weight": (inner, 32), "conv1d.weight": (inner, 1, 4), "conv1d.bias": (inner,)}
    shapes |= {"out_proj.weight": (32, 32), "out_proj.bias": (32,)}
    for block in attending:
        weights = {name: value for name, value in weights.items() if f"layers.{block}.mixer" not in name}
        weights |= drawn({f"backbone.layers.{block}.mixer.{name}": shape for name, shape in shapes.items()})
    for block in range(3) if hidden else ():
        new = {"norm2.weight": (32,), "mlp.fc1.weight": (2 * size, 32), "mlp.fc2.weight": (32, size)}
        weights |= drawn({f"backbone.layers.{block}.{name}": shape for name, shape in new.items()})
    if layer_norm:
        norms = [name for name in weights if "norm" in name and ".mixer." not in name]
        weights |= drawn({name.replace(".weight", ".bias"): (32,) for name in norms})
    return weights


def norm_of(weights, name, x, layer_norm):
    scale = weights[f"{name}.weight"]
    if layer_norm:
        return torch.nn.functional.layer_norm(x, (32,), scale, weights[f"{name}.bias"], 1e-5)
    return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * scale


@pytest.mark.parametrize(
    ("layout", "attending", "hidden", "layer_norm", "text"),
    [
        ("M3", [1], 0, False, "MAM"),
        ("D3", [0, 2], 0, False, "ADA"),
        ("M3", [], 100, False, "[MF]3"),
        ("D3", [1], 100, True, "[DF][AF][DF]"),
        ("M3", [], 0, True, "M3"),
    ],
)
def test_hybrids_of_the_package_are_read_as_it_computes_them(
    tmp_path, tokens, layout, attending, hidden, layer_norm, text
):
    """Its blocks are followed one by one; of the mixers, Mamba's are our own, and attention is written out above."""
    weights, ours = hybrid(layout, attending, hidden, layer_norm), native(layout)
    settings = {"attn_layer_idx": attending, "attn_cfg": ATTENTION, "d_intermediate": hidden}
    settings |= {"rms_norm": not layer_norm, "ssm_cfg": MAMBA2 if layout == "D3" else {}}
    found = read(write(tmp_path / "hybrid", weights, **settings))
    tokens = tokens % 48
    captured = capture(found, tokens, torch.arange(tokens.shape[1]))
    assert found.description.layout == text
    findings = check_invariants(found, tokens)
    assert len(findings) == 7
    assert all(finding.held for finding in findings), findings
    stream = weights["backbone.embedding.weight"][tokens]
    for block in range(3):
        torch.testing.assert_close(captured.stream[block], stream, rtol=1e-3, atol=1e-4)
        here = f"backbone.layers.{block}"
        normed = norm_of(weights, f"{here}.norm", stream, layer_norm)
        if block in attending:
            mixer = {name.removeprefix(f"{here}.mixer."): value for name, value in weights.items()}
            written = torch.stack([plain_attention(mixer, each, 4, 2, 8, 4, 0.4) for each in normed])
        else:
            with torch.no_grad():
                written = ours.blocks[block].mixer(normed)
        stream = stream + written
        if hidden:
            normed = norm_of(weights, f"{here}.norm2", stream, layer_norm)
            value, gate = (normed @ weights[f"{here}.mlp.fc1.weight"].T).chunk(2, dim=-1)
            stream = stream + (value * gate * gate.sigmoid()) @ weights[f"{here}.mlp.fc2.weight"].T
    torch.testing.assert_close(captured.stream[3], stream, rtol=1e-3, atol=1e-4)
    logits = norm_of(weights, "backbone.norm_f", stream, layer_norm) @ weights["lm_head.weight"].T
    torch.testing.assert_close(captured.output, logits, rtol=1e-3, atol=1e-3)
    assert found.flops(9)[-1] > 0
    assert found.description.parameters[-1] == sum(v.numel() for n, v in weights.items() if "norm_f" not in n) - 48 * 32


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"attn_layer_idx": [1]}, "gives num_heads of attn_cfg as None"),
        ({"attn_layer_idx": [3]}, r"gives attn_layer_idx as \[3\]"),
        ({"attn_layer_idx": 1}, "gives attn_layer_idx as 1"),
        ({"attn_layer_idx": [1], "attn_cfg": {"num_heads": 2}}, "attention that sees later symbols"),
        ({"attn_layer_idx": [1], "attn_cfg": {"num_heads": 5, "causal": True}}, "gives num_heads of attn_cfg as 5"),
        ({"attn_layer_idx": [1], "attn_cfg": {"num_heads": 2, "alibi": True}}, "with alibi in attn_cfg"),
        (
            {"attn_layer_idx": [1], "attn_cfg": {"num_heads": 2, "rotary_emb_dim": 18}},
            "rotary_emb_dim of attn_cfg as 18",
        ),
        ({"attn_layer_idx": [1], "attn_cfg": {"num_heads": 2, "causal": True, "mlp_dim": 9}}, "with mlp_dim in its"),
        ({"attn_layer_idx": [1], "attn_cfg": {"num_heads": 2, "causal": True}}, "do not fit its config.json"),
        ({"d_intermediate": "wide"}, "gives d_intermediate as 'wide'"),
        ({"d_model": {"a": 1}}, r"gives d_model as \{"),
        ({"n_layer": 0}, "gives n_layer as 0"),
        ({"vocab_size": 3.5}, "gives vocab_size as 3.5"),
        ({"d_intermediate": 64}, r"do not fit its config\.json \(backbone\.layers\.0\.norm2\.weight: "),
        ({"rms_norm": False}, r"do not fit its config\.json \(backbone\.layers\.0\.norm\.bias: "),
        ({"ssm_cfg": {"layer": "Mamba3"}}, "of Mamba3 blocks"),
        ({"ssm_cfg": {"layer": "Mamba2", "norm_before_gate": True}}, "with norm_before_gate=True in ssm_cfg"),
        ({"ssm_cfg": {"warp": 9}}, "with warp=9 in ssm_cfg"),
        ({"ssm_cfg": {"d_state": 8}}, "do not fit its config.json"),
        ({"n_layer": 4}, "do not fit its config.json"),
        ({"n_layer": 2}, "do not fit its config.json"),
        ({"vocab_size": 60}, "do not fit its config.json"),
        ({"vocab_size": 10**9}, "gives vocab_size as 1000000000"),
        ({"d_model": "wide"}, "gives d_model as 'wide'"),
        ({"ssm_cfg": [1]}, "do not fit its config.json"),
        ({"n_layer": 10**9}, "gives n_layer as 1000000000"),
    ],
)
def test_what_it_cannot_be_read_as_gets_one_sentence(tmp_path, settings, sentence):
    folder = write(tmp_path / "official", official(native("M3")), **settings)
    with pytest.raises(ProbeError, match=sentence) as raised:
        read(folder)
    assert "\n" not in str(raised.value)


def test_damaged_weights_get_one_sentence(tmp_path):
    folder = write(tmp_path / "official", official(native("M3")))
    path = folder / "pytorch_model.bin"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ProbeError, match="is no file of weights, or is damaged or truncated"):
        read(folder)
    torch.save(["no", "names"], path)
    with pytest.raises(ProbeError, match="other than weights by name"):
        read(folder)
    path.unlink()
    with pytest.raises(ProbeError, match="holds no weights"):
        read(folder)
