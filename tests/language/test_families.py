"""Claims: from a folder, transformers, Mamba and RWKV of Hugging Face are patched, decoded and read by layer alike."""

import json
import os

import pytest
import torch

from probe.capture import capture
from probe.cli import main
from probe.config import EvaluateConfig, FitConfig
from probe.interventions import patching
from probe.language.batches import Reader
from probe.language.decode import greedy
from probe.language.evaluate import evaluate_language
from probe.language.layers import language_layers
from probe.language.task_vectors import vector_answers
from probe.language.tasks import LANGUAGE_TASKS

os.environ.setdefault("HF_HUB_OFFLINE", "1")
transformers = pytest.importorskip("transformers", reason="the extra huggingface is not installed")

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "vocab_size": 900}
ATTENTION = {"num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 24}
FAMILIES = {
    "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 96, "vocab_size": 900},
    "llama": {**SMALL, **ATTENTION, "max_position_embeddings": 96},
    "mamba": {**SMALL, "state_size": 4},
    "rwkv": {**SMALL, "attention_hidden_size": 16, "context_length": 96, "rescale_every": 1},
}
TASKS = "language:tasks=to_upper+country_capital"


@pytest.fixture(scope="module")
def tokenizer():
    """A byte-level tokenizer trained on the shipped antonyms, as transformers wraps it."""
    library = pytest.importorskip("tokenizers", reason="the extra huggingface is not installed")
    built = library.Tokenizer(library.models.BPE())
    built.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    built.decoder = library.decoders.ByteLevel()
    alphabet = library.pre_tokenizers.ByteLevel.alphabet()
    trainer = library.trainers.BpeTrainer(vocab_size=900, initial_alphabet=alphabet, show_progress=False)
    lines = [f"example: {pair.input}-> {pair.answer}\n" for pair in LANGUAGE_TASKS["antonyms"].pool().pairs]
    built.train_from_iterator(lines, trainer)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=built)


@pytest.fixture(scope="module", params=list(FAMILIES))
def found(request, tokenizer, tmp_path_factory):
    """A small random model of a family, read back from a folder that holds it with its tokenizer."""
    from probe import checkpoints
    from probe.checkpoints import huggingface

    config = transformers.AutoConfig.for_model(request.param, **FAMILIES[request.param])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():
            parameter.data += 0.2 * torch.randn_like(parameter)
    folder = tmp_path_factory.mktemp("models") / f"tiny-{request.param}"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    stream = huggingface.read(folder)
    return checkpoints.Checkpoint(folder.name, stream, "", 0, 0, {"folder": str(folder)}, "0" * 64)


def test_patching_itself_changes_no_bit_and_another_stream_gives_its_output(found):
    own, other = torch.randint(900, (2, 3, 9), generator=torch.Generator().manual_seed(1))
    everywhere = torch.arange(9)
    mine, theirs = capture(found.stream, own, everywhere), capture(found.stream, other, everywhere)
    assert not torch.allclose(mine.output, theirs.output)
    for place, stream, foreign in zip(found.stream.places, mine.stream, theirs.stream, strict=True):
        with patching(place, everywhere, stream):
            assert torch.equal(found.stream.run(own), mine.output)
        with patching(place, everywhere, foreign):
            assert torch.allclose(found.stream.run(own), theirs.output, atol=1e-5)


def test_a_task_vector_at_the_last_layer_answers_as_its_own_prompt(found, tokenizer):
    reader = Reader("tiny", found.stream, tokenizer, torch.device("cpu"), 4)
    shown = [tokenizer.encode(f"example: hot-> cold\nexample: {word}->") for word in ("dry", "light", "old", "up")]
    alone = [tokenizer.encode(f"example: {word}->") for word in ("big", "early", "far", "on")]
    assert vector_answers(reader, shown, alone)[-1] == greedy(reader, shown)


def test_the_whole_path_runs_on_the_folder(found, tokenizer):
    config = EvaluateConfig(ckpt=(), task=TASKS, prompts=32, context=2)
    table = evaluate_language(replace(config, ckpt=(found,), tokenizer=tokenizer)).table
    assert set(table["task"]) == {"to_upper", "country_capital", "mean"}
    heads = ("lens", "linear", "task_vector")
    config = FitConfig(ckpt=(), task=TASKS, head=heads, context="2", prompts=34, score=32)
    table = language_layers(replace(config, ckpt=(found,), tokenizer=tokenizer)).table
    assert {*heads, "chance", "demonstrations", "zero_shot"} == set(table["head"])
    assert set(table["layer"].dropna()) == {0, 1, 2}


@pytest.mark.parametrize("found", ["mamba"], indirect=True)
def test_the_folder_is_enough_on_the_command_line(found, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = found.description["folder"]
    few = ["--task", "to_upper", "--context", "1", "--out"]
    assert main(["evaluate", "--ckpt", folder, *few, "evaluated", "--prompts", "32"]) == 0
    assert main(["fit", "--ckpt", folder, *few, "fitted", "--head", "lens", "task_vector", "--score", "32"]) == 0
    assert "to_upper" in capsys.readouterr().out
    for stem, kind in (("evaluated", "language"), ("fitted", "language-layers")):
        assert main(["plot", f"{stem}.csv", "--kind", kind, "--out", "again.png"]) == 0
        assert (tmp_path / f"{stem}.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    capsys.readouterr()
    assert main(["evaluate", "--ckpt", folder, *few, "evaluated", "--prompts", "32", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["accuracy"][f"tiny-{found.stream.kind}"]["to_upper"]) == {"0", "1"}
