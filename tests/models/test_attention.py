"""Claims: a whole (AF)2 model is Hugging Face's GPT-2 on shared weights, and attention is split as asked."""

import pytest
import torch

from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.models import ResidualModel
from probe.models.attention import Attention

# what transformers warns of in its own modules is not ours to mend
pytestmark = pytest.mark.filterwarnings("ignore:::transformers")

WIDTH, LAYERS, HEADS, SLOTS = 32, 2, 4, 16


def ours(positions):
    torch.manual_seed(0)
    config = ModelConfig(
        layout=f"(AF){LAYERS}",
        dim=3,
        width=WIDTH,
        norm="layer",
        positions=positions,
        slots=SLOTS if positions == "learned" else 0,
        attention_heads=HEADS,
    )
    model = ResidualModel(config)
    # weights after training are nowhere as small and even as at the start
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def their_name(name):
    """Where Hugging Face's model keeps a weight of ours, and whether transposed (its Conv1D)."""
    if not name.startswith("blocks."):
        return {"positions.weight": "wpe.weight"}.get(name, name.replace("norm_f", "ln_f")), False
    _, number, part, rest = name.split(".", 3)
    layer, second = divmod(int(number), 2)
    home = ("ln_1", "ln_2")[second] if part == "norm" else ("attn", "mlp")[second]
    return f"h.{layer}.{home}.{rest}", part == "mixer" and rest.endswith("weight")


def reference(model):
    """Returns Hugging Face's GPT-2 with our weights, and zeros for positions that we lack."""
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        vocab_size=1, n_positions=SLOTS, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    theirs = transformers.GPT2Model(config)
    weights = {"wpe.weight": torch.zeros(SLOTS, WIDTH)}
    for name, value in inner(model):
        home, transposed = their_name(name)
        weights[home] = value.detach().T if transposed else value.detach()
    missing, unexpected = theirs.load_state_dict(weights, strict=False)
    assert missing == ["wte.weight"]
    assert not unexpected
    return theirs


def inner(model):
    """All weights but those of the read-in and the read-out, which GPT-2 has not."""
    return [(name, value) for name, value in model.named_parameters() if not name.startswith("read_")]


@pytest.mark.parametrize("positions", ["learned", "none"])
@pytest.mark.parametrize("time", [1, 7, SLOTS])
def test_a_whole_model_equals_gpt_2_on_shared_weights(positions, time):
    """Predictions and every gradient, within 1e-5 of the largest number; without positions theirs are zero."""
    model = ours(positions)
    theirs = reference(model)
    inputs = torch.randn(2, time, 3, generator=torch.Generator().manual_seed(1))
    embedded = model.read_in(inputs)
    output = model(inputs)
    expected = model.read_out(theirs(inputs_embeds=embedded, use_cache=False).last_hidden_state)
    assert close(output, expected)
    found = torch.autograd.grad(output.square().sum(), [value for _, value in inner(model)])
    homes = [their_name(name) for name, _ in inner(model)]
    wanted = torch.autograd.grad(expected.square().sum(), [theirs.get_parameter(home) for home, _ in homes])
    for first, second, (home, transposed) in zip(found, wanted, homes, strict=True):
        assert close(first, second.T if transposed else second), home


def close(found, expected):
    return (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("heads", [5, 64, 0, -2])
def test_heads_that_do_not_divide_the_width_are_refused(heads):
    with pytest.raises(ProbeError) as raised:
        Attention(32, 2, heads)
    expected = f"A width of 32 cannot be split into {heads} attention heads. Give a number that divides it."
    assert str(raised.value) == expected


def test_weights_start_as_gpt_2s_do():
    """N(0, 0.02²), the output's over sqrt(blocks), within five standard errors; biases 0."""
    torch.manual_seed(0)
    attention = Attention(128, 16, heads=4)
    for layer, spread in ((attention.c_attn, 0.02), (attention.c_proj, 0.005)):
        weight = layer.weight.detach()
        assert weight.std().item() == pytest.approx(spread, rel=5 * (2 * weight.numel()) ** -0.5)
        assert not layer.bias.any()
