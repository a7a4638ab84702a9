"""Claims: streaming = closed form; halves merge to the whole; how prompts are batched does not matter."""

import pytest
import torch

from probe.errors import ProbeError
from probe.heads.moments import Moments
from probe.heads.ridge import solve_path

LAYERS, CONTEXTS, WIDTH, TARGETS = 3, 2, 7, 2
FIELDS = ("mean_x", "mean_y", "xx", "xy", "yy")


def draw(prompts=400, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(LAYERS, 1, WIDTH, WIDTH, generator=generator)
    stream = torch.randn(LAYERS, prompts, CONTEXTS, WIDTH, generator=generator) @ mixing + 3
    target = torch.randn(prompts, CONTEXTS, TARGETS, generator=generator) - 1
    return stream.to(dtype), target.to(dtype)


def gather(stream, target, batch=64):
    moments = Moments((stream.shape[0], stream.shape[2]), stream.shape[-1], target.shape[-1])
    for rows, wanted in zip(stream.split(batch, dim=1), target.split(batch), strict=True):
        moments.update(rows, wanted)
    return moments


def closed_form(stream, target):
    x, y = stream.double().transpose(1, 2), target.double().transpose(0, 1).expand(len(stream), -1, -1, -1)
    mean_x, mean_y = x.mean(2), y.mean(2)
    x, y = x - mean_x[:, :, None], y - mean_y[:, :, None]
    return dict(zip(FIELDS, (mean_x, mean_y, x.mT @ x, x.mT @ y, y.mT @ y), strict=True))


def assert_equal(moments, expected, tolerance=1e-12):
    for name in FIELDS:
        other = expected[name] if isinstance(expected, dict) else getattr(expected, name)
        torch.testing.assert_close(getattr(moments, name), other, rtol=tolerance, atol=tolerance * 400)


@pytest.mark.parametrize("batch", [1, 7, 64, 400])
def test_streaming_equals_the_closed_form_whatever_the_batch(batch):
    stream, target = draw()
    moments = gather(stream, target, batch)
    assert moments.count == 400
    assert_equal(moments, closed_form(stream, target))


@pytest.mark.parametrize("cut", [0, 1, 150, 400])
def test_two_parts_merged_equal_one_pass(cut):
    stream, target = draw()
    first, second = gather(stream[:, :cut], target[:cut]), gather(stream[:, cut:], target[cut:])
    merged = first.merge(second)
    assert merged.count == 400
    assert_equal(merged, closed_form(stream, target))
    assert first.count == cut
    assert second.count == 400 - cut


def test_merging_leaves_both_parts_able_to_go_on():
    stream, target = draw()
    first, second = gather(stream[:, :100], target[:100]), gather(stream[:, 100:200], target[100:200])
    first.merge(second).update(stream[:, 200:], target[200:])
    first.update(stream[:, 100:], target[100:])
    assert_equal(first, closed_form(stream, target))


def test_looking_in_between_changes_nothing():
    stream, target = draw()
    moments = gather(stream[:, :130], target[:130])
    assert_equal(moments, closed_form(stream[:, :130], target[:130]))
    moments.update(stream[:, 130:], target[130:])
    assert_equal(moments, closed_form(stream, target))


def test_a_mean_far_above_the_spread_is_not_cancelled():
    stream, target = draw(dtype=torch.float64)
    expected = closed_form(stream, target)
    moments = gather(stream + 1e6, target - 1e6, batch=10)
    for name in ("xx", "xy", "yy"):
        torch.testing.assert_close(getattr(moments, name), expected[name], rtol=1e-8, atol=1e-5)


def test_a_drifting_stream_is_not_cancelled():
    """The first prompt is far from all the others, which differ little among themselves."""
    stream, target = draw(prompts=5000, dtype=torch.float64)
    stream[:, 0] -= 1e5
    assert_equal(gather(stream, target, batch=1), closed_form(stream, target), tolerance=1e-11)


def test_a_constant_feature_has_moments_of_exactly_zero():
    stream, target = draw()
    stream[..., 3] = 0.1
    moments = gather(stream, target)
    assert (moments.xx[..., 3, :] == 0).all()
    assert (moments.xy[..., 3, :] == 0).all()
    assert (moments.mean_x[..., 3] == stream[0, 0, 0, 3].double()).all()


def test_any_strides_and_gradients_are_read_the_same():
    stream, target = draw()
    turned = stream.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0).requires_grad_()
    moments = gather(turned, target)
    assert_equal(moments, closed_form(stream, target))
    assert not moments.xx.requires_grad


def test_an_empty_batch_is_no_batch():
    stream, target = draw()
    moments = gather(stream, target)
    moments.update(stream[:, :0], target[:0])
    assert moments.count == 400


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_stream_that_is_not_finite_is_named_by_its_layer(bad):
    stream, target = draw()
    stream[1:, 200, 1, 4] = bad
    with pytest.raises(ProbeError, match="stream at layer 1, 2,"):
        solve_path(gather(stream, target))


