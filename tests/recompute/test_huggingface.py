"""Claims: language models of the known families are recomputed from their folders; one that runs otherwise is found."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from probe.capture import check_invariants
from probe.capture.huggingface import HuggingFaceModel
from probe.checkpoints.huggingface import read
from probe.cli import main
from probe.recompute import check_stored, stored_weights

Change = Callable[[Any], None]
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 100.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}  # fmt: skip
FOUND = [
    ("gpt2", {}),
    ("gpt2", {"scale_attn_by_inverse_layer_idx": True, "n_inner": 40, "activation_function": "relu"}),
    ("gpt_neox", {}),
    ("gpt_neox", {"use_parallel_residual": False, "hidden_act": "gelu_new", "tie_word_embeddings": True}),
    ("gpt_neox", {"rope_parameters": {"rope_type": "default", "rope_theta": 50.0, "partial_rotary_factor": 1.0}}),
    ("llama", {}),
    ("llama", {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True, "head_dim": 12}),
    ("llama", {"rope_parameters": LLAMA3}),
    ("llama", {"rope_parameters": {"rope_type": "linear", "rope_theta": 100.0, "factor": 4.0}}),
    ("mistral", {"sliding_window": 4}),
    ("qwen2", {}),
    ("qwen2", {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1}),
    ("qwen3", {}),
    ("mamba", {}),
    ("mamba", {"use_bias": True, "use_conv_bias": False, "expand": 3, "layer_norm_epsilon": 1e-3}),
    ("falcon_mamba", {"mixer_rms_eps": 1e-3}),
    ("mamba2", {}),
    ("mamba2", {"n_groups": 4, "time_step_limit": (0.01, 0.1), "use_bias": True}),
    ("gemma", {}),
    ("gptj", {}),
    ("granite", {"embedding_multiplier": 3.0, "residual_multiplier": 0.3, "attention_multiplier": 0.1}),
    ("granite", {"logits_scaling": 4.0}),
    ("opt", {}),
    ("phi", {}),
    ("phi", {"rope_parameters": {"rope_type": "default", "rope_theta": 50.0, "partial_rotary_factor": 0.25}}),
    ("rwkv", {}),
    ("rwkv", {"rescale_every": 0, "attention_hidden_size": 64, "intermediate_size": 40}),
]


def broken(folder: Path, model: HuggingFaceModel, tokens: Tensor) -> list[str]:
    """What does not hold of a folder, where the model runs that is given, with what was seen."""
    found = check_stored(folder, model, tokens)
    assert len(found) > 1
    return [f"{finding.claim} ({finding.seen})" for finding in found if finding.held is False]


@pytest.mark.parametrize(("kind", "settings"), FOUND, ids=[f"{kind}-{i}" for i, (kind, _) in enumerate(FOUND)])
def test_a_sound_model_is_what_its_folder_makes(
    saved: Callable[..., Path], tokens: Tensor, kind: str, settings: dict[str, Any]
) -> None:
    folder = saved(kind, **settings)
    found = check_stored(folder, read(folder), tokens)
    assert [finding.held for finding in found] == [True] * 5, found


def test_older_words_for_rotary_settings_mean_the_same(saved: Callable[..., Path], tokens: Tensor) -> None:
    folder = saved(
        "gpt_neox", rope_parameters={"rope_type": "default", "rope_theta": 50.0, "partial_rotary_factor": 0.5}
    )
    config = json.loads((folder / "config.json").read_text())
    del config["rope_parameters"]
    (folder / "config.json").write_text(json.dumps(config | {"rotary_emb_base": 50, "rotary_pct": 0.5}))
    assert broken(folder, read(folder), tokens) == []
    (folder / "config.json").write_text(json.dumps(config | {"rotary_emb_base": 50}))
    assert broken(folder, read(folder), tokens) == []


def within(path: str, change: Callable[[Any], None]) -> Change:
    """What changes a module of the last block."""
    return lambda blocks: change(blocks[-1].get_submodule(path))


def weight(change: Callable[[Tensor], Tensor], name: str = "weight") -> Callable[[Any], None]:
    def apply(module: nn.Module) -> None:
        tensor = module.get_parameter(name)
        tensor.copy_(change(tensor.clone()))

    return apply


def setting(name: str, value: object) -> Callable[[Any], None]:
    return lambda module: setattr(module, name, value)


def without(name: str) -> Callable[[Any], None]:
    return lambda module: setattr(module, name, None)


def halves(rows: Tensor) -> Tensor:
    return torch.cat(rows.chunk(2)[::-1])


WRONG: dict[str, tuple[str, dict[str, Any], Change]] = {
    "GPT-2's matrix transposed": ("gpt2", {}, within("attn.c_proj", weight(lambda rows: rows.T))),
    "GPT-2's heads mis-split": ("gpt2", {}, within("attn", setting("head_dim", 16))),
    "GPT-2's scores not scaled": ("gpt2", {}, within("attn", setting("scaling", 1.0))),
    "GPT-2's exact GELU": ("gpt2", {}, within("mlp", setting("act", nn.GELU()))),
    "GPT-2's other epsilon": ("gpt2", {}, within("ln_2", setting("eps", 1e-6))),
    "GPT-NeoX's bias dropped": ("gpt_neox", {}, within("attention.dense", without("bias"))),
    "GPT-NeoX in turn": ("gpt_neox", {}, lambda blocks: setattr(blocks[-1], "use_parallel_residual", False)),
    "GPT-NeoX's queries, keys and values in blocks": (
        "gpt_neox", {},
        within("attention.query_key_value", weight(lambda rows: rows.view(4, 3, -1).transpose(0, 1).reshape(96, 32))),
    ),
    "LLaMA's bias dropped": ("llama", {"attention_bias": True}, within("self_attn.q_proj", without("bias"))),
    "LLaMA's keys shared the wrong way": (
        "llama", {},
        within("self_attn.k_proj", weight(halves)),
    ),
    "LLaMA's gate for its other map": ("llama", {}, within("mlp.gate_proj", weight(lambda rows: -rows))),
    "LLaMA's GELU": ("llama", {}, within("mlp", setting("act_fn", nn.GELU()))),
    "LLaMA's other epsilon": ("llama", {}, within("input_layernorm", setting("variance_epsilon", 1e-5))),
    "Gemma's norms as LLaMA's": ("gemma", {}, within("input_layernorm", weight(lambda rows: rows - 1))),
    "GPT-J's neighbours as halves": ("gptj", {}, within("attn.q_proj", weight(halves))),
    "Granite's residual whole": (
        "granite", {"residual_multiplier": 0.3}, lambda blocks: setattr(blocks[-1], "residual_multiplier", 1.0),
    ),
    "OPT's GELU": ("opt", {}, lambda blocks: setattr(blocks[-1], "activation_fn", nn.GELU())),
    "OPT's bias dropped": ("opt", {}, within("fc2", without("bias"))),
    "Phi's bias dropped": ("phi", {}, within("self_attn.v_proj", without("bias"))),
    "Qwen 3's norm of queries off": ("qwen3", {}, within("self_attn", setting("q_norm", nn.Identity()))),
    "Mamba's bias dropped": ("mamba", {"use_bias": True}, within("mixer.in_proj", without("bias"))),
    "Mamba's skip dropped": ("mamba", {}, within("mixer", weight(torch.zeros_like, "D"))),
    "Mamba's other epsilon": ("mamba", {}, within("norm", setting("variance_epsilon", 1e-6))),
    "Falcon-Mamba without a norm": ("falcon_mamba", {}, within("mixer", setting("b_layernorm", nn.Identity()))),
    "Mamba-2's norm over all groups": ("mamba2", {}, within("mixer.norm", setting("group_size", 64))),
    "Mamba-2's inner norm of another epsilon": ("mamba2", {}, within("mixer.norm", setting("variance_epsilon", 1e-8))),
    "Mamba-2's step sizes not held": (
        "mamba2", {"time_step_limit": (0.01, 0.1)},
        within("mixer", setting("time_step_limit", (0.0, float("inf")))),
    ),
    "Mamba-2's step bias dropped": ("mamba2", {}, within("mixer", weight(torch.zeros_like, "dt_bias"))),
    "RWKV-4's weights rescaled twice": ("rwkv", {}, within("attention.output", weight(lambda rows: rows / 2))),
    "RWKV-4's shares turned round": ("rwkv", {}, within("attention", weight(lambda rows: 1 - rows, "time_mix_key"))),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_model_passes_the_invariants_and_is_found_against_its_folder(
    saved: Callable[..., Path], tokens: Tensor, name: str
) -> None:
    kind, settings, spoil = WRONG[name]
    folder = saved(kind, **settings)
    model = read(folder)
    assert broken(folder, model, tokens) == []
    spoil([place.module for place in model.places[1:]])
    assert all(finding.held for finding in check_invariants(model, tokens))
    (seen,) = broken(folder, model, tokens)
    assert "blocks write what their stored weights make" in seen
    assert "block 2" in seen


def test_rotary_positions_left_out_are_found(saved: Callable[..., Path], tokens: Tensor) -> None:
    folder = saved("llama")
    model = read(folder)
    model.model.get_submodule("model.rotary_emb").inv_freq.zero_()  # type: ignore[operator,union-attr]
    (seen,) = broken(folder, model, tokens)
    assert "2 of 2 are wrong" in seen


def test_a_window_left_out_is_found(saved: Callable[..., Path], tokens: Tensor) -> None:
    folder = saved("mistral", sliding_window=4)
    model = read(folder)
    assert broken(folder, model, tokens) == []
    model.config.sliding_window = None
    (seen,) = broken(folder, model, tokens)
    assert "2 of 2 are wrong" in seen


def test_another_base_of_rotary_positions_than_the_folders_is_found(saved: Callable[..., Path], tokens: Tensor) -> None:
    folder = saved("llama")
    model = read(folder)
    config = json.loads((folder / "config.json").read_text())
    config["rope_parameters"]["rope_theta"] = 500_000.0
    (folder / "config.json").write_text(json.dumps(config))
    assert len(broken(folder, model, tokens)) == 1


@pytest.mark.parametrize(("kind", "part"), [("gpt2", "transformer.wpe"), ("rwkv", "rwkv.blocks.0.pre_ln")])
def test_a_wrong_read_in_is_found(saved: Callable[..., Path], tokens: Tensor, kind: str, part: str) -> None:
    folder = saved(kind)
    model = read(folder)
    model.model.get_submodule(part).get_parameter("weight").mul_(1.01)
    (seen,) = broken(folder, model, tokens)
    assert seen.startswith("the read-in writes")


def test_a_head_made_up_from_the_embedding_is_found(saved: Callable[..., Path], tokens: Tensor) -> None:
    folder = saved("llama")
    model = read(folder)
    head = model.model.get_output_embeddings()  # type: ignore[operator]
    head.weight = model.model.get_input_embeddings().weight  # type: ignore[operator]
    (seen,) = broken(folder, model, tokens)
    assert seen.startswith("the read-out writes")


def rewritten(folder: Path, change: Callable[[dict[str, Tensor]], None]) -> None:
    """Stores other tensors than transformers did."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize(
    ("kind", "name", "size"),
    [
        ("llama", "model.layers.1.self_attn.q_proj.bias", 32),
        ("llama", "model.layers.1.self_attn.q_norm.weight", 8),
        ("llama", "model.layers.0.self_attn.q_proj.weight_scale_inv", 1),
        ("mamba", "backbone.layers.1.mixer.in_proj.bias", 128),
        ("gpt2", "transformer.h.1.attn.scale", 1),
    ],
)
def test_a_stored_weight_that_the_model_has_not_is_found(
    saved: Callable[..., Path], tokens: Tensor, kind: str, name: str, size: int
) -> None:
    """The model is read as before: what is stored beside is what its reader would have to notice."""
    folder = saved(kind)
    model = read(folder)
    rewritten(folder, lambda weights: weights.update({name: torch.linspace(1, 2, size)}))
    seen = broken(folder, model, tokens)
    assert any(name.split(".", 3)[-1] in each or "block 2" in each for each in seen), seen


