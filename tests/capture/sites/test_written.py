"""Claims: what attention, feed-forward parts and heads write is read where they write it, at the asked tokens alone."""

import pytest
import torch
from torch import nn

from probe.capture import ModuleModel, NativeModel, run_with_cache
from probe.capture.sites import capture_site
from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.models import ResidualModel

TOKENS = [1, 6]


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = ModelConfig(layout="M(AF)2", dim=3, width=16, norm="layer", attention_heads=4)
    return NativeModel(ResidualModel(config).eval())


@pytest.fixture
def inputs():
    return torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("site", "name", "layers"), [("attention", "attn", (2, 4)), ("mlp", "mlp", (3, 5))])
def test_it_is_what_the_cache_calls_the_output(model, inputs, site, name, layers):
    found = capture_site(model, inputs, TOKENS, site)
    _, cache = run_with_cache(model, inputs)
    assert found.layers == layers
    for place, layer in enumerate(layers):
        assert torch.equal(found.values[place], cache[f"blocks.{layer - 1}.hook_{name}_out"][:, TOKENS])


def test_heads_outputs_and_the_bias_sum_to_what_the_attention_writes(model, inputs):
    whole = capture_site(model, inputs, TOKENS, "attention").values
    heads = capture_site(model, inputs, TOKENS, "attention-head-output")
    assert [(cell.layer, cell.part) for cell in heads.cells] == [(layer, head) for layer in (2, 4) for head in range(4)]
    for place, block in enumerate((1, 3)):
        bias = model.model.blocks[block].mixer.c_proj.bias
        total = heads.values[4 * place : 4 * place + 4].sum(0) + bias
        torch.testing.assert_close(total, whole[place], rtol=1e-4, atol=1e-6)


def test_a_head_mixes_only_its_own_quarter_of_the_values(model, inputs):
    """Side by side, the heads are what enters the output projection."""
    heads = capture_site(model, inputs, TOKENS, "attention-head").values[:4]
    projection = model.model.blocks[1].mixer.c_proj
    written = capture_site(model, inputs, TOKENS, "attention").values[0]
    torch.testing.assert_close(projection(torch.cat(list(heads), dim=-1)), written, rtol=1e-4, atol=1e-6)


class Plain(nn.Module):
    """A stack of torch's own layers, as somebody might write it."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(3, 8)
        self.layers = nn.ModuleList([nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True) for _ in range(2)])
        self.memory = nn.LSTM(8, 8, batch_first=True)
        self.leave = nn.Linear(8, 1)

    def forward(self, inputs):
        stream = self.enter(inputs)
        for layer in self.layers:
            # in evaluation, without gradients, torch would fuse the layer and call none of its modules
            stream = stream + layer.linear2(torch.relu(layer.linear1(stream)))
        return self.leave(self.memory(stream)[0])


def test_any_module_is_read_by_its_path_with_a_star_for_the_blocks_number(inputs):
    torch.manual_seed(0)
    plain = Plain()
    places = ["layers.0.linear1:input", "layers.0.linear2", "layers.1.linear2", "memory"]
    model = ModuleModel(plain, places, plain.leave, inputs=3)
    found = capture_site(model, inputs, TOKENS, "module:layers.*.linear1")
    assert found.layers == (1, 2) and found.numbers == (16, 16)
    with torch.no_grad():
        expected = plain.layers[0].linear1(plain.enter(inputs))[:, TOKENS]
    torch.testing.assert_close(found.values[0], expected)
    assert capture_site(model, inputs, TOKENS, "module:memory").numbers == (8,)


def test_a_module_that_is_never_called_is_refused_in_a_sentence(inputs):
    torch.manual_seed(0)
    plain = Plain()
    model = ModuleModel(plain, ["layers.0.linear1:input", "memory"], plain.leave, inputs=3)
    with pytest.raises(ProbeError, match=r"layers.0.self_attn was to be read, but .* not called once"):
        capture_site(model, inputs, TOKENS, "module:layers.*.self_attn")


@pytest.mark.parametrize(
    ("site", "said"),
    [
        ("module", "without a path"),
        ("module:blocks.*.mixr", "Did you mean blocks"),
        ("state:3", "takes nothing behind a colon"),
    ],
)
def test_a_site_that_names_nothing_is_refused_in_a_sentence(model, inputs, site, said):
    with pytest.raises(ProbeError, match=said):
        capture_site(model, inputs, TOKENS, site)
