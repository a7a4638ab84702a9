"""Claims: what TransformerLens and nnsight themselves capture, and text that a real tokenizer reads, give our heads."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import probe
from probe.records import Record

PROMPTS, TIME, WORDS = 240, 5, 20
COLUMNS = ["layer", "context", "error", "low", "high", "accuracy", "balanced_accuracy", "penalty"]


@pytest.fixture(scope="module")
def gpt2() -> Any:
    """A small GPT-2 whose weights are drawn."""
    transformers = pytest.importorskip("transformers", reason="transformers is an extra")
    sizes = {"n_embd": 8, "n_layer": 2, "n_head": 2, "n_positions": 16, "vocab_size": WORDS}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return transformers.GPT2LMHeadModel(
            transformers.GPT2Config(**sizes, bos_token_id=0, eos_token_id=0, attn_implementation="eager")
        ).eval()


@pytest.fixture(scope="module")
def tokens() -> np.ndarray:
    """Prompts of symbols."""
    return np.random.default_rng(0).integers(0, WORDS, (PROMPTS, TIME))


@pytest.fixture(scope="module")
def targets(tokens: np.ndarray) -> dict[str, np.ndarray]:
    """What the heads are asked for: the group of the token before the last."""
    return {"before": tokens[:, -2] // 5}


def linear(record: Record) -> pd.DataFrame:
    """The rows of the linear heads."""
    return record.table[record.table["head"] == "linear"].reset_index(drop=True)


def same(found: Record, own: Record) -> bool:
    """Whether two records have the same linear heads, to the bit, and every layer of a model of two blocks."""
    first, second = linear(found)[COLUMNS], linear(own)[COLUMNS]
    return sorted(set(first["layer"])) == [0, 1, 2] and str(first.values.tolist()) == str(second.values.tolist())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kept", ["cache", "file"])
def test_a_cache_that_transformerlens_made_gives_the_heads_of_the_bridge(gpt2, tokens, targets, tmp_path: Path, kept):
    lens = pytest.importorskip("transformer_lens", reason="TransformerLens is an extra")
    gpt2.save_pretrained(tmp_path / "gpt2")
    bridge = lens.TransformerBridge.boot_transformers(str(tmp_path / "gpt2"))
    with torch.no_grad():
        _, cache = bridge.run_with_cache(torch.from_numpy(tokens))
    assert isinstance(cache, lens.ActivationCache)
    assert len(cache) > 3, "its cache holds more than streams"
    streams: Any = cache
    if kept == "file":
        from safetensors.torch import save_file

        streams = tmp_path / "cache.safetensors"
        save_file({name: value.contiguous().clone() for name, value in cache.items() if "resid" in name}, streams)
    found = probe.fit(streams=streams, data=probe.Data(targets=targets))
    model = probe.from_model(probe.from_transformer_lens(bridge), "gpt2", context=0)
    own = probe.fit(ckpt=model, data=probe.Data(tokens, targets), head="linear")
    assert same(found, own)


@pytest.mark.parametrize("kept", ["dictionary", "file"])
def test_what_nnsight_saved_gives_the_heads_of_the_model(gpt2, tokens, targets, tmp_path: Path, kept):
    nnsight = pytest.importorskip("nnsight", reason="nnsight is an extra")
    traced, saved = nnsight.NNsight(gpt2), {}
    with torch.no_grad(), traced.trace(torch.from_numpy(tokens)):
        saved["transformer.h.0.input"] = traced.transformer.h[0].input.save()
        for layer in range(2):
            saved[f"transformer.h.{layer}.output"] = traced.transformer.h[layer].output.save()
    layers = {name: value[0] if isinstance(value, tuple) else value for name, value in saved.items()}
    streams: Any = layers
    if kept == "file":
        streams = tmp_path / "saved"
        streams.mkdir()
        for layer, value in enumerate(layers.values()):
            np.save(streams / f"layer{layer}.npy", value.numpy())
    found = probe.fit(streams=streams, data=probe.Data(targets=targets))
    model = probe.from_model(probe.HuggingFaceModel(gpt2), "gpt2", context=0)
    assert same(found, probe.fit(ckpt=model, data=probe.Data(tokens, targets), head="linear"))


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Sentences of two to six words."""
    rng, words = np.random.default_rng(0), ("warm", "colder", "hot", "freezing", "mild", "cold")
    return [" ".join(rng.choice(words, rng.integers(2, 7))) for _ in range(PROMPTS)]


@pytest.fixture(scope="module")
def tokenizer(texts: list[str]) -> Any:
    """A byte-pair tokenizer of the tokenizers library, trained on the sentences and wrapped by transformers."""
    library = pytest.importorskip("tokenizers", reason="the extra huggingface is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is an extra")
    built = library.Tokenizer(library.models.BPE())
    built.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    built.decoder = library.decoders.ByteLevel()
    trainer = library.trainers.BpeTrainer(vocab_size=64, show_progress=False)
    built.train_from_iterator(texts, trainer)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=built)


def test_streams_of_text_are_kept_with_a_real_tokenizer(texts, tokenizer, tmp_path: Path):
    """Heads on kept streams have the bits of those on the model, and know the last word, of one token or of several."""
    transformers = pytest.importorskip("transformers", reason="transformers is an extra")
    lengths = {len(tokenizer.encode(text)) for text in texts}
    assert len(lengths) > 3, "prompts differ in length"
    sizes = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64, "vocab_size": len(tokenizer)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        gpt2 = transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)).eval()
    model = probe.from_model(probe.HuggingFaceModel(gpt2), "gpt2", context=0)
    data = probe.Data(text=texts, targets={"last": [text.split()[-1] for text in texts]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own = probe.fit(ckpt=model, data=data, tokenizer=tokenizer, head="linear")
        probe.keep_streams(ckpt=model, data=data, tokenizer=tokenizer, out=tmp_path / "kept")
        found = probe.fit(streams=tmp_path / "kept", target="last")
    assert same(found, own)
    # the last token tells most words apart at once, and guessing knows one in six
    assert linear(own)["accuracy"].iloc[0] > 0.9
    assert found.table[found.table["head"] == "chance"]["accuracy"].max() < 0.4
