"""Claims: the feed-forward block is Hugging Face's GPT-2 one on shared weights, token by token."""

import pytest
import torch

from probe.models.mlp import MLP

# what transformers warns of in its own modules is not ours to mend
pytestmark = pytest.mark.filterwarnings("ignore:::transformers")


def test_it_equals_gpt_2s_on_shared_weights():
    """Within 1e-5 of the largest number; GPT-2's GELU is the tanh approximation."""
    transformers = pytest.importorskip("transformers")
    from transformers.models.gpt2.modeling_gpt2 import GPT2MLP

    torch.manual_seed(0)
    ours = MLP(16, blocks=4)
    theirs = GPT2MLP(64, transformers.GPT2Config(n_embd=16, resid_pdrop=0.0))
    with torch.no_grad():
        for name, parameter in ours.named_parameters():
            parameter.add_(torch.randn_like(parameter))
            theirs.get_parameter(name).copy_(parameter.T if parameter.ndim == 2 else parameter)
    hidden = torch.randn(2, 3, 16)
    expected = theirs(hidden)
    assert (ours(hidden) - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_tokens_do_not_mix():
    torch.manual_seed(0)
    mlp, hidden = MLP(8, blocks=1), torch.randn(1, 5, 8)
    changed = hidden.clone()
    changed[:, 2] += 1
    moved = (mlp(changed) - mlp(hidden)).abs().amax(-1)[0] > 0
    assert moved.tolist() == [False, False, True, False, False]


def test_weights_start_as_gpt_2s_do():
    """N(0, 0.02²), the output's over sqrt(blocks), within five standard errors; biases 0."""
    torch.manual_seed(0)
    mlp = MLP(64, blocks=16)
    for layer, spread in ((mlp.c_fc, 0.02), (mlp.c_proj, 0.005)):
        weight = layer.weight.detach()
        assert weight.std().item() == pytest.approx(spread, rel=5 * (2 * weight.numel()) ** -0.5)
        assert not layer.bias.any()
