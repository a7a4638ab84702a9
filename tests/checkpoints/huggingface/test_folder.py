"""Claims: what can be read is read whole, nothing in it is run, and everything else gets one sentence that says why."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from probe import checkpoints
from probe.capture import check_invariants
from probe.checkpoints.huggingface import name_of, read, recognises
from probe.errors import ProbeError


class Malicious:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


def change(folder, **settings):
    path = folder / "config.json"
    config = json.loads(path.read_text()) | settings
    path.write_text(json.dumps({name: value for name, value in config.items() if value is not None}))


def as_pickle(folder):
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    return weights, folder / "pytorch_model.bin"


def test_a_folder_in_several_files_is_read_whole(saved, tiny):
    folder = saved("gpt2", shard="20KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 3
    found = read(folder).model.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in tiny("gpt2").state_dict().items())


def test_weights_saved_by_torch_are_read_where_there_are_no_others(saved, tiny):
    folder = saved("gpt2")
    weights, path = as_pickle(folder)
    torch.save(weights, path)
    found = read(folder).model.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in tiny("gpt2").state_dict().items())


def test_half_precision_is_brought_to_float32(saved, tiny, tokens):
    folder = saved("llama")
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: tensor.bfloat16() for name, tensor in weights.items()}, folder / "model.safetensors", {"format": "pt"}
    )
    change(folder, dtype="bfloat16")
    model = read(folder)
    assert {tensor.dtype for tensor in model.model.parameters()} == {torch.float32}
    assert all(finding.held for finding in check_invariants(model, tokens))


def test_code_in_a_folder_is_not_run(saved, tmp_path):
    folder = saved("gpt2")
    weights, path = as_pickle(folder)
    torch.save(weights | {"weight": Malicious(tmp_path / "it-ran")}, path)
    with pytest.raises(ProbeError, match="other than plain weights"):
        read(folder)
    (folder / "modeling.py").write_text(f"open({str(tmp_path / 'it-ran')!r}, 'w')")
    change(folder, model_type="martian", auto_map={"AutoConfig": "modeling.X", "AutoModelForCausalLM": "modeling.Y"})
    with pytest.raises(ProbeError, match="code of its own, which is never run"):
        read(folder)
    assert not (tmp_path / "it-ran").exists()


def _drop(name):
    return lambda folder: (folder / name).unlink()


def _write(name, text):
    return lambda folder: (folder / name).write_text(text)


def _change(**settings):
    return lambda folder: change(folder, **settings)


def _truncate(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:2000])


def _forget_a_weight(folder):
    path = folder / "model.safetensors"
    weights = load_file(path)
    del weights["transformer.h.1.attn.c_proj.weight"]
    save_file(weights, path, {"format": "pt"})


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_drop("config.json"), r"holds weights but no config\.json"),
        (_write("config.json", "{nope"), r"config\.json cannot be read as JSON"),
        (_write("config.json", "[]"), r"config\.json holds no settings by name"),
        (_change(model_type=None), "names no model_type"),
        (_change(model_type="martian"), "holds a martian, which transformers .* does not know"),
        (_change(model_type="t5"), "could not be read as a causal language model"),
        (_change(quantization_config={"quant_method": "bitsandbytes"}), r"is quantised \(bitsandbytes\)"),
        (_change(n_embd=16), r"holds a weight of shape \[96\] \(transformer\.h\.0\.attn\.c_attn\.bias\)"),
        (_change(n_layer=4), r"lacks 12 of the model's weights \(transformer\.h\.3\.attn\.c_attn\.bias\)"),
        (_change(n_layer=2), r"holds weights of block 2 \(.*\), but its config\.json has 2 blocks"),
        (_change(n_layer="three"), "could not be read as a causal language model"),
        (_change(n_layer=10**9), r"config\.json gives n_layer as 1000000000, but at most 512 can be read"),
        (_change(text_config={"chunk_size": 10**6}), "gives chunk_size as 1000000"),
        (_change(vocab_size=10**9), r"describes a model of \d+ numbers, but its files can hold \d+ at most"),
        (_change(quantization_config="yes"), r"is quantised \(some method\)"),
        (_change(model_type=["gpt2"]), "names no model_type"),
        (_change(n_head=5), "could not be read as a causal language model"),
        (_write("config.json", "[" * 100_000), r"config\.json cannot be read as JSON"),
        (_drop("model.safetensors"), "holds no weights"),
        (_truncate, r"describes a model of \d+ numbers, but its files can hold 2000 at most"),
        (_forget_a_weight, r"lacks 1 of the model's weights \(transformer\.h\.1\.attn\.c_proj\.weight\)"),
    ],
)
def test_a_folder_that_is_not_whole_gets_one_sentence(saved, spoil, sentence):
    folder = saved("gpt2")
    spoil(folder)
    assert recognises(folder)
    with pytest.raises(ProbeError, match=sentence) as raised:
        read(folder)
    assert "\n" not in str(raised.value)
    assert str(raised.value).endswith(".")
    assert str(folder) in str(raised.value)


def test_without_the_library_the_sentence_names_the_extra(saved, monkeypatch):
    folder = saved("gpt2")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ProbeError, match=r'needs the package transformers.*pip install "layerprobe\[huggingface\]"'):
        read(folder)


def test_a_missing_file_of_several_is_named(saved):
    folder = saved("gpt2", shard="20KB")
    next(folder.glob("model-00002-*")).unlink()
    with pytest.raises(ProbeError, match=r"lacks model-00002-of-.*\.safetensors, 1 of the .* files"):
        read(folder)
    for text in ("{}", '{"weight_map": {"a": 3}}', '{"weight_map": {"a": ["b"]}}', "[" * 100_000):
        (folder / "model.safetensors.index.json").write_text(text)
        with pytest.raises(ProbeError, match="cannot be read as an index of weights"):
            read(folder)


def test_the_library_gives_no_advice_on_slow_paths(saved):
    # what the library says once it says to a process that has not heard it yet
    program = "import sys, torch; from pathlib import Path; from probe.checkpoints.huggingface import read; "
    program += f"model = read(Path({str(saved('mamba'))!r})); model.run(torch.ones(1, 3, dtype=torch.long))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_model_that_cannot_be_fetched_gets_one_sentence():
    name = Path("nobody/nothing-of-this-name")
    assert recognises(name)
    assert name_of(name) == "nothing-of-this-name"
    with pytest.raises(ProbeError, match="no file or folder here and could not be had from the Hugging Face hub"):
        read(name)


def test_names_are_not_mistaken_for_the_hub_s(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "empty").mkdir()
    for name in ("gpt2", "runs/new", "org/model.pt", "checkpoints/gone", "empty", "a/b/c", "../x", "/etc/x"):
        assert not recognises(Path(name)), name
    assert recognises(Path("openai-community/gpt2"))


def test_a_folder_is_called_by_its_whole_name(saved, monkeypatch):
    folder = saved("gpt2").rename(saved("llama").parent / "Tiny-1.5B")
    assert name_of(folder) == "Tiny-1.5B"
    monkeypatch.chdir(folder)
    assert name_of(Path(".")) == "Tiny-1.5B"


def write_gguf(path):
    """Writes a LLaMA of one block with two attention heads and 24 symbols; returns its matrices by GGUF's names."""
    gguf = pytest.importorskip("gguf", reason="GGUF files need the package gguf")
    width, inner, symbols = 32, 64, 24
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // 2)
    writer.add_vocab_size(symbols)
    generator = torch.Generator().manual_seed(0)
    shapes = {"token_embd": (symbols, width), "output": (symbols, width), "output_norm": (width,)}
    shapes |= {f"blk.0.attn_{name}": (width, width) for name in ("q", "k", "v", "output")}
    shapes |= {"blk.0.ffn_gate": (inner, width), "blk.0.ffn_up": (inner, width), "blk.0.ffn_down": (width, inner)}
    shapes |= {"blk.0.attn_norm": (width,), "blk.0.ffn_norm": (width,)}
    weights = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    for name, tensor in weights.items():
        packed = (
            gguf.quants.quantize(tensor.numpy(), gguf.GGMLQuantizationType.Q8_0) if tensor.ndim > 1 else tensor.numpy()
        )
        kind = gguf.GGMLQuantizationType.Q8_0 if tensor.ndim > 1 else None
        writer.add_tensor(f"{name}.weight", packed, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return weights


def test_a_gguf_file_is_read_and_is_quantised_no_more(tmp_path, tokens, capsys):
    weights = write_gguf(tmp_path / "small.gguf")
    for path in (tmp_path, tmp_path / "small.gguf"):
        assert recognises(path)
        model = read(path)
        assert all(finding.held for finding in check_invariants(model, tokens % 24))
        value = model.model.get_parameter("model.layers.0.self_attn.v_proj.weight")
        torch.testing.assert_close(value, weights["blk.0.attn_v"], atol=0.02, rtol=0)  # 8 bits a weight
        assert not hasattr(model.config, "quantization_config")
    assert name_of(tmp_path / "small.gguf") == "small"
    assert capsys.readouterr() == ("", "")
    (tmp_path / "other.gguf").write_bytes(b"GGUF")
    with pytest.raises(ProbeError, match="holds 2 GGUF files"):
        read(tmp_path)
    with pytest.raises(ProbeError, match="could not be read as a causal language model"):
        read(tmp_path / "other.gguf")


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        (b"llama.block_count", 2**23, "gives num_hidden_layers as 8388608, but at most 512"),
        (b"llama.feed_forward_length", 2**28, r"describes a model of \d+ numbers, but its files can hold \d+ at most"),
    ],
)
def test_a_gguf_file_that_asks_for_more_than_it_holds_is_refused_before_it_is_built(tmp_path, key, value, sentence):
    path = tmp_path / "small.gguf"
    write_gguf(path)
    data = bytearray(path.read_bytes())
    # the value, a whole number of 32 bits, follows the key and the mark of its kind
    place = data.index(key) + len(key) + 4
    data[place : place + 4] = value.to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(ProbeError, match=sentence):
        read(path)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("start", ["module.", "_orig_mod.", "_orig_mod.module.", "module._orig_mod.", "model."])
