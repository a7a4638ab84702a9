"""Claims: steering is patching with the stream plus a vector, moves no earlier token, and nothing of it stays."""

import pytest
import torch

from probe.capture import capture
from probe.interventions import patching, steering

LAST = torch.tensor([8])


@pytest.mark.parametrize("layout", ["M2", "(AF)1", "M(AM)1"])
def test_steering_is_patching_with_the_sum(built, prompts, layout):
    model, (own, _) = built(layout), prompts
    stream = capture(model, own, LAST).stream
    vectors = torch.randn(4, 1, 16, generator=torch.Generator().manual_seed(2))
    plain = model.run(own)
    for place, there in zip(model.places, stream, strict=True):
        with steering(place, LAST, vectors):
            steered = model.run(own)
        with patching(place, LAST, there + vectors):
            patched = model.run(own)
        assert torch.equal(steered, patched)
        assert torch.equal(steered[:, :-1], plain[:, :-1])
        assert not torch.allclose(steered[:, -1], plain[:, -1])


def test_one_vector_serves_all_prompts(built, prompts):
    model, (own, _) = built("M2"), prompts
    vector = torch.randn(1, 1, 16, generator=torch.Generator().manual_seed(2))
    results = []
    for vectors in (vector, vector.expand(4, 1, 16)):
        with steering(model.places[1], LAST, vectors):
            results.append(model.run(own))
    assert torch.equal(*results)


def test_the_last_layers_answer_moves_by_the_read_out_along_it(built, prompts):
    """Without a final norm the decoder is linear, so that the shift is known to rounding."""
    model, (own, _) = built("M2"), prompts
    model.model.norm_f = torch.nn.Identity()
    plain, direction = model.run(own)[:, -1, 0], model.model.read_out.weight[0]
    with steering(model.places[-1], LAST, (0.7 * direction / direction.square().sum())[None, None]):
        torch.testing.assert_close(model.run(own)[:, -1, 0], plain + 0.7)


def test_nothing_stays_after_the_body_or_an_exception(built, prompts):
    model, (own, _) = built("M2"), prompts
    plain = model.run(own)
    with pytest.raises(RuntimeError, match="stop"), steering(model.places[1], LAST, torch.ones(1, 1, 16)):
        raise RuntimeError("stop")
    assert torch.equal(model.run(own), plain)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.model.modules())
