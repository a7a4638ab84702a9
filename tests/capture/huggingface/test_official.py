"""Claims: a folder of the official mamba_ssm package is read without it, as the same model as our own mixers."""

import json

import pytest
import torch

from probe.capture import NativeModel, capture, check_invariants
from probe.capture.huggingface import read, recognises
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
    assert (found.anatomy.layout, found.anatomy.symbols) == (layout, 48)
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


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"attn_layer_idx": [1]}, "with attention blocks"),
        ({"d_intermediate": 64}, "with feed-forward blocks"),
        ({"rms_norm": False}, "with layer norms"),
        ({"ssm_cfg": {"layer": "Mamba3"}}, "of Mamba3 blocks"),
        ({"ssm_cfg": {"layer": "Mamba2", "norm_before_gate": True}}, "with norm_before_gate=True in ssm_cfg"),
        ({"ssm_cfg": {"warp": 9}}, "with warp=9 in ssm_cfg"),
        ({"ssm_cfg": {"d_state": 8}}, "do not fit its config.json"),
        ({"n_layer": 4}, "do not fit its config.json"),
        ({"n_layer": 2}, "do not fit its config.json"),
        ({"vocab_size": 60}, "do not fit its config.json"),
        ({"vocab_size": 10**9}, r"do not fit its config\.json \(backbone\.embeddings\.weight: "),
        ({"d_model": "wide"}, "do not fit its config.json"),
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
