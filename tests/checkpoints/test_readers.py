"""Claims: whatever becomes of a file, its reader reads it or refuses it in one sentence, soon, in little memory.

Every reader of strangers' files is given many mutants of a good one: bytes flipped, cut and put in, settings replaced
by others of the wrong kind and size, pickles changed within sound archives. What is read is also run, as probe check
or probe evaluate run it. PROBE_MUTANTS=3000 asks for more of them than every test run makes.
"""

import json
import os
from pathlib import Path

import pytest
import torch
from fuzzing import sound, written
from garbling import spoil_archive, spoil_bytes, spoil_header, spoil_json, spoil_signed, spoil_tensors, spoil_yaml

from probe import checkpoints
from probe.commands.check import check_checkpoint
from probe.config import CheckConfig, EvaluateConfig, ModelConfig
from probe.language.evaluate import evaluate_language
from probe.models import ResidualModel

FIXTURES = Path(__file__).parents[1] / "checkpoints" / "official" / "fixtures"


def check(path):
    check_checkpoint(CheckConfig(ckpt=str(path)))


def survey(path):
    evaluate_language(EvaluateConfig(ckpt=(str(path),), task="language:tasks=to_upper+antonyms", prompts=32, context=1))


def save_ours(path, megabytes=None):
    model = ResidualModel(ModelConfig("M1A1", 3, 8, positions="learned", slots=11, attention_heads=2))
    settings = {
        "task": "noisy_linear:noise=0.5",
        "context": 4,
        "dim": 3,
        "seed": 0,
        "step": 9,
        "command": "probe train",
        "arch": "x",
    }
    checkpoints.save(path, model, settings, megabytes)


def test_ours(tmp_path):
    save_ours(tmp_path / "good.pt")
    make = written({"ours.pt": (tmp_path / "good.pt").read_bytes()})
    spoils = {
        "bytes": spoil_bytes("ours.pt"),
        "pickle": spoil_archive("ours.pt"),
        "tensors": spoil_tensors("ours.pt", "weights"),
        "signed": spoil_signed,
    }
    sound(lambda folder: make(folder) / "ours.pt", spoils, check, tmp_path)


def test_ours_in_parts(tmp_path):
    save_ours(tmp_path / "whole", megabytes=0.003)
    files = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    first = "weights-1-of-" + next(name for name in files if "-1-of-" in name).split("-of-")[1]
    spoils = {
        "index": spoil_json("checkpoint.json"),
        "index bytes": spoil_bytes("checkpoint.json"),
        "header": spoil_header(first),
        "bytes": spoil_bytes(first),
    }
    sound(written(files), spoils, check, tmp_path)


