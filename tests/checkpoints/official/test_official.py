"""Claims: every official model is read as one of ours with the same output and the same stream at every layer.

The expected numbers were written by the official code itself, run by analyses/compare_official.py, on run folders that
it made from a seed; the table of unused word vectors is cut to four rows there.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from probe.capture import NativeModel, capture, check_invariants
from probe.checkpoints import official
from probe.cli import main
from probe.errors import ProbeError

FIXTURES = Path(__file__).parent / "fixtures"
NAMES = sorted(path.name for path in FIXTURES.iterdir())
FACTS = {
    "garg-gpt2": ("(AF)1", "transformer", "sparse_linear:sparsity=2", 3),
    "grazzi-gpt2": ("(AF)1", "transformer", "skewed_linear", 3),
    "grazzi-mamba": ("M2", "mamba", "relu_network", 3),
    "grazzi-s4": ("S[residual=post,dropout=0.1]2", "s4_post_norm", "decision_tree", 3),
    "park-gpt2": ("(AF)1", "transformer", "sparse_parity", 3),
    "park-gpt2-retrieval": ("(AF)1", "transformer", "vector_retrieval:released=true", 4),
    "park-gpt2-symbols": ("(AF)1", "transformer", "induction:fixed_query=true,vocabulary=8", 8),
    "park-hybrid": ("(AM)1", "hybrid", "linear", 3),
    "park-mamba": ("M2", "mamba", "linear", 3),
    "park-mambaformer": ("M(AM)1", "mambaformer", "orthogonal_outlier:released=true", 3),
    "park-rnn": ("N2", "rnn", "linear", 3),
    "park-s4-mamba": ("T[states=16,gate=linear,dropout=0.1,skip=normal]2", "s4_mamba", "linear", 3),
    "park-s4d": ("S[states=16]2", "s4", "linear", 3),
    "park-standard": ("(AM)1", "standard_hybrid", "linear", 3),
}
# of each layer's largest number: a few units in the last place of float32
TOLERANCE = 2e-6


@pytest.mark.parametrize("name", NAMES)
def test_output_and_every_layer_are_those_of_the_official_code(name: str) -> None:
    expected = torch.load(FIXTURES / name / "expected.pt", weights_only=True)
    tokens, stream, output = expected["tokens"], expected["stream"], expected["output"]
    found = official.read(FIXTURES / name)
    captured = capture(NativeModel(found.model), tokens, torch.arange(tokens.shape[1]))
    assert captured.stream.shape == stream.shape
    for layer, (ours, theirs) in enumerate(zip(captured.stream, stream, strict=True)):
        assert (ours - theirs).abs().max() < TOLERANCE * theirs.abs().max(), layer
        assert layer == 0 or not torch.equal(theirs, stream[layer - 1])
    # the official code predicts at every x, or at the last token alone
    own = captured.output[:, ::2, 0] if output.shape == captured.output[:, ::2, 0].shape else captured.output[:, -1]
    assert (own - output).abs().max() < TOLERANCE * output.abs().max()


@pytest.mark.parametrize("name", NAMES)
def test_layout_task_and_origin_are_found(name: str) -> None:
    found = official.read(FIXTURES / name)
    about, source = found.description, found.description["source"]
    assert (found.model.config.layout, about["arch"], found.task, found.context) == FACTS[name]
    assert about["step"] == 400_000
    assert source["code"].startswith({"garg": "dtsip", "grazzi": "automl", "park": "krafton"}[name.split("-")[0]])
    assert (source["run"], about["family"]) == (name, about["family"])
    assert found.digest == hashlib.sha256((FIXTURES / name / source["file"]).read_bytes()).hexdigest()
    assert found.dim == 3
    assert not found.model.training
    assert not any(weight.requires_grad for weight in found.model.parameters())


def test_every_fixture_is_described() -> None:
    assert set(FACTS) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_invariants_of_capture_hold(name: str) -> None:
    tokens = torch.load(FIXTURES / name / "expected.pt", weights_only=True)["tokens"]
    findings = check_invariants(NativeModel(official.read(FIXTURES / name).model), tokens)
    assert all(finding.held for finding in findings), findings


@pytest.mark.parametrize("name", ["garg-gpt2", "grazzi-mamba", "park-gpt2-retrieval", "park-gpt2-symbols", "park-rnn"])
def test_probe_check_proves_a_run(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--ckpt", str(FIXTURES / name)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 6
    assert all(line.startswith("ok  ") for line in lines)


def test_a_seed_and_the_training_flops_are_told_where_the_run_knows_them() -> None:
    found = official.read(FIXTURES / "grazzi-gpt2")
    assert found.description["seed"] == 1
    assert found.description["training_flops"] > 0
    assert official.read(FIXTURES / "park-mamba").description["seed"] is None


def test_unused_tables_change_nothing_and_are_named(run_of: Callable[..., Path]) -> None:
    """Word vectors, and the causal masks that older versions of transformers saved."""

    def edit(weights: dict) -> None:
        weights["_backbone.wte.weight"] += 1
        weights["_backbone.h.0.attn.bias"] = torch.ones(1, 1, 18, 18, dtype=torch.uint8)
        weights["_backbone.h.0.attn.masked_bias"] = torch.tensor(-1e4)

    plain, edited = official.read(FIXTURES / "garg-gpt2"), official.read(run_of("garg-gpt2", edit))
    assert set(edited.description["source"]["left_out"]) == {
        "_backbone.wte.weight",
        "_backbone.h.0.attn.bias",
        "_backbone.h.0.attn.masked_bias",
    }
    assert edited.digest != plain.digest
    for name, tensor in plain.model.state_dict().items():
        assert torch.equal(edited.model.state_dict()[name], tensor)


def test_a_position_table_of_zeros_is_no_table_and_another_one_is(run_of: Callable[..., Path]) -> None:
    frozen = official.read(FIXTURES / "grazzi-gpt2").model
    assert frozen.config.positions == "none"
    frozen(torch.randn(1, 50, 3))
    learned = official.read(run_of("grazzi-gpt2", lambda weights: weights["_backbone.wpe.weight"].add_(0.5))).model
    assert (learned.config.positions, learned.config.slots) == ("learned", 18)
    with pytest.raises(ProbeError, match="learned positions for 18 tokens"):
        learned(torch.randn(1, 50, 3))


def test_tied_weights_do_not_become_one_tensor() -> None:
    model = official.read(FIXTURES / "park-gpt2-symbols").model
    assert torch.equal(model.read_in.weight, model.read_out.weight)
    assert model.read_in.weight.data_ptr() != model.read_out.weight.data_ptr()
    assert not model.read_out.bias.any()


@pytest.mark.parametrize("family", ["lstm", "mamaba", "mlp-mixer"])
def test_an_unknown_family_is_refused(run_of: Callable[..., Path], family: str) -> None:
    config = run_of("park-mamba") / "config.yaml"
    config.write_text(config.read_text().replace("family: mamba", f"family: {family}"))
    with pytest.raises(ProbeError, match=rf"family '{family}', which is none that can be read.*Families: gpt2, mamba"):
        official.read(config.parent)


def test_a_task_that_the_model_cannot_answer_is_refused(run_of: Callable[..., Path]) -> None:
    config = run_of("park-gpt2-retrieval") / "config.yaml"
    config.write_text(config.read_text().replace("task: retrieval", "task: linear_regression"))
    with pytest.raises(ProbeError, match="predicts 3 numbers a token, but its task linear reads"):
        official.read(config.parent)