def test_prefixes_of_wrappers_are_taken_off(saved, tokens, kind, start):
    folder = saved(kind)
    expected = read(folder).run(tokens)
    weights, path = as_pickle(folder)
    torch.save({start + name: tensor for name, tensor in weights.items()}, path)
    assert torch.equal(read(folder).run(tokens), expected)


@pytest.mark.parametrize("inside", ["state_dict", "model", "model_state_dict"])
@pytest.mark.parametrize("name", ["last.ckpt", "weights.pt", "pytorch_model.bin"])
def test_a_file_of_a_training_is_read_by_the_config_beside_it(saved, tokens, inside, name):
    folder = saved("llama")
    expected = read(folder).run(tokens)
    weights, _ = as_pickle(folder)
    content = {"pytorch-lightning_version": "2.4", "epoch": 3, "optimizer_states": [{"state": {}}]}
    torch.save(content | {inside: {f"model.{key}": value for key, value in weights.items()}}, folder / name)
    for path in (folder, folder / name):
        assert torch.equal(read(path).run(tokens), expected)
        assert torch.equal(checkpoints.load(str(path)).stream.run(tokens), expected)
    (folder / "training_args.bin").write_bytes(b"nothing to be read")
    assert torch.equal(read(folder).run(tokens), expected)


def test_one_of_several_files_is_read_where_it_is_named(saved, tokens):
    folder = saved("llama")
    expected = read(folder).run(tokens)
    weights, _ = as_pickle(folder)
    torch.save(weights, folder / "one.pt")
    torch.save({name: 2 * tensor for name, tensor in weights.items()}, folder / "two.pt")
    with pytest.raises(ProbeError, match=r"holds 2 files of weights \(one\.pt, two\.pt\)"):
        read(folder)
    assert torch.equal(checkpoints.load(str(folder / "one.pt")).stream.run(tokens), expected)
    assert checkpoints.load(str(folder / "one.pt")).name == checkpoints.name_of(folder / "one.pt")
    assert not torch.equal(read(folder / "two.pt").run(tokens), expected)


