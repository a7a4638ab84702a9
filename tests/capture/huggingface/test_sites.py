"""Claims: sites of models of transformers are read as their own code has them, in every family that keeps states."""

import pytest
import torch

from probe.capture.huggingface import HuggingFaceModel
from probe.capture.huggingface.cached import stepping_states
from probe.capture.sites import capture_site
from probe.errors import ProbeError

TOKENS = [3, 4, 10]


@pytest.mark.parametrize("kind", ["mamba", "falcon_mamba", "jamba"])
def test_states_by_our_scan_are_those_of_the_models_own_cache(kind, tiny, tokens):
    model = HuggingFaceModel(tiny(kind))
    found = capture_site(model, tokens, TOKENS, widest=0)
    own = list(stepping_states(model.model, tokens, TOKENS))
    assert found.layers == tuple(own[0][0])
    for token, (states, logits) in enumerate(own):
        torch.testing.assert_close(found.output[:, token], logits, rtol=1e-3, atol=1e-4)
        for place, layer in enumerate(found.layers):
            torch.testing.assert_close(found.values[place, :, token], states[layer], rtol=1e-3, atol=1e-5)
    assert not any("forward" in module.__dict__ for module in model.model.modules())


@pytest.mark.parametrize("kind", ["mamba2", "falcon_h1"])
def test_states_of_other_families_come_from_their_cache_with_what_a_whole_pass_predicts(kind, tiny, tokens):
    model = HuggingFaceModel(tiny(kind))
    found = capture_site(model, tokens, TOKENS, widest=0)
    with torch.no_grad():
        whole = model.run(tokens)
    assert found.layers == (1, 2, 3)
    assert found.values.abs().amax((1, 2, 3)).gt(0).all()
    torch.testing.assert_close(found.output, whole[:, TOKENS], rtol=1e-3, atol=1e-4)


def test_the_means_of_rwkv_are_those_of_its_own_state_one_sequence_at_a_time(tiny, tokens):
    """Of several sequences transformers' step by step form mixes up the token shifts."""
    model = HuggingFaceModel(tiny("rwkv"))
    found = capture_site(model, tokens, [10], widest=0)
    for number, sequence in enumerate(tokens):
        with torch.no_grad():
            state = model.model(sequence[None], use_cache=True).state
        own = (state[2] / state[3])[0].T
        torch.testing.assert_close(found.values[:, number, 0], own, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "opt", "gpt_neox", "gptj", "bloom"])
def test_heads_sum_to_their_attention_in_every_family(kind, tiny, tokens):
    model = HuggingFaceModel(tiny(kind))
    whole = capture_site(model, tokens, TOKENS, "attention").values
    heads = capture_site(model, tokens, TOKENS, "attention-head-output")
    assert len(heads.cells) == 6 and heads.cells[1].part == 1
    total = heads.values.unflatten(0, (3, 2)).sum(1)
    # the projection's bias is nobody's, and bloom's attention adds the stream itself
    left = whole - total
    if kind != "bloom":
        torch.testing.assert_close(left, left[:, :1, :1].expand_as(left), rtol=1e-4, atol=1e-5)


def test_the_feed_forward_part_is_what_the_module_returns(tiny, tokens):
    model = HuggingFaceModel(tiny("gpt2"))
    found = capture_site(model, tokens, TOKENS, "mlp")
    seen = []
    hook = model.model.transformer.h[1].mlp.register_forward_hook(lambda module, given, output: seen.append(output))
    with torch.no_grad():
        model.run(tokens)
    hook.remove()
    assert found.layers == (1, 2, 3)
    assert torch.equal(found.values[1], seen[0][:, TOKENS])


def test_a_transformer_has_no_recurrent_state_and_says_so(tiny, tokens):
    with pytest.raises(ProbeError, match=r"The model's blocks are GPT2Block .* needs blocks with a recurrent state"):
        capture_site(HuggingFaceModel(tiny("gpt2")), tokens, TOKENS)