@pytest.mark.parametrize("name", ["self_attn.q_proj.bias", "self_attn.k_norm.weight", "mlp.up_proj.weight_scale_inv"])
def test_the_command_does_not_pass_a_folder_with_a_weight_that_its_settings_leave_out(
    saved: Callable[..., Path], name: str
) -> None:
    """Refused by the reader or found by the check."""
    folder = saved("llama")
    assert main(["check", "--ckpt", str(folder)]) == 0
    size = 32 if "bias" in name else 8
    rewritten(folder, lambda weights: weights.update({f"model.layers.1.{name}": torch.linspace(1, 2, size)}))
    assert main(["check", "--ckpt", str(folder)]) in (1, 2)


def test_a_stored_weight_that_the_model_needs_and_the_folder_lacks_is_named(
    saved: Callable[..., Path], tokens: Tensor
) -> None:
    folder = saved("mamba")
    model = read(folder)
    rewritten(folder, lambda weights: weights.__delitem__("backbone.layers.1.mixer.D"))
    (seen,) = broken(folder, model, tokens)
    assert "block 2: the file has no mixer.D" in seen


def test_buffers_of_older_releases_are_no_strangers(saved: Callable[..., Path], tokens: Tensor) -> None:
    folder = saved("gpt2")
    model = read(folder)
    mask = torch.ones(1, 1, 32, 32)
    rewritten(folder, lambda weights: weights.update({"transformer.h.0.attn.bias": mask}))
    assert broken(folder, model, tokens) == []


