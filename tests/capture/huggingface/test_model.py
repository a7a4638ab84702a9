"""Claims: one definition of the stream holds for every family, and it is not what `output_hidden_states` lists."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from probe.capture import DescribedModel, Place, capture, check_invariants
from probe.capture.huggingface import HuggingFaceModel
from probe.checkpoints.huggingface import read
from probe.errors import ProbeError

# where the blocks are, written down a second time
BLOCKS = {
    "falcon_mamba": lambda model: model.backbone.layers,
    "gpt2": lambda model: model.transformer.h,
    "gpt_neox": lambda model: model.gpt_neox.layers,
    "gptj": lambda model: model.transformer.h,
    "jamba": lambda model: model.model.layers,
    "llama": lambda model: model.model.layers,
    "mamba": lambda model: model.backbone.layers,
    "mamba2": lambda model: model.backbone.layers,
    "rwkv": lambda model: model.rwkv.blocks,
}
UNLISTED = ["bloom", "cohere", "falcon", "falcon_h1", "granite", "olmoe", "opt", "recurrent_gemma"]
SCALED = ["cohere", "falcon_h1", "gemma2", "granite", "recurrent_gemma"]


def everywhere(tokens):
    return torch.arange(tokens.shape[1])


def hooks(model):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


@torch.no_grad()
def seen(model, tokens):
    """What enters the first block and what leaves each, by plain hooks."""
    found, handles = [], []
    blocks = next(BLOCKS[kind] for kind in BLOCKS if kind == model.config.model_type)(model)
    handles.append(blocks[0].register_forward_pre_hook(lambda _, given: found.append(given[0].clone())))
    for block in blocks:
        take = lambda _, __, out: found.append((out if isinstance(out, torch.Tensor) else out[0]).clone())  # noqa: E731
        handles.append(block.register_forward_hook(take))
    model(input_ids=tokens, use_cache=False)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize("kind", BLOCKS)
def test_every_invariant_holds_on_what_a_folder_gives_back(saved, tokens, kind):
    model = read(saved(kind))
    assert isinstance(model, DescribedModel)
    findings = check_invariants(model, tokens)
    assert len(findings) == 7
    assert all(finding.held for finding in findings), findings
    assert hooks(model.model) == 0
    assert not any(parameter.requires_grad for parameter in model.model.parameters())


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_folder_gives_back_the_weights_and_the_logits_to_the_bit(saved, tiny, tokens, kind):
    model, original = read(saved(kind)), tiny(kind)
    for key, tensor in original.state_dict().items():
        assert torch.equal(model.model.state_dict()[key], tensor)
    with torch.no_grad():
        assert torch.equal(model.run(tokens), original(input_ids=tokens, use_cache=False).logits)


@pytest.mark.parametrize("kind", [kind for kind in BLOCKS if kind != "rwkv"])
def test_capture_equals_plain_hooks_to_the_bit(tiny, tokens, kind):
    expected = seen(tiny(kind), tokens)
    captured = capture(HuggingFaceModel(tiny(kind)), tokens, everywhere(tokens))
    assert len(expected) == 4
    assert torch.equal(captured.stream, torch.stack(expected))
    assert not torch.equal(captured.stream[0], captured.stream[3])


@pytest.mark.parametrize("kind", UNLISTED)
def test_a_family_that_is_not_in_the_table_is_found_and_holds(tiny, tokens, kind):
    findings = check_invariants(HuggingFaceModel(tiny(kind)), tokens)
    assert all(finding.held for finding in findings), findings


@pytest.mark.parametrize("kind", SCALED)
def test_what_a_family_does_to_its_logits_belongs_to_the_decoder(tiny, tokens, kind):
    """Final norm and head alone would give other numbers."""
    model = HuggingFaceModel(tiny(kind))
    captured = capture(model, tokens, everywhere(tokens))
    with torch.no_grad():
        plain = model.model.get_output_embeddings()(model.normalise(captured.stream[-1]))
        assert torch.equal(model.decode(captured.stream[-1]), captured.output)
    assert not torch.allclose(plain, captured.output, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "listed"),
    [
        ("gpt2", [0, 1, 2, "normed"]),
        ("gpt_neox", [0, 1, 2, "normed"]),
        ("gptj", [0, 1, 2, "normed"]),
        ("llama", [0, 1, 2, "normed"]),
        ("jamba", [0, 1, 2, "normed"]),
        ("mamba", [1, 2, 3, "normed"]),
        ("mamba2", [1, 2, 3, "normed"]),
        ("falcon_mamba", [1, 2, 3, "normed"]),
        ("rwkv", [1, "half of 2", "half of 3", "normed"]),
    ],
)
def test_lists_of_hidden_states_are_as_long_as_ours_and_mean_something_else(tiny, tokens, kind, listed):
    """Read as layers 0 to 3, Mamba's would be one block off at every layer, GPT-2's wrong only at the last.

    Seen with transformers 5.23. None holds the last layer before the final norm beside the read-in.
    """
    model = HuggingFaceModel(tiny(kind))
    stream = capture(model, tokens, everywhere(tokens)).stream
    with torch.no_grad():
        states = model.model(input_ids=tokens, use_cache=False, output_hidden_states=True).hidden_states
        assert len(states) == len(model.places) == 4
        layers = {layer: stream[layer] for layer in range(4)}
        layers |= {f"half of {layer}": stream[layer] / 2 for layer in range(4)}
        layers["normed"] = model.normalise(stream[3])
    for state, name in zip(states, listed, strict=True):
        assert [layer for layer, tensor in layers.items() if torch.equal(tensor, state)] == [name]


def test_rwkv_begins_after_the_norm_of_its_embedding(tiny, tokens):
    """What the first block adds to is the normed embedding: the difference is what attention and feed-forward wrote."""
    model = tiny("rwkv")
    block, embedded = model.rwkv.blocks[0], model.rwkv.embeddings(tokens)
    stream = capture(HuggingFaceModel(model), tokens, everywhere(tokens)).stream
    with torch.no_grad():
        start = block.pre_ln(embedded)
        middle = start + block.attention(block.ln1(start))[0]
        end = middle + block.feed_forward(block.ln2(middle))[0]
    assert torch.equal(stream[0], start)
    assert torch.equal(stream[1], end)
    assert not torch.allclose(embedded, start, atol=0.1)


@pytest.mark.parametrize("wrong", ["before the norm", "a block late"])
def test_a_read_in_elsewhere_is_found_by_the_invariants(tiny, tokens, wrong):
    model = HuggingFaceModel(tiny("rwkv"))
    if wrong == "before the norm":
        raw = replace(model.places[0], module=model.model.rwkv.blocks[0], side="input")
        model.places = [raw, *model.places[1:]]
    else:
        model.places = [*model.places[1:], Place("norm", model.model.rwkv.ln_out, "output", lambda stream: stream)]
    broken = {finding.claim for finding in check_invariants(model, tokens) if not finding.held}
    assert "what enters a block is what left the one before" in broken


def test_rwkv_is_read_before_transformers_halves_its_stream(tiny, tokens):
    """In evaluation the stream is halved every few blocks; undone, it is that of the weights as they were saved."""
    halved, whole = tiny("rwkv"), HuggingFaceModel(tiny("rwkv", rescale_every=0))
    wrapped = HuggingFaceModel(halved)
    stream = capture(wrapped, tokens, everywhere(tokens)).stream
    # layer norms add a small number to a variance that is four times smaller: not equal, but close
    torch.testing.assert_close(stream, capture(whole, tokens, everywhere(tokens)).stream, rtol=1e-3, atol=1e-3)
    raw = seen(halved, tokens)
    assert torch.equal(raw[3] * 2, stream[3])
    assert torch.equal(raw[2], stream[2])
    again = capture(wrapped, tokens, everywhere(tokens))
    assert torch.equal(again.stream, stream)


@pytest.mark.parametrize(
    ("kind", "settings", "residual"),
    [
        ("gptj", {}, "parallel"),
        ("gpt_neox", {}, "parallel"),
        ("gpt_neox", {"use_parallel_residual": False}, "pre"),
        ("cohere", {}, "parallel"),
        ("gpt2", {}, "pre"),
        ("llama", {}, "pre"),
        ("opt", {"do_layer_norm_before": False}, "post"),
    ],
)
def test_how_blocks_meet_the_stream_is_told(tiny, tokens, kind, settings, residual):
    model = HuggingFaceModel(tiny(kind, **settings))
    assert model.description.residuals == (residual,) * 3
    assert model.description.letters == ("[AF]",) * 3
    assert model.description.layout == "[AF]3"
    assert check_invariants(model, tokens)[0].held


def test_a_parallel_block_adds_attention_and_feed_forward_of_the_same_stream(tiny, tokens):
    """So that a stream between the two is nowhere to be read."""
    model = tiny("gptj")
    stream = capture(HuggingFaceModel(model), tokens, everywhere(tokens)).stream
    block, inner = model.transformer.h[1], []
    handle = block.attn.register_forward_hook(lambda _, __, out: inner.append(out[0].clone()))
    with torch.no_grad():
        model(input_ids=tokens, use_cache=False)
        handle.remove()
        read_by_both = block.ln_1(stream[1])
        torch.testing.assert_close(stream[2], stream[1] + inner[0] + block.mlp(read_by_both))


def test_the_vocabulary_and_the_reach_of_positions_are_known(tiny, tokens):
    gpt2, llama = HuggingFaceModel(tiny("gpt2")), HuggingFaceModel(tiny("llama"))
    for model in (gpt2, llama):
        assert (model.description.symbols, model.description.outputs, model.description.inputs) == (50, 50, 0)
        assert model.width == 32
    assert (gpt2.description.longest, llama.description.longest) == (32, 0)
    longer = tokens.repeat(1, 3)
    assert llama.run(longer).shape == (2, 33, 50)
    with pytest.raises(ProbeError, match="A prompt of 33 tokens was given, but the model has positions for 32"):
        gpt2.run(longer)


@pytest.mark.parametrize("kind", ["biogpt", "ctrl", "gptj", "marian", "opt"])
def test_a_table_of_positions_that_ends_is_found_in_the_model_itself(tiny, tokens, kind):
    model = HuggingFaceModel(tiny(kind))
    assert model.description.longest == 32
    assert model.run(tokens.repeat(1, 3)[:, :32]).shape == (2, 32, model.description.outputs)
    with pytest.raises(ProbeError, match="A prompt of 33 tokens was given, but the model has positions for 32"):
        model.run(tokens.repeat(1, 3))


@pytest.mark.parametrize("kind", ["bloom", "falcon", "rwkv", "xglm"])
def test_positions_that_are_computed_as_far_as_asked_end_nowhere(tiny, tokens, kind):
    model = HuggingFaceModel(tiny(kind))
    assert model.description.longest == 0
    assert model.run(tokens.repeat(1, 3)).shape[1] == 33


def test_a_limit_that_nothing_tells_is_told_where_it_is_met(tiny, tokens):
    model = HuggingFaceModel(tiny("biogpt"))
    model._longest = 0
    with pytest.raises(ProbeError, match="A prompt of 33 tokens was given, but the model has positions for 32"):
        model.run(tokens.repeat(1, 3))


@pytest.mark.parametrize("first", [True, False])
def test_embeddings_narrower_than_the_stream_are_projected_in_and_out(tiny, tokens, first):
    model = HuggingFaceModel(tiny("opt", word_embed_proj_dim=16, do_layer_norm_before=first))
    findings = check_invariants(model, tokens)
    assert len(findings) == 7
    assert all(finding.held for finding in findings), findings
    stream = capture(model, tokens, everywhere(tokens)).stream
    decoder = model.model.model.decoder
    with torch.no_grad():
        normed = decoder.final_layer_norm(stream[3]) if first else stream[3]
        assert torch.equal(model.normalise(stream[3]), normed)
        assert torch.equal(model.decode(stream[3]), model.model.lm_head(decoder.project_out(normed)))
    used = {id(p): p.numel() for p in decoder.parameters()}
    own = [*decoder.project_out.parameters(), *(decoder.final_layer_norm.parameters() if first else ())]
    assert model.description.parameters[-1] == sum(used.values()) - sum(p.numel() for p in own)


def test_a_model_whose_own_forward_fails_says_what_it_raised(tiny, saved):
    good = HuggingFaceModel(tiny("deepseek_v3"))
    assert good.description.layout == "[AF]3"
    broken = tiny("deepseek_v3")
    broken.model.layers[1].self_attn.v_head_dim = 8
    with pytest.raises(ProbeError, match=r"\(deepseek_v3\) whose own forward fails on .* \(RuntimeError: .*\)\."):
        HuggingFaceModel(broken)
    folder = saved("gptj", rotary_dim=8)
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"rotary_dim": 8', '"rotary_dim": 32'))
    with pytest.raises(ProbeError, match=r"\(gptj\) whose own forward fails on two symbols \(RuntimeError: "):
        read(folder)


TEXT = {
    "vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
    "head_dim": 16, "intermediate_size": 48, "max_position_embeddings": 64,
}  # fmt: skip
SIGHT = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16, "image_size": 28,
    "patch_size": 14,
}  # fmt: skip
TURNED = {"rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e4}}
LINEAR = {
    "linear_num_value_heads": 2, "linear_num_key_heads": 2, "linear_key_head_dim": 16, "linear_value_head_dim": 16,
    "layer_types": ["linear_attention", "full_attention"],
}  # fmt: skip
PICTURED = {
    "gemma3": {"text_config": TEXT, "vision_config": SIGHT, "mm_tokens_per_image": 4},
    "llava": {
        "text_config": {"model_type": "llama", **TEXT},
        "vision_config": {"model_type": "clip_vision_model", **SIGHT},
    },
    "qwen2_vl": {
        "text_config": TEXT | TURNED,
        "vision_config": {"depth": 1, "embed_dim": 16, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2},
    },
    "qwen3_5": {
        "text_config": TEXT | LINEAR,
        "vision_config": {"depth": 1, "hidden_size": 16, "out_hidden_size": 32, "num_heads": 2, "patch_size": 14},
    },
}


@pytest.mark.parametrize("kind", PICTURED)
def test_of_a_model_of_images_and_text_the_language_part_is_read(tmp_path, tokens, kind):
    from transformers import AutoConfig, AutoModelForImageTextToText

    from probe.checkpoints.huggingface.library import quiet

    with quiet(), torch.random.fork_rng(devices=[]):
        whole = AutoModelForImageTextToText.from_config(AutoConfig.for_model(kind, **PICTURED[kind])).eval()
        whole.save_pretrained(tmp_path / kind)
    model = read(tmp_path / kind)
    findings = check_invariants(model, tokens)
    assert len(findings) == 7
    assert all(finding.held for finding in findings), findings
    with torch.no_grad():
        assert torch.equal(model.run(tokens), whole(input_ids=tokens, use_cache=False).logits)
    assert model.description.layout == ("[GF][AF]" if kind == "qwen3_5" else "[AF]2")
    assert (model.width, model.description.symbols, model.description.longest) == (32, 60, 0)
    # what looks at pictures is no part of what symbols pass
    language = next(part for name, part in model.model.named_modules() if name.endswith("language_model"))
    head = model.model.get_output_embeddings().weight
    tied = head is model.model.get_input_embeddings().weight
    total = sum({id(p): p.numel() for p in language.parameters()}.values())
    assert model.description.parameters[-1] == total - 32
    assert model.description.parameters[0] == 60 * 32
    assert tied or head.shape == (60, 32)
    assert model.flops(9)[-1] > 0


def test_wrapping_and_capturing_leave_a_model_as_it_was(tiny, tokens):
    model = tiny("mamba")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        logits = model(input_ids=tokens, use_cache=False).logits
    capture(HuggingFaceModel(model), tokens, everywhere(tokens))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    with torch.no_grad():
        assert torch.equal(model(input_ids=tokens, use_cache=False).logits, logits)
    assert hooks(model) == 0


def test_a_model_whose_logits_its_norm_and_head_do_not_make_is_refused(tiny):
    """BERT's head has a layer of its own before the read-out."""
    with pytest.raises(ProbeError, match=r"the model is a BertLMHeadModel \(bert\), in which no list of blocks"):
        HuggingFaceModel(tiny("bert"))


def test_a_model_without_its_weights_is_refused():
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        model: nn.Module = AutoModelForCausalLM.from_config(AutoConfig.for_model("gpt2", n_embd=8, n_head=2, n_layer=1))
    with pytest.raises(ProbeError, match="on the meta device"):
        HuggingFaceModel(model)


def test_a_setting_of_another_family_changes_nothing(tiny, tokens):
    model = HuggingFaceModel(tiny("mamba", rescale_every=1))
    assert all(finding.held for finding in check_invariants(model, tokens))