def test_targets_that_are_not_finite_and_no_prompts_at_all_are_refused():
    stream, target = draw()
    target[3, 1, 0] = float("nan")
    with pytest.raises(ProbeError, match="targets"):
        solve_path(gather(stream, target))
    with pytest.raises(ProbeError, match="No prompts"):
        solve_path(Moments((1, 1), 2, 1))


def test_a_stream_of_another_grid_is_refused():
    stream, target = draw()
    with pytest.raises(AssertionError, match="broadcast"):
        Moments((LAYERS, CONTEXTS), WIDTH, TARGETS).update(stream[:, :, :1], target[:, :1])


def test_a_prompt_that_does_not_count_at_a_context_leaves_no_trace_there():
    """Moments of the counted prompts alone, context by context; merging and penalties follow the same counts."""
    stream, target = draw()
    counted = torch.rand(400, CONTEXTS, generator=torch.Generator().manual_seed(1)) < 0.3
    poisoned = stream.where(counted[None, :, :, None], 1e6)
    cut = Moments((LAYERS, CONTEXTS), WIDTH, TARGETS), Moments((LAYERS, CONTEXTS), WIDTH, TARGETS)
    for part, moments in zip((slice(0, 150), slice(150, 400)), cut, strict=True):
        moments.update(poisoned[:, part], target[part], counted[part])
    merged = cut[0].merge(cut[1])
    assert merged.counts.tolist() == counted.sum(0).tolist()
    for context in range(CONTEXTS):
        rows = counted[:, context]
        alone = closed_form(stream[:, rows, context : context + 1], target[rows, context : context + 1])
        for name in FIELDS:
            found = getattr(merged, name)[:, context : context + 1]
            torch.testing.assert_close(found, alone[name], rtol=1e-8, atol=1e-4 if name == "xx" else 1e-6)


def test_a_part_is_what_one_layer_and_some_targets_alone_give():
    generator = torch.Generator().manual_seed(0)
    stream, target = torch.randn(3, 40, 2, 5, generator=generator), torch.randn(40, 2, 4, generator=generator)
    whole, alone = Moments((3, 2), 5, 4), Moments((1, 2), 5, 2)
    for half in (slice(0, 25), slice(25, 40)):
        whole.update(stream[:, half], target[half])
        alone.update(stream[1:2, half], target[half, :, 1:3])
    part = whole.part(1, slice(1, 3))
    for name in ("mean_x", "mean_y", "xx", "xy", "yy", "counts", "count"):
        torch.testing.assert_close(getattr(part, name), getattr(alone, name))
    torch.testing.assert_close(part.merge(alone).xx, alone.merge(alone).xx)


@pytest.mark.parametrize("batch", [1, 7, 400])
def test_a_whole_weight_counts_a_prompt_so_often(batch):
    """Also where it is 0, and where prompts count at some contexts alone."""
    stream, target = draw()
    weights = torch.arange(400) % 4
    counted = torch.stack([torch.arange(400) % 3 > 0, torch.ones(400, dtype=torch.bool)], dim=1)
    often = weights.repeat_interleave(weights) * 0 + torch.arange(400).repeat_interleave(weights)
    weighted, repeated = (Moments((LAYERS, CONTEXTS), WIDTH, TARGETS) for _ in range(2))
    for rows in torch.arange(400).split(batch):
        weighted.update(stream[:, rows], target[rows], counted[rows], weights[rows].double())
    repeated.update(stream[:, often], target[often], counted[often])
    assert_equal(weighted, repeated)
    torch.testing.assert_close(weighted.counts, repeated.counts)
    assert weighted.rows.tolist() == [((weights > 0) & some).sum().item() for some in counted.T]
    half = weighted.merge(repeated)
    assert_equal(half, repeated.merge(weighted))
    torch.testing.assert_close(half.counts, 2 * repeated.counts)


def test_weights_below_one_scale_moments_and_no_mean():
    stream, target = draw()
    whole, tenth = (Moments((LAYERS, CONTEXTS), WIDTH, TARGETS) for _ in range(2))
    whole.update(stream, target)
    for rows in torch.arange(400).split(90):
        tenth.update(stream[:, rows], target[rows], weights=torch.full((len(rows),), 1e-4, dtype=torch.float64))
    torch.testing.assert_close(tenth.mean_x, whole.mean_x)
    torch.testing.assert_close(tenth.xx * 1e4, whole.xx)
    torch.testing.assert_close(tenth.part(1, slice(1)).xy * 1e4, whole.part(1, slice(1)).xy)
    assert solve_path(tenth).choose(torch.zeros(LAYERS, CONTEXTS, dtype=torch.long)).weight.isfinite().all()