def test_names_without_the_outer_prefix_and_weights_in_parts_are_read(
    saved: Callable[..., Path], tokens: Tensor
) -> None:
    """The hub's GPT-2 is stored without ``transformer.``."""
    folder = saved("gpt2")
    model = read(folder)
    plain = {name.removeprefix("transformer."): tensor for name, tensor in stored_weights(folder).items()}
    (folder / "model.safetensors").unlink()
    names = sorted(plain)
    parts = {"a.bin": names[::2], "b.bin": names[1::2]}
    for part, chosen in parts.items():
        torch.save({name: plain[name] for name in chosen}, folder / part)
    places = {name: part for part, chosen in parts.items() for name in chosen}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": places}))
    assert broken(folder, model, tokens) == []


def test_embeddings_of_another_width_are_said_to_be_unknown(saved: Callable[..., Path], tokens: Tensor) -> None:
    folder = saved("opt")
    model = read(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"word_embed_proj_dim": 16}))
    (finding,) = check_stored(folder, model, tokens)
    assert finding.held is None
    assert "opt with embeddings of another width" in finding.seen


def test_names_and_settings_that_say_nothing_of_the_parts_leave_them_unknown(
    saved: Callable[..., Path], tokens: Tensor
) -> None:
    folder = saved("llama")
    model = read(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({"d_model": 8, "n_layer": 1, "vocab_size": 9, "attn_cfg": 3}))
    (finding,) = check_stored(folder, model, tokens)
    assert (finding.held, "under other names" in finding.seen) == (None, True)
    (folder / "config.json").write_text(json.dumps(config | {"num_attention_heads": "many"}))
    found = check_stored(folder, model, tokens)
    assert found[1].held is False
    assert "its weights and settings do not fit" in found[1].seen


def test_a_family_without_equations_here_is_said_to_be_unknown(saved: Callable[..., Path], tokens: Tensor) -> None:
    folder = saved("bloom")
    (finding,) = check_stored(folder, read(folder), tokens)
    assert finding.held is None
    assert finding.seen == "could not be recomputed: no reference of ours for bloom blocks"


def test_settings_without_equations_here_are_said_to_be_unknown(saved: Callable[..., Path], tokens: Tensor) -> None:
    yarn = {"rope_type": "yarn", "rope_theta": 100.0, "factor": 2.0, "original_max_position_embeddings": 16}
    folder = saved("llama", rope_parameters=yarn)
    found = check_stored(folder, read(folder), tokens)
    assert [finding.held for finding in found] == [True, None, True, True, None]
    assert "rotary positions of type yarn" in found[1].seen
