"""Claims: verbs take a language model as they take our own checkpoints; what does not fit gets one sentence."""

import pytest
import torch

import probe
from probe import FitConfig, checkpoints
from probe.cli import main
from probe.commands.check import check
from probe.config import CheckConfig
from probe.errors import ProbeError


def test_a_folder_is_a_checkpoint(saved, tokens):
    folder = saved("rwkv")
    found = checkpoints.load(str(folder))
    assert (found.name, found.task, found.dim, found.context) == ("rwkv", "", 0, 0)
    assert found.description == {"arch": "rwkv", "source": "huggingface"}
    assert len(found.digest) == 64
    found.stream.run(tokens)  # transformers then halves some of RWKV's weights in place
    assert checkpoints.load(str(folder)).digest == found.digest
    assert checkpoints.load(str(saved("llama"))).digest != found.digest


def test_one_changed_weight_changes_the_digest(saved):
    from safetensors.torch import load_file, save_file

    folder = saved("gpt2")
    before = checkpoints.load(str(folder)).digest
    weights = load_file(folder / "model.safetensors")
    weights["transformer.h.1.mlp.c_fc.weight"][3, 4] += 1e-3
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert checkpoints.load(str(folder)).digest != before
    weights["transformer.h.1.mlp.c_fc.weight"][3, 4] = float("nan")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ProbeError, match=r"not finite \(transformer.h.1.mlp.c_fc.weight\)"):
        checkpoints.load(str(folder))


@pytest.mark.parametrize("kernel", ["auto", "cpu"])
def test_check_looks_at_random_tokens(saved, kernel, capsys):
    folder = saved("mamba")
    findings = check(CheckConfig(ckpt=str(folder), kernel=kernel)).findings
    assert all(finding.held for finding in findings), findings
    assert main(["check", "--ckpt", str(folder), "--kernel", kernel]) == 0
    assert capsys.readouterr().out.count("ok  ") == len(findings)


def test_a_lens_follows_a_task_of_symbols_through_the_blocks(saved):
    """The vocabulary is the task's: a random model knows as much as chance."""
    config = FitConfig(
        ckpt=(str(saved("llama")),), task="induction:vocabulary=50", context="8", head=("lens",), score=32, batch=16
    )
    record = probe.fit(config)
    about = record.provenance["models"]["llama"]
    assert about["block"] == "pre-norm; one block is a whole layer"
    assert (about["arch"], about["layout"], about["blocks"]) == ("llama", "[AF]3", 3)
    assert len(about["cumulative_flops"]) == len(about["cumulative_parameters"]) == 4
    lens = record.table[record.table["head"] == "lens"]
    assert list(lens["layer"]) == [0, 1, 2, 3]
    model = record.table[record.table["head"] == "model"]["error"].item()
    assert lens["error"].iloc[-1] == pytest.approx(model)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["fit", "--task", "linear"], "llama reads 50 symbols and predicts 50 numbers a token, but --task linear"),
        (["evaluate", "--task", "linear"], "such as induction:vocabulary=50."),
        (["fit", "--task", "linear", "--dim", "5"], "llama reads symbols, but --dim 5 was given"),
        (["fit", "--task", "induction:vocabulary=50"], "llama was trained on no task"),
        (["check", "--kernel", "abacus"], ""),
    ],
)
def test_what_does_not_fit_gets_one_sentence_and_exit_2(saved, arguments, sentence, capsys):
    assert main([arguments[0], "--ckpt", str(saved("llama")), *arguments[1:]]) == 2
    assert sentence in capsys.readouterr().err


def test_a_spoilt_folder_exits_2(saved, capsys):
    folder = saved("llama")
    (folder / "config.json").unlink()
    for verb in (["check"], ["fit", "--task", "linear"]):
        assert main([*verb, "--ckpt", str(folder)]) == 2
        said = capsys.readouterr().err
        assert said.startswith("probe: ")
        assert said.count("\n") == 1
        assert "config.json" in said


def test_a_name_that_is_nowhere_exits_2(capsys):
    assert main(["check", "--ckpt", "nobody/nothing"]) == 2
    assert "could not be had from the Hugging Face hub" in capsys.readouterr().err
    assert main(["check", "--ckpt", "nothing"]) == 2
    assert "There is no checkpoint nothing" in capsys.readouterr().err


def test_a_gpt2_that_ends_at_its_positions_is_checked_within_them(saved):
    folder = saved("gpt2", max_position_embeddings=12, n_positions=12)
    found = checkpoints.load(str(folder))
    assert found.stream.description.longest == 12
    assert all(finding.held for finding in check(CheckConfig(ckpt=str(folder))).findings)
    assert found.stream.run(torch.zeros(1, 12, dtype=torch.long)).shape == (1, 12, 50)


def test_a_context_beyond_the_positions_gets_the_same_sentence_in_every_family(saved, tmp_path, capsys):
    quick = ["--task", "induction:vocabulary=50", "--prompts", "128", "--score", "32", "--out", str(tmp_path / "fit")]
    for kind in ("gpt2", "biogpt", "ctrl"):
        assert main(["fit", "--ckpt", str(saved(kind)), "--context", "200", *quick]) == 2
        error = capsys.readouterr().err
        assert f"A context of 200 was given, which takes 201 tokens, but {kind} has learned positions for 32" in error