def test_a_single_file_of_safetensors_is_read_by_the_config_beside_it(saved, tokens):
    folder = saved("gpt2")
    expected = read(folder).run(tokens)
    assert torch.equal(checkpoints.load(str(folder / "model.safetensors")).stream.run(tokens), expected)


def test_an_adapter_is_told_with_the_line_that_merges_it(saved, tmp_path):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    save_file({name: torch.ones(2, 32)}, adapter / "adapter_model.safetensors")
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base", "peft_type": "LORA"}')
    told = r'holds an adapter.*from_pretrained\("org/base"\), FOLDER\)\.merge_and_unload\(\)\.save_'
    with pytest.raises(ProbeError, match=told):
        read(adapter)
    (adapter / "config.json").write_text((saved("llama") / "config.json").read_text())
    for path in (adapter, adapter / "adapter_model.safetensors"):
        with pytest.raises(ProbeError, match=r"holds an adapter.*merge_and_unload"):
            checkpoints.load(str(path))


def test_settings_longer_or_deeper_than_any_tool_writes_are_refused(saved):
    folder = saved("gpt2")
    good = (folder / "config.json").read_text()
    (folder / "config.json").write_text(good[:-2] + ', "x": "' + "y" * 5_000_000 + '"}')
    with pytest.raises(ProbeError, match="is longer than 4194304 bytes"):
        read(folder)
    (folder / "config.json").write_text(good[:-2] + ', "x": ' + "[" * 80 + "]" * 80 + "}")
    with pytest.raises(ProbeError, match=r"cannot be read as JSON \(too deep\)"):
        read(folder)
