"""Claims: sequences and tokens that a model cannot have are told in a sentence, before it runs."""

import pytest
import torch
from torch import nn

import probe
from probe.errors import ProbeError

VECTORS = probe.ModuleModel(
    mine := nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)), ["1:input", "1"], mine[2], inputs=3
)
SYMBOLS = probe.ModuleModel(
    its := nn.Sequential(nn.Embedding(5, 8), nn.Tanh(), nn.Linear(8, 5)), ["1:input", "1"], its[2], symbols=5
)


@pytest.mark.parametrize(
    ("model", "inputs", "said"),
    [
        (VECTORS, torch.ones(2, 4, 2), r"shape \(2, 4, 2\) .* reads floats \[sequence, time, 3\]"),
        (VECTORS, torch.ones(2, 4, dtype=torch.long), "reads floats"),
        (VECTORS, torch.ones(0, 4, 3), "one or more"),
        (SYMBOLS, torch.ones(2, 4, 3), "reads token ids"),
        (SYMBOLS, torch.full((2, 4), 5), "Token ids from 5 to 5 were given, but the model has those from 0 to 4"),
        (SYMBOLS, torch.full((2, 4), -1), "Token ids from -1"),
    ],
)
def test_sequences_that_the_model_does_not_read_are_refused(model, inputs, said):
    for read in (probe.capture_stream, lambda *given: probe.capture_site(*given, site="module:1")):
        with pytest.raises(ProbeError, match=said):
            read(model, inputs, torch.tensor([1]))


@pytest.mark.parametrize(
    ("tokens", "said"),
    [([4], "Token 4 was asked for"), ([-1], "Token -1"), ([], "No token")],
)
def test_tokens_that_are_not_there_are_refused(tokens, said):
    for read in (probe.capture_stream, lambda *given: probe.capture_site(*given, site="module:1")):
        with pytest.raises(ProbeError, match=said):
            read(VECTORS, torch.ones(2, 4, 3), torch.tensor(tokens, dtype=torch.long))


def test_a_module_that_returns_something_else_than_a_row_a_token_is_refused():
    class Mean(nn.Module):
        def forward(self, inputs):
            return inputs.mean(1, keepdim=True)

    net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    net[1].mean = Mean()
    net[1].forward = lambda seen: seen + net[1].mean(seen)
    model = probe.ModuleModel(net, ["1:input", "1"], net[2], inputs=3)
    with pytest.raises(ProbeError, match="what stands at every token is needed"):
        probe.capture_site(model, torch.ones(2, 4, 3), [1], site="module:1.mean")
