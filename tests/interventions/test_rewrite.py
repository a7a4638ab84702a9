"""Claims: a stream that enters a module by keyword is rewritten like one that enters by place."""

import torch
from torch import nn

from probe.capture import Place
from probe.interventions.rewrite import rewriting


class Named(nn.Module):
    def forward(self, hidden, mask=None):
        return hidden + 1


def test_a_stream_given_by_keyword_is_rewritten():
    module, stream = Named(), torch.zeros(2, 3, 4)
    place = Place("named", module, "input", lambda raw: raw)
    for call in (lambda: module(hidden=stream, mask=None), lambda: module(stream, mask=None)):
        with rewriting(place, lambda there: there + 5):
            assert torch.equal(call(), stream + 6)
        assert torch.equal(call(), stream + 1)
    assert torch.equal(stream, torch.zeros(2, 3, 4))
