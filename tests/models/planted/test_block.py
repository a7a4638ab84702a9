"""Claims: a planted block sees no later token and no other prompt, and its noise is as large as it is said to be."""

from typing import get_args

import pytest
import torch

from probe.capture import NativeModel, check_invariants
from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.models import ResidualModel
from probe.models.controls import planted_model
from probe.models.planted import WAYS, Algorithm, planted_width

DIM, BLOCKS = 3, 6
EVERY = list(WAYS)


def test_what_a_layout_may_name_is_what_there_is():
    assert list(get_args(Algorithm)) == EVERY


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("algorithm", EVERY)
def test_the_invariants_of_capture_hold(algorithm, noise, prompts):
    model = NativeModel(planted_model(algorithm, DIM, BLOCKS, noise=noise))
    findings = check_invariants(model, prompts.inputs)
    assert [finding.claim for finding in findings if not finding.held] == []


@pytest.mark.parametrize("algorithm", EVERY)
def test_a_prompt_is_answered_alike_alone_and_in_company_and_before_later_tokens(algorithm, prompts):
    model = planted_model(algorithm, DIM, BLOCKS, noise=0.1)
    together = model(prompts.inputs)
    assert together.abs().max() > 0.1
    # the moments are sums in another order, of which some solve what is nearly singular
    torch.testing.assert_close(model(prompts.inputs[3:4]), together[3:4], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(model(prompts.inputs[:, :9]), together[:, :9], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("algorithm", ["solve", "late"])
def test_noise_has_the_variance_that_it_is_said_to_have_and_adds_up_where_nothing_reads_it(algorithm):
    inputs = torch.randn(200, 9, DIM, generator=torch.Generator().manual_seed(0))
    clean, noisy, other = (
        _weights(planted_model(algorithm, DIM, BLOCKS, noise=noise, seed=seed), inputs)
        for noise, seed in ((0.0, 0), (0.1, 0), (0.1, 1))
    )
    for layer in range(1, BLOCKS + 1):
        added = noisy[layer] - clean[layer]
        assert added.var() == pytest.approx(layer * 0.01, rel=0.1)
        assert abs(added.mean()) < 0.02
        step = added - (noisy[layer - 1] - clean[layer - 1])
        again = (other[layer] - clean[layer]) - (other[layer - 1] - clean[layer - 1])
        assert abs((step * again).mean()) < 0.001, "another seed draws another noise"


def _weights(model: ResidualModel, inputs: torch.Tensor) -> list[torch.Tensor]:
    streams = [model.embed(inputs)]
    for block in model.blocks:
        streams.append(block(streams[-1]))
    return [stream[..., DIM : 2 * DIM] for stream in streams]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ProbeError, match="stream 8 wide"):
        ResidualModel(ModelConfig(layout="P[dim=3]2", dim=3, width=8))
    with pytest.raises(ProbeError, match="2 planted blocks"):
        planted_model("coordinate", 3, 2)
    with pytest.raises(ProbeError, match="needs 0 or more"):
        planted_model("gradient", 3, 2, noise=-0.1)


@pytest.mark.parametrize("algorithm", EVERY)
def test_a_wider_stream_leaves_the_answers_as_they_are(algorithm, prompts):
    wide = planted_model(algorithm, DIM, BLOCKS, width=planted_width(DIM, algorithm, BLOCKS) + 7)
    assert torch.equal(wide(prompts.inputs), planted_model(algorithm, DIM, BLOCKS)(prompts.inputs))
