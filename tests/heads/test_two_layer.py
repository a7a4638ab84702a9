"""Claims: a two-layer head finds what is not linear, equals the linear head on what is, and repeats by its seed."""

import pytest
import torch

from probe.errors import ProbeError
from probe.heads.two_layer import TwoLayer, fit_two_layer

FAST = TwoLayer(hidden=24, epochs=50, rate=3e-2, batch=256)
WIDTH = 4


def draw(target, seed=0):
    """Two layers of prompts to fit on, to select by and to score on, and the targets of each."""
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for count in (1024, 256, 512):
        stream = torch.randn(2, count, WIDTH, generator=generator)
        noise = torch.randn(count, 1, generator=generator)
        parts += [stream, target(stream[1], noise)]
    return parts


def errors(parts, settings=FAST):
    """The errors, layer by layer, of the two-layer head and of the linear head within it."""
    heads = fit_two_layer(*parts[:4], settings)
    stream, target = parts[4:]
    zero = target.double().square().sum()
    two = (heads(stream) - target).square().sum((1, 2)) / zero
    one = (heads.linear(stream[:, :, None])[:, :, 0] - target).square().sum((1, 2)) / zero
    return heads, two, one


def test_a_quadratic_target_is_found_by_it_and_not_by_the_linear_head():
    """In the layer where it stands, and not in the other."""
    _, two, one = errors(draw(lambda x, _: x[:, :1] * x[:, 1:2]))
    assert one.min() > 0.9
    assert two[1] < 0.1
    assert two[0] > 0.9


def test_a_linear_target_is_found_as_by_the_linear_head():
    """Exactly without noise; with it, within what choosing a pass by few prompts costs."""
    weight = torch.arange(1.0, WIDTH + 1)[:, None]
    _, two, one = errors(draw(lambda x, _: x @ weight))
    assert two[1] < 1e-9
    torch.testing.assert_close(two[0], one[0], rtol=0.02, atol=0)
    _, two, one = errors(draw(lambda x, noise: x @ weight + 5 * noise))
    torch.testing.assert_close(two, one, rtol=0.05, atol=0)


def test_targets_of_any_unit_give_the_same_head():
    parts = draw(lambda x, noise: 3 + x[:, :1].abs() + 0.1 * noise)
    _, two, _ = errors(parts)
    _, scaled, _ = errors([1e6 * part if place % 2 else part for place, part in enumerate(parts)])
    torch.testing.assert_close(two, scaled, rtol=1e-2, atol=1e-4)


def test_the_seed_decides_every_number():
    parts, short = draw(lambda x, _: x[:, :1].abs()), TwoLayer(hidden=8, epochs=2)
    first, again = (fit_two_layer(*parts[:4], short) for _ in range(2))
    assert torch.equal(first.inner, again.inner)
    assert torch.equal(first.outer, again.outer)
    other = fit_two_layer(*parts[:4], TwoLayer(hidden=8, epochs=2, seed=1))
    assert not torch.equal(first.inner, other.inner)


def test_no_prompts_to_stop_by_are_refused():
    parts = draw(lambda x, _: x[:, :1])
    with pytest.raises(ProbeError, match="some to stop by"):
        fit_two_layer(parts[0], parts[1], parts[2][:, :0], parts[3][:0])


def test_one_feature_in_another_unit_hides_none_of_the_others():
    """Nor does a feature that does not vary, whatever its value."""
    parts = draw(lambda x, _: x[:, :1] * x[:, 1:2])
    _, usual, _ = errors(parts)
    unit = torch.tensor([1e-5, 1.0, 1.0, 1e7])
    _, two, _ = errors([part * unit if place % 2 == 0 else part for place, part in enumerate(parts)])
    torch.testing.assert_close(two, usual, rtol=0.05, atol=0)
    constant = [
        torch.cat([part, torch.full_like(part[..., :1], 0.1)], -1) if place % 2 == 0 else part
        for place, part in enumerate(parts)
    ]
    assert errors(constant)[1][1] < 0.1


def test_units_that_do_not_help_on_the_selection_prompts_are_left_out():
    """Of noise fitted to few prompts; what is kept is never worse there than the linear head alone."""
    generator = torch.Generator().manual_seed(4)
    stream, select = torch.randn(2, 40, WIDTH, generator=generator), torch.randn(2, 200, WIDTH, generator=generator)
    target, wanted = torch.randn(40, 1, generator=generator), torch.randn(200, 1, generator=generator)
    heads = fit_two_layer(stream, target, select, wanted, FAST)
    two = (heads(select) - wanted).square().mean((1, 2))
    one = (heads.linear(select[:, :, None])[:, :, 0] - wanted).square().mean((1, 2))
    assert (two <= one + 1e-6).all()
    assert min(heads.epochs) < 5