@pytest.mark.parametrize("fixture", ["garg-gpt2", "grazzi-mamba", "park-standard", "park-gpt2-symbols"])
def test_official_runs(tmp_path, fixture):
    files = {path.name: path.read_bytes() for path in (FIXTURES / fixture).iterdir() if path.name != "expected.pt"}
    weights = next(name for name in files if name.endswith(".pt"))
    part = "model_state_dict" if weights == "state.pt" else None
    spoils = {
        "bytes": spoil_bytes(weights),
        "pickle": spoil_archive(weights),
        "tensors": spoil_tensors(weights, part),
        "config": spoil_yaml("config.yaml"),
        "config bytes": spoil_bytes("config.yaml"),
    }
    sound(written(files), spoils, check, tmp_path)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of tiny language models with their tokenizer, by family: safetensors, shards, pickles, mamba_ssm."""
    transformers = pytest.importorskip("transformers", reason="the extra huggingface is not installed")
    library = pytest.importorskip("tokenizers", reason="the extra huggingface is not installed")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from probe.checkpoints.huggingface.library import quiet
    from probe.language.tasks import LANGUAGE_TASKS

    place = tmp_path_factory.mktemp("families")
    built = library.Tokenizer(library.models.BPE())
    built.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    built.decoder = library.decoders.ByteLevel()
    trainer = library.trainers.BpeTrainer(
        vocab_size=600, initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    built.train_from_iterator([f" {pair.answer}" for pair in LANGUAGE_TASKS["antonyms"].pool().pairs], trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=built)
    small = {"hidden_size": 16, "num_hidden_layers": 2, "vocab_size": 640, "intermediate_size": 24, "state_size": 4}
    small |= {"num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 96, "rescale_every": 1}
    small |= {"head_dim": 8, "n_groups": 1, "chunk_size": 8, "num_heads": 4, "attention_hidden_size": 16}
    gpt = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 96, "vocab_size": 640}
    ends = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    for kind in ("gpt2", "llama", "mamba", "mamba2", "rwkv"):
        settings = gpt if kind == "gpt2" else small if kind != "mamba" else small | {"intermediate_size": 32}
        model = transformers.AutoModelForCausalLM.from_config(
            transformers.AutoConfig.for_model(kind, **settings, **ends)
        )
        with quiet():
            model.save_pretrained(place / kind, max_shard_size="30KB" if kind == "llama" else "5GB")
        tokenizer.save_pretrained(place / kind)
        if kind == "mamba":
            _as_official(model, place / "official")
            tokenizer.save_pretrained(place / "official")
            _in_parts(place / "official", place / "official-parts")
            _as_hybrid(place / "official", place / "hybrid")
    pickled = place / "pickled"
    pickled.mkdir()
    for path in (place / "gpt2").iterdir():
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            torch.save(load_file(path), pickled / "pytorch_model.bin")
        else:
            (pickled / path.name).write_bytes(path.read_bytes())
    _in_parts(pickled, place / "pickled-parts")
    return {path.name: {file.name: file.read_bytes() for file in path.iterdir()} for path in place.iterdir()}


def _as_official(model, folder):
    """Writes a Mamba as the package mamba_ssm would."""
    folder.mkdir()
    weights = {
        name.replace("embeddings", "embedding"): tensor.contiguous() for name, tensor in model.state_dict().items()
    }
    torch.save(weights, folder / "pytorch_model.bin")
    settings = {"d_model": 16, "n_layer": 2, "vocab_size": 640, "ssm_cfg": {"d_state": 4}, "rms_norm": True}
    settings |= {"residual_in_fp32": True, "pad_vocab_size_multiple": 8, "tie_embeddings": True}
    (folder / "config.json").write_text(json.dumps(settings))


def _in_parts(whole, folder):
    """Writes what one file of torch holds into three, with their index."""
    folder.mkdir()
    for path in whole.iterdir():
        if path.suffix != ".bin":
            (folder / path.name).write_bytes(path.read_bytes())
    weights = torch.load(whole / "pytorch_model.bin", weights_only=True)
    where = {name: f"pytorch_model-{i % 3 + 1:05d}-of-00003.bin" for i, name in enumerate(weights)}
    for file in set(where.values()):
        part = {name: weights[name].clone() for name in weights if where[name] == file}
        torch.save(part, folder / file)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": where}))


def _as_hybrid(whole, folder):
    """Writes a Mamba of the package with attention in its second block, and feed-forwards in both."""
    folder.mkdir()
    weights = torch.load(whole / "pytorch_model.bin", weights_only=True)
    weights = {name: tensor for name, tensor in weights.items() if "layers.1.mixer" not in name}
    shapes = {"1.mixer.in_proj.weight": (32, 16), "1.mixer.out_proj.weight": (16, 16)}
    for block in (0, 1):
        shapes |= {f"{block}.norm2.weight": (16,), f"{block}.mlp.fc1.weight": (256, 16)}
        shapes |= {f"{block}.mlp.fc2.weight": (16, 128)}
    weights |= {f"backbone.layers.{name}": 0.3 * torch.randn(shape) for name, shape in shapes.items()}
    torch.save(weights, folder / "pytorch_model.bin")
    settings = json.loads((whole / "config.json").read_text()) | {"attn_layer_idx": [1], "d_intermediate": 32}
    attention = {"num_heads": 4, "num_heads_kv": 2, "causal": True, "rotary_emb_dim": 4, "d_conv": 0}
    settings["attn_cfg"] = attention | {"qkv_proj_bias": False, "out_proj_bias": False}
    (folder / "config.json").write_text(json.dumps(settings))


FOLDERS = [
    "gpt2",
    "llama",
    "mamba",
    "mamba2",
    "rwkv",
    "pickled",
    "pickled-parts",
    "official",
    "official-parts",
    "hybrid",
]


@pytest.mark.parametrize("kind", FOLDERS)
def test_folders_of_language_models(folders, kind, tmp_path):
    files = folders[kind]
    spoils = {"config": spoil_json("config.json"), "config bytes": spoil_bytes("config.json")}
    for name in files:
        if name.endswith(".safetensors"):
            spoils |= {f"header {name}": spoil_header(name), f"bytes {name}": spoil_bytes(name, 4000)}
        elif name.endswith(".index.json"):
            spoils |= {"index": spoil_json(name), "index bytes": spoil_bytes(name)}
        elif name.endswith(".bin"):
            spoils |= {f"bytes {name}": spoil_bytes(name), f"pickle {name}": spoil_archive(name)}
            spoils |= {f"tensors {name}": spoil_tensors(name)}
        elif name == "generation_config.json":
            spoils |= {"generation": spoil_json(name)}
    sound(written(files), spoils, check, tmp_path)


@pytest.mark.parametrize("kind", ["gpt2", "mamba"])
def test_tokenizers(folders, kind, tmp_path):
    spoils = {
        f"{name} {how.__name__}": how(name)
        for name in ("tokenizer.json", "tokenizer_config.json")
        for how in (spoil_json, spoil_bytes)
    }
    sound(written(folders[kind]), spoils, survey, tmp_path)


def test_gguf_files(tmp_path):
    pytest.importorskip("transformers", reason="the extra huggingface is not installed")
    gguf = pytest.importorskip("gguf", reason="GGUF files need the package gguf")
    writer = gguf.GGUFWriter(str(tmp_path / "good.gguf"), "llama")
    for add, value in (
        ("block_count", 1),
        ("context_length", 64),
        ("embedding_length", 32),
        ("feed_forward_length", 64),
    ):
        getattr(writer, f"add_{add}")(value)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(16)
    writer.add_vocab_size(24)
    shapes = {
        "token_embd": (24, 32),
        "output": (24, 32),
        "output_norm": (32,),
        "blk.0.attn_norm": (32,),
        "blk.0.ffn_norm": (32,),
    }
    shapes |= {f"blk.0.attn_{name}": (32, 32) for name in ("q", "k", "v", "output")}
    shapes |= {"blk.0.ffn_gate": (64, 32), "blk.0.ffn_up": (64, 32), "blk.0.ffn_down": (32, 64)}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", torch.randn(shape).numpy())
    for write in ("header", "kv_data", "tensors"):
        getattr(writer, f"write_{write}_to_file")()
    writer.close()
    data = (tmp_path / "good.gguf").read_bytes()
    make = written({"small.gguf": data})
    spoils = {"header": spoil_bytes("small.gguf", 1500), "bytes": spoil_bytes("small.gguf")}
    sound(lambda folder: make(folder) / "small.gguf", spoils, check, tmp_path)


def test_the_original_word_pairs(tmp_path):
    from probe.language.original import original_pool

    def read(folder):
        original_pool(folder, "en_fr")

    def make(folder):
        (folder / "translation").mkdir(parents=True, exist_ok=True)
        pairs = {"en": "fr", "dog": "chien", "cat": "chat", "été": "a", "one": "un"}
        (folder / "translation" / "en_fr.json").write_text(json.dumps(pairs))
        return folder

    spoils = {"json": spoil_json("translation/en_fr.json"), "bytes": spoil_bytes("translation/en_fr.json")}
    sound(make, spoils, read, tmp_path)
