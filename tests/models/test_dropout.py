"""Claims: channels are dropped for a whole sequence, only while training, and the mean stays."""

import pytest
import torch

from probe.errors import ProbeError
from probe.models.dropout import ChannelDropout


def test_a_channel_is_dropped_at_every_token_or_at_none():
    torch.manual_seed(0)
    dropped = ChannelDropout(0.25)(torch.ones(40, 5, 50))
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert sorted(dropped.unique().tolist()) == pytest.approx([0, 4 / 3])
    # within five standard errors
    assert (dropped[:, 0] == 0).double().mean().item() == pytest.approx(0.25, abs=5 * (0.1875 / 2000) ** 0.5)
    assert len({tuple(row.tolist()) for row in dropped[:, 0]}) == 40


def test_nothing_is_dropped_in_evaluation_or_at_rate_0():
    hidden = torch.randn(2, 3, 4)
    assert torch.equal(ChannelDropout(0.5).eval()(hidden), hidden)
    assert torch.equal(ChannelDropout(0.0)(hidden), hidden)


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_a_rate_that_is_no_share_is_refused(rate):
    with pytest.raises(ProbeError, match=f"A dropout of {rate:g} was given, but it needs a share from 0 to below 1"):
        ChannelDropout(rate)
